"""Many clients that hang up or are slow."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Self

from tests.support.service import KEY
from tests.support.service_process import classify_body, drawing
from tests.support.waiting import PATIENCE_S

BODY = classify_body(drawing(Random(0)))
HEAD = f"POST /classify HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
# Raised by a non-blocking socket that would wait.
WOULD_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# Seconds between two bytes.
PAUSE_S = 0.5


def hang_up(port: int, request: bytes, count: int) -> None:
    """Send part of a request on many connections, then close them."""
    with ExitStack() as connections:
        for _ in range(count):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(request)


@dataclass
class Slow:
    """Connections that send a byte now and then; half never finish their headers, and half their body."""

    port: int
    count: int
    path: str = "/classify"
    tls: Callable[[], ssl.SSLContext] | None = None
    cut_off: int = field(default=0, init=False)
    """Connections closed by the server."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._open = [self._connected(number) for number in range(self.count)]
        self._thread = threading.Thread(target=self._drip)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for connection in self._open:
            connection.close()

    def _connected(self, number: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        if self.tls is not None:
            connection = self.tls().wrap_socket(connection, server_hostname="127.0.0.1")
        head = HEAD.replace(b"/classify", self.path.encode(), 1)
        connection.sendall(head[:-2] + b"X-Slow: " if number % 2 else head + BODY[:20])
        connection.setblocking(False)
        return connection

    def _drip(self) -> None:
        while not self._ended.wait(PAUSE_S):
            for connection in list(self._open):
                if not self._is_open(connection):
                    self.cut_off += 1
                    self._open.remove(connection)
                    connection.close()

    def _is_open(self, connection: socket.socket) -> bool:
        """Send one more byte, unless the server has responded or disconnected."""
        try:
            connection.recv(65536)
        except WOULD_WAIT:
            pass
        except OSError:
            return False
        else:
            return False
        try:
            connection.send(b"1")
        except WOULD_WAIT:
            pass
        except OSError:
            return False
        return True
