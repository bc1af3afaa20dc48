import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run the function in a thread; a cancelled caller waits until it has ended."""
    thread = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        # Otherwise asyncio would log it.
        thread.exception()
        raise
    finally:
        # An error's traceback would lead back to it and keep the arguments.
        del thread
