"""Simulated power cuts at every step of real transactions, on a disk that forgets unsynced writes.

A killed process keeps the system's cache, so only a disk of our own shows what a power cut leaves.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from sqlalchemy.orm import Session

from app.database import Database
from app.database.sqlite import engine, file_guard
from tests.support.predictions import a_prediction
from tests.support.unsynced_disk import Connection, Disk, Files, Plug, Step

CLIENTS = 3
ROWS_EACH = 12


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


def steps_of_a_service(disk: Disk, database_url: str, patch: pytest.MonkeyPatch) -> list[Step]:
    """Open a database, write with several clients and close; return all steps and acknowledgements in order."""

    def connect(file: file_guard.FileGuard) -> Connection:
        file.check_still_there()
        return Connection(f"{file.path.as_uri()}?mode=rw")

    async def client(database: Database, number: int) -> None:
        for row in range(ROWS_EACH):
            word = f"{number} {row} {'w' * 500}"

            def add(session: Session, word: str = word) -> None:
                session.add(a_prediction(notes=word))

            await database.write(add)
            disk.acknowledge(word)

    async def all_clients(database: Database) -> None:
        await asyncio.gather(*(client(database, number) for number in range(CLIENTS)))

    patch.setattr(file_guard.FileGuard, "connect", connect)
    # Often, so that every kind of step occurs.
    patch.setattr(engine, "AUTOCHECKPOINT", "wal_autocheckpoint=10")
    # The probe uses Python's own SQLite, which ignores apsw's locks in this process and would remove the WAL.
    patch.setattr(file_guard, "PROBE_INTERVAL_S", 3600.0)
    database = Database(database_url)
    asyncio.run(all_clients(database))
    database.close()
    return disk.steps


class Outcome(NamedTuple):
    """The number of cuts, of cuts that lost a row, and of damaged files."""

    cuts: int
    lost: int
    damaged: int


class Left(NamedTuple):
    """What SQLite finds on the disk."""

    damaged: bool
    words: frozenset[str]


def look(files: Files, folder: Path, database: str) -> Left:
    """Open the database of these files in the folder, in place of those that were there."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    with closing(sqlite3.connect(folder / database)) as found:
        damaged = found.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        return Left(damaged, frozenset(word for (word,) in found.execute("SELECT notes FROM predictions")))


def cut_at_every_step(steps: list[Step], before: Path, folder: Path) -> Outcome:
    """Cut the power after each step, once without and once with part of the unsynced writes."""
    plug, random = Plug([before]), Random(0)
    acknowledged: set[str] = set()
    # Most steps sync nothing; without unsynced writes they leave the same files as the step before.
    seen: dict[frozenset[tuple[str, bytes | None]], Left] = {}
    folder.mkdir()
    cuts = lost = damaged = 0
    for step in steps:
        plug.do(step)
        if step.call == "acknowledge":
            acknowledged.add(step.file)
        for chance in (None, random):
            files = plug.cut(chance)
            content = frozenset(files.items())
            if content not in seen:
                seen[content] = look(files, folder, before.name)
            damaged += seen[content].damaged
            lost += not acknowledged <= seen[content].words
            cuts += 1
    assert len(acknowledged) == CLIENTS * ROWS_EACH
    return Outcome(cuts, lost, damaged)


def outcome(disk: Disk, database_url: str, folder: Path, patch: pytest.MonkeyPatch) -> Outcome:
    before = folder / "before" / "pixelwise.db"
    before.parent.mkdir()
    before.write_bytes((folder / "pixelwise.db").read_bytes())
    steps = steps_of_a_service(disk, database_url, patch)
    return cut_at_every_step(steps, before, folder / "after")


def test_power_cut_at_any_step_loses_no_acknowledged_row(
    disk: Disk, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outcome(disk, sqlite_url, tmp_path, monkeypatch)
    assert found.cuts > 100
    assert (found.lost, found.damaged) == (0, 0)


def test_weaker_setting_loses_rows(
    disk: Disk, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaker = tuple(pragma.replace("synchronous=FULL", "synchronous=NORMAL") for pragma in engine.WRITER_PRAGMAS)
    assert weaker != engine.WRITER_PRAGMAS
    monkeypatch.setattr(engine, "WRITER_PRAGMAS", weaker)
    found = outcome(disk, sqlite_url, tmp_path, monkeypatch)
    assert found.lost > 0
    assert found.damaged == 0
