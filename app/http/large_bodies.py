"""Turns: what takes long or takes much memory is done two at a time, so that something is left for the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.http.problems import Busy

AT_ONCE: Final = 2

# Each has a body of up to 8 MiB in memory. Whoever comes later is told at once to come back.
MAX_INSIDE: Final = 32

_turns = asyncio.Semaphore(AT_ONCE)
_inside = 0


def configure() -> None:
    """Belong to the running event loop; called when the service starts."""
    global _turns, _inside
    _turns = asyncio.Semaphore(AT_ONCE)
    _inside = 0


@asynccontextmanager
async def inside() -> AsyncIterator[None]:
    """Let a call in that holds a large body until it ends; raise Busy when too many do already."""
    global _inside
    if _inside >= MAX_INSIDE:
        raise Busy(MAX_INSIDE)
    _inside += 1
    try:
        yield
    finally:
        _inside -= 1


def turn() -> asyncio.Semaphore:
    """Return what waits for a turn when it is entered, and ends the turn when it is left."""
    return _turns
