"""Functions in threads, for callers that may go."""

import asyncio
import logging
import threading

import pytest

from app.services.threads import in_thread
from tests.support.service import SECONDS


@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_caller_waits_for_the_end_of_its_thread(fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert release.wait(SECONDS)
        ended.set()
        if fails:
            raise ValueError

    async def scenario() -> None:
        calling = asyncio.create_task(in_thread(work))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        calling.cancel()
        await asyncio.sleep(0.01)
        assert not calling.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert ended.is_set()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert caplog.text == ""
