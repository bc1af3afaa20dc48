import asyncio
from collections.abc import Callable
from typing import Final

from app.loop_round import LoopRound

LARGE_PIECE: Final = 16 * 1024


class ResponseTransport:
    """Joins the small pieces of an event-loop round, such as head and body, into one write."""

    def __init__(self, transport: asyncio.Transport, is_closing: Callable[[], bool], close: Callable[[], None]) -> None:
        self.is_closing = is_closing
        self.close = close
        self._pieces = LoopRound[bytes](lambda pieces: transport.write(b"".join(pieces)))
        self.flush = self._pieces.flush

    def write(self, data: bytes) -> None:
        self._pieces.add(data)
        if len(data) > LARGE_PIECE:
            self.flush()
