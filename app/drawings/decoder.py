"""Decode images in a process that can be killed; its standard input is a socket."""

import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from app.drawings.containers import ImageError
from app.drawings.shape import PIXELS

log = logging.getLogger("pixelwise")

CPU_LIMIT_S: Final = 1.8
DEADLINE_S: Final = 5.0
START_DEADLINE_S: Final = 30.0

# In addition to what the process has after its start.
MEMORY_LIMIT: Final = 420_000_000

# Drawings that people wait for come first.
NICENESS: Final = 5

_HEAD_BYTES: Final = 4
_READY: Final = b"ready"
_DIGIT, _REFUSAL = b"+", b"-"
_CRASHES: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
_PROJECT: Final = Path(__file__).resolve().parents[2]


class DecoderBusy(Exception):
    """The process did not start or answer, or was stopped."""


class Decoder:
    """A process that decodes one image at a time, started when needed."""

    def __init__(self, environment: dict[str, str], cpu_limit_s: float = CPU_LIMIT_S) -> None:
        self._environment = environment
        self._cpu_limit_s = cpu_limit_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def read(self, data: bytes) -> bytes:
        """Return the digit's 784 pixels; raise ImageError or DecoderBusy."""
        with self._lock:
            connection = self._start_if_needed()
            try:
                answer = _exchanged(connection, data)
            except OSError:
                raise self._kill_and_explain() from None
        if answer[:1] == _DIGIT and len(answer) == 1 + PIXELS:
            return answer[1:]
        raise ImageError(answer[1:].decode())

    def close(self) -> None:
        with self._lock:
            self._kill()

    def _start_if_needed(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self._kill()
        try:
            self._socket, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-B", "-W", "ignore", "-m", "app.drawings.decoder", str(self._cpu_limit_s)],
                    cwd=_PROJECT,
                    env=self._environment,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                )
            _received(self._socket, len(_READY), monotonic() + START_DEADLINE_S)
        except OSError as error:
            log.warning("the image decoder did not start: %r", error)
            self._kill()
            raise DecoderBusy from None
        return self._socket

    def _kill_and_explain(self) -> ImageError | DecoderBusy:
        """Kill the process; return why there is no answer."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            # After a crash the socket closes first.
            self._process.wait(0.1)
        self._kill()
        status = -self._process.returncode
        if status == signal.SIGPROF:
            return ImageError("The image takes too long to decode; make it smaller or save it in another way.")
        if status in _CRASHES:
            return ImageError("The image is damaged.")
        return DecoderBusy()

    def _kill(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _exchanged(connection: socket.socket, data: bytes) -> bytes:
    deadline = monotonic() + DEADLINE_S
    connection.settimeout(DEADLINE_S)
    connection.sendall(len(data).to_bytes(_HEAD_BYTES))
    connection.sendall(data)
    length = int.from_bytes(_received(connection, _HEAD_BYTES, deadline))
    return bytes(_received(connection, length, deadline))


def _received(connection: socket.socket, length: int, deadline: float | None = None) -> bytearray:
    """Return this many bytes; raise OSError at the deadline or the stream's end."""
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        if deadline is not None:
            connection.settimeout(max(deadline - monotonic(), 0.001))
        count = connection.recv_into(rest)
        if not count:
            raise ConnectionError
        rest = rest[count:]
    return data


def main(cpu_limit_s: float) -> None:
    # The service ends the process by closing the socket.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
    # The first image would wait for it.
    import scipy.ndimage  # noqa: F401

    from app.drawings.image_files import read_image

    _limit_resources()
    with socket.socket(fileno=0) as connection, suppress(ConnectionError):
        connection.sendall(_READY)
        while True:
            data = bytes(_received(connection, int.from_bytes(_received(connection, _HEAD_BYTES))))
            # At zero the kernel ends the process.
            signal.setitimer(signal.ITIMER_PROF, cpu_limit_s)
            try:
                answer = _DIGIT + read_image(data).tobytes()
            except ImageError as error:
                answer = _REFUSAL + str(error).encode()
            except Exception:  # noqa: BLE001  # Such as MemoryError.
                traceback.print_exc()
                answer = _REFUSAL + b"The image cannot be read."
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.sendall(len(answer).to_bytes(_HEAD_BYTES) + answer)
            del data


def _limit_resources() -> None:
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_LIMIT,) * 2)


if __name__ == "__main__":
    main(float(sys.argv[1]))
