"""Work in threads."""

import asyncio
import gc
import weakref
from contextlib import suppress

from app.services.threads import in_thread


class Body:
    """Something large."""


def fail(_body: Body) -> None:
    raise ValueError


def test_failed_work_frees_its_arguments_immediately() -> None:
    async def run() -> bool:
        body = Body()
        reference = weakref.ref(body)
        with suppress(ValueError):
            await in_thread(fail, body)
        del body
        # The thread may still be on its way out.
        await asyncio.to_thread(int)
        return reference() is None

    gc.disable()
    try:
        assert asyncio.run(run())
    finally:
        gc.enable()
