"""How long images within the limits take to decode, and what thirty at once cost others and in memory.

`python -m benchmarks.attacks images`; about three minutes.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

import numpy as np
import psutil
from PIL import Image

from benchmarks.attacks.expensive import Crowd, status_of
from benchmarks.attacks.victim import Honest, attacked
from benchmarks.report import table
from tests.support.digit_images import encoded
from tests.support.hostile_images import bmp_of, png_chunk, png_of, with_scans
from tests.support.service import KEY
from tests.support.service_process import Service

UPLOADS: Final = 30
LONGEST_DECODE_S: Final = 2.0
MOST_MIB: Final = 600
SIDE: Final = 5000
HEADING: Final = ("30 at once", "file kB", "one alone s", "slowest /classify s", "most MiB", "answers")


def upload(data: bytes) -> bytes:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--b--\r\n"
    head = f"POST /classify/image HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"
    kind = f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + kind).encode() + body


@cache
def squares() -> Image.Image:
    """25 megapixels that fill 8 MiB as a lossless WebP."""
    small = np.random.default_rng(0).integers(0, 255, (SIDE // 10, SIDE // 10, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def images() -> dict[str, bytes]:
    plain = Image.new("RGB", (SIDE, SIDE), "white")
    jpeg = encoded(Image.new("L", (100, 100)), "JPEG")
    png = encoded(Image.new("L", (100, 100)))
    return {
        "lossless WebP": encoded(squares(), "WEBP", lossless=True, quality=0, method=0),
        "lossless WebP, one colour": encoded(plain, "WEBP", lossless=True, method=0),
        "JPEG": encoded(squares(), "JPEG", quality=70),
        "progressive JPEG": encoded(squares(), "JPEG", quality=60, progressive=True, subsampling=0),
        "JPEG of 15 scans": with_scans(encoded(plain, "JPEG", progressive=True), 5),
        "JPEG of 95 scans": with_scans(encoded(plain, "JPEG", progressive=True), 85),
        "small JPEG of 99 scans": with_scans(encoded(plain.resize((2000, 2000)), "JPEG", progressive=True), 89),
        "PNG": encoded(squares(), compress_level=1),
        "PNG with alpha": encoded(squares().convert("LA"), compress_level=1),
        "GIF": encoded(squares().quantize(64), "GIF"),
        "BMP of runs": bmp_of(2000, 2000, b"\1\0" * 4_000_000),
        "small BMP of runs": bmp_of(1400, 1400, b"\1\0" * 1_960_000),
        "JPEG of 1,500,000 segments": jpeg[:2] + b"\xff\xfe\0\2" * 1_500_000 + jpeg[2:],
        "PNG of 400,000 chunks": png[:33] + png_chunk(b"prVt", b"") * 400_000 + png[33:],
        "PNG of one column": png_of(1, 25_000_000, pixels=bytes(50_000_000)),
    }


def shared_memory_mib(service: Service) -> float:
    """The memory of the service and its decoders; pages that they share count once."""
    process, total = psutil.Process(service.process.pid), 0
    for each in (process, *process.children()):
        # A decoder may just have been killed.
        with suppress(psutil.Error):
            total += each.memory_full_info().pss
    return total / 1024**2


@contextmanager
def most_memory(service: Service) -> Iterator[list[float]]:
    """Measure memory until the end of the block."""
    found, ended = [0.0], threading.Event()

    def measure() -> None:
        while not ended.wait(0.02):
            found.append(shared_memory_mib(service))

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def answer_seconds(service: Service, request: bytes) -> float:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request)
        status_of(connection)
    return time.monotonic() - began


def attack(name: str, data: bytes) -> tuple[list[str], bool]:
    """Send the image once, then thirty times at once; return a line of the table and whether all limits held."""
    request = upload(data)
    with attacked() as service:
        # Both processes have started.
        for warm in (Image.new("L", (30, 30)), Image.new("1", (2000, 2000))):
            answer_seconds(service, upload(encoded(warm)))
        alone = answer_seconds(service, request)
        crowd = Crowd(service.port, [request] * UPLOADS)
        with most_memory(service) as memory, Honest(service.port) as honest:
            crowd.attack()
    answers = ", ".join(f"{count} of {answer}" for answer, count in sorted(crowd.answers.items()))
    kept = honest.is_served() and alone <= LONGEST_DECODE_S and max(memory) <= MOST_MIB
    kept = kept and set(crowd.answers) <= {"200", "422", "503"}
    seconds = f"{alone:.2f}", f"{honest.slowest_s:.2f}"
    return [name, f"{len(data) / 1000:.0f}", *seconds, f"{max(memory):.0f}", answers], kept


def main() -> int:
    """Attack a new service with each of the images, or with those whose names contain an argument."""
    lines, kept = [], True
    for name, data in images().items():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            line, good = attack(name, data)
            print(*line, "" if good else "EXCEEDED", sep=" | ", file=sys.stderr, flush=True)
            lines.append(line)
            kept = kept and good
    print(table(HEADING, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
