import asyncio
from collections.abc import Callable
from typing import Final

LARGE_PIECE: Final = 16 * 1024


class ResponseTransport:
    """Joins the small pieces of an event-loop round, such as head and body, into one write."""

    def __init__(self, transport: asyncio.Transport, is_closing: Callable[[], bool], close: Callable[[], None]) -> None:
        self.is_closing = is_closing
        self.close = close
        self._call_soon = asyncio.get_running_loop().call_soon
        self._write = transport.write
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._call_soon(self.flush)
        self._pieces.append(data)
        if len(data) > LARGE_PIECE:
            self.flush()

    def flush(self) -> None:
        if self._pieces:
            self._write(b"".join(self._pieces))
            self._pieces.clear()
