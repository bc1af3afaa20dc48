"""An open SQLite file or its WAL is moved, deleted, replaced or emptied, by its name or through a link."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.database import Database
from app.database.errors import DatabaseUnavailable
from app.database.sqlite import file_guard
from tests.support.predictions import add_prediction
from tests.support.service import rows
from tests.support.waiting import wait_until


def path_of(database: Database) -> Path:
    return Path(database.url.database or "")


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def delete_with_its_wal(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink()


def replace_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("restored.db"))
    path.with_name("restored.db").replace(path)


def replace_as_an_archive_does(path: Path) -> None:
    """Replace the file and restore the folder's modification time, as tar and rsync do."""
    before = path.parent.stat()
    replace_by_a_copy(path)
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))


def delete_the_wal(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def empty_the_wal(path: Path) -> None:
    os.truncate(path.with_name(f"{path.name}-wal"), 0)


def replace_the_folder(path: Path) -> None:
    before = path.parent.rename(path.parent.with_name(f"{path.parent.name}-before"))
    shutil.copytree(before, path.parent)


LOSSES = [
    move_away,
    delete_with_its_wal,
    replace_by_a_copy,
    replace_as_an_archive_does,
    delete_the_wal,
    replace_the_folder,
]


@pytest.fixture
def settles_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rely on the time stamp of a folder after a twentieth of a second."""
    monkeypatch.setattr(file_guard, "SETTLED_NS", 50_000_000)


def wait_until_settled(path: Path) -> None:
    folder, age = path.parent, 2 * file_guard.SETTLED_NS
    wait_until(lambda: not folder.exists() or time.time_ns() - folder.stat().st_ctime_ns > age, "the folder is settled")


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("lose", LOSSES)
def test_write_to_a_lost_file_is_refused(
    sqlite_database: Database, settles_soon: None, lose: Callable[[Path], None], settled: bool
) -> None:
    path = path_of(sqlite_database)
    for _ in range(2):
        if settled:
            wait_until_settled(path)
        asyncio.run(sqlite_database.write(add_prediction))
    lose(path)
    if settled:
        wait_until_settled(path)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(sqlite_database.write(add_prediction))
    with (
        pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"),
        sqlite_database.transaction() as session,
    ):
        add_prediction(session)
    assert "moved, deleted or replaced" in (asyncio.run(sqlite_database.try_write()) or "")


@pytest.mark.parametrize("linked", ["file", "folder"])
@pytest.mark.parametrize("lose", [move_away, delete_the_wal, replace_by_a_copy])
def test_lost_file_or_changed_target_is_noticed_through_a_link(
    sqlite_url: str, tmp_path: Path, settles_soon: None, linked: str, lose: Callable[[Path], None]
) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    data.mkdir()
    real = Path(make_url(sqlite_url).database or "").rename(data / "pixelwise.db")
    link.symlink_to(real if linked == "file" else data)
    database = Database(f"sqlite:///{link if linked == 'file' else link / 'pixelwise.db'}")
    for _ in range(2):
        wait_until_settled(real)
        asyncio.run(database.write(add_prediction))
    other = Path(shutil.copytree(data, tmp_path / "other"))
    link.unlink()
    link.symlink_to(other / "pixelwise.db" if linked == "file" else other)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(database.write(add_prediction))
    link.unlink()
    link.symlink_to(real if linked == "file" else data)
    for _ in range(2):
        wait_until_settled(real)
        asyncio.run(database.write(add_prediction))
    lose(real)
    wait_until_settled(real)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(database.write(add_prediction))
    database.close()


def test_wal_deleted_before_the_first_write_is_noticed(sqlite_database: Database) -> None:
    assert sqlite_database.try_open_writer() is None
    path = path_of(sqlite_database)
    delete_the_wal(path)
    # The next process that opens the file creates a new one.
    path.with_name(f"{path.name}-wal").touch()
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(sqlite_database.write(add_prediction))


def test_few_writes_are_acknowledged_after_the_wal_is_emptied(sqlite_database: Database, sqlite_url: str) -> None:
    for _ in range(400):
        asyncio.run(sqlite_database.write(add_prediction))
    empty_the_wal(path_of(sqlite_database))
    # Enough for a checkpoint.
    refused = 0
    for _ in range(2600):
        try:
            asyncio.run(sqlite_database.write(add_prediction))
        except DatabaseUnavailable as error:
            assert "was emptied, and the rows in it are lost; restart the service" in str(error)  # noqa: PT017
            refused += 1
    assert refused >= 2600 - 8
    sqlite_database.close()
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_probe_right_after_the_wal_is_emptied_names_the_cause(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_guard, "PROBE_INTERVAL_S", 0.0)
    with closing(sqlite3.connect(path_of(sqlite_database))) as other:
        # The page that a new connection reads first is now in the WAL.
        asyncio.run(sqlite_database.write(add_prediction))
        other.execute("PRAGMA user_version = 1")
    empty_the_wal(path_of(sqlite_database))
    with pytest.raises(DatabaseUnavailable, match="was emptied, and the rows in it are lost; restart the service"):
        asyncio.run(sqlite_database.write(add_prediction))


# After 336 writes the next commit would checkpoint.
@pytest.mark.parametrize("writes", [100, 336])
def test_stop_before_the_emptied_wal_is_noticed_leaves_a_sound_file(
    sqlite_database: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(file_guard, "PROBE_INTERVAL_S", 3600.0)
    for _ in range(writes):
        asyncio.run(sqlite_database.write(add_prediction))
    empty_the_wal(path_of(sqlite_database))
    # SQLite writes behind the gap.
    asyncio.run(sqlite_database.write(add_prediction))
    sqlite_database.close()
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_truncating_checkpoint_of_another_process_is_not_refused(sqlite_database: Database) -> None:
    asyncio.run(sqlite_database.write(add_prediction))
    with closing(sqlite3.connect(path_of(sqlite_database))) as other:
        for _ in range(20):
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            asyncio.run(sqlite_database.write(add_prediction))


def test_file_moved_back_is_used_again(sqlite_database: Database) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    move_away(path)
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(sqlite_database.write(add_prediction))
    path.with_name("elsewhere.db").rename(path)
    # The refused row was rolled back, so its id is free.
    assert asyncio.run(sqlite_database.write(add_prediction)) == 2
