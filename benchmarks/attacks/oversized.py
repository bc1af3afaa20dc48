"""Memory that one connection costs while it sends 300 MB of headers, trailers, chunk extensions or URL.

`python -m benchmarks.attacks oversized`; half a minute.
"""

import socket
import sys
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.attacks.victim import Honest, attacked, memory_mib
from benchmarks.report import table
from tests.support.service import KEY
from tests.support.service_process import Service

MIB: Final = 1024**2
SENT: Final = 300 * 1000**2
GROWTH_MIB: Final = 10
PIECE: Final = b"a" * MIB
HEADING = ("300 MB of", "MB sent until closed", "grown by MiB", "slowest other answer s", "response")

GET: Final = b"GET /health HTTP/1.1\r\nHost: pixelwise\r\n"
CHUNKED: Final = (
    f"POST /classify HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
)


class Attack(NamedTuple):
    """The first bytes of the request, and those that are repeated."""

    name: str
    first: bytes
    repeated: bytes


ATTACKS: Final = (
    Attack("one header", GET + b"X-Long: ", PIECE),
    Attack("headers", GET, b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1000))),
    Attack("small headers", GET, b"a:\r\n" * (MIB // 4)),
    Attack("URL", b"GET /", PIECE),
    Attack("empty lines", b"\r\n", b"\r\n" * (MIB // 2)),
    Attack("one trailer", CHUNKED + b"0\r\nX-Long: ", PIECE),
    Attack("trailers", CHUNKED + b"0\r\n", b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(1000))),
    Attack("one chunk extension", CHUNKED + b"1;extension=", PIECE),
    Attack("chunk extensions", CHUNKED, b"1;extension=%s\r\n1\r\n" % (b"a" * 10_000) * 100),
    Attack("pipelined requests", b"", (GET + b"\r\n") * (MIB // len(GET))),
)


def pieces(attack: Attack) -> Iterator[bytes]:
    yield attack.first
    sent = len(attack.first)
    while sent < SENT:
        yield attack.repeated
        sent += len(attack.repeated)


def send(service: Service, attack: Attack) -> tuple[int, float, str]:
    """Return the bytes sent, the most memory meanwhile in MiB, and the first line of the response."""
    sent, most = 0, 0.0
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        try:
            for piece in pieces(attack):
                connection.sendall(piece)
                sent += len(piece)
                most = max(most, memory_mib(service))
            # The service may still work on what it received.
            for _ in range(20):
                time.sleep(0.1)
                most = max(most, memory_mib(service))
        except OSError:
            pass
        connection.settimeout(1)
        try:
            response = connection.recv(MIB).partition(b"\r\n")[0].decode()
        except OSError as error:
            response = type(error).__name__
    return sent, most, response


def main() -> int:
    """Attack a new service in each of the ways."""
    lines, kept = [], True
    for attack in ATTACKS:
        with attacked() as service:
            with Honest(service.port) as honest:
                time.sleep(2)
                before = memory_mib(service)
                sent, most, response = send(service, attack)
            kept = kept and most - before <= GROWTH_MIB and honest.is_served()
            lines.append(
                [attack.name, f"{sent / 1e6:.1f}", f"{most - before:.1f}", f"{honest.slowest_s:.2f}", response]
            )
    print(table(HEADING, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
