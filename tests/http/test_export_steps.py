"""An export of any size can be read: each batch of rows has a deadline of its own."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.database import Database
from app.database.limits import SCAN_TIMEOUT_S
from app.repository.drawings import list_pixels
from app.repository.export import iterate_selected
from app.schemas.export import ExportFormat, ExportManifest, ExportQuery
from app.services import export as service
from app.services.export import Export
from tests.support.export_files import ROWS, fill
from tests.support.pools import open_scans


def work(query: ExportQuery) -> Callable[[Session], Iterator[ExportManifest | bytes | None]]:
    return lambda session: Export(session, query).pieces()


class Clock:
    """The time of an event loop, by which reads expire; other threads can move it."""

    def __init__(self) -> None:
        self.moved_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.time = lambda: time.monotonic() + self.moved_s  # type: ignore[method-assign]

    def move(self) -> None:
        """Let almost all the time of a read pass, and wait until the loop has ended what is overdue."""
        self.moved_s += 0.9 * SCAN_TIMEOUT_S
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result()


def test_each_batch_of_an_export_may_take_as_long_as_any_long_read(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READ_BATCH_SIZE", 100)
    fill(database_url)
    query = ExportQuery(format=ExportFormat.CSV, include_unlabelled=True)

    async def run() -> None:
        clock = Clock()

        def slow_selected(*arguments: Any, **options: Any) -> Iterator[Any]:
            for part in iterate_selected(*arguments, **options):
                clock.move()
                yield part

        def slow_pixels(*arguments: Any) -> dict[int, bytes]:
            clock.move()
            return list_pixels(*arguments)

        monkeypatch.setattr(service, "iterate_selected", slow_selected)
        monkeypatch.setattr(service, "list_pixels", slow_pixels)
        pieces = [one async for one in database.stream(work(query))]
        manifest, *content = filter(None, pieces)
        assert isinstance(manifest, ExportManifest)
        assert manifest.counts.rows == len(ROWS)
        assert b"".join(part for part in content if isinstance(part, bytes)).count(b"\n") == len(ROWS) + 1
        assert clock.moved_s > 5 * SCAN_TIMEOUT_S

    asyncio.run(run())


def test_export_stopped_while_it_reads_releases_its_connection(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READ_BATCH_SIZE", 100)
    fill(database_url)

    async def run() -> None:
        async with aclosing(database.stream(work(ExportQuery(include_unlabelled=True)))) as pieces:
            assert await anext(pieces) is None
            assert open_scans(database) == 1
        assert open_scans(database) == 0

    asyncio.run(run())
