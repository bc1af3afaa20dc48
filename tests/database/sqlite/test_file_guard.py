"""A file that is lost while it is open: itself or its log moved, deleted or replaced, by its name or through a link."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.database import Database
from app.database.errors import DatabaseUnavailable
from app.database.sqlite import file_guard
from tests.support.predictions import add_prediction
from tests.support.service_process import wait_until


def path_of(database: Database) -> Path:
    return Path(database.engine.url.database or "")


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def delete_with_its_log(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink()


def replace_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("restored.db"))
    path.with_name("restored.db").replace(path)


def replace_as_an_archive_does(path: Path) -> None:
    """Put the folder's time of modification back, too."""
    before = path.parent.stat()
    replace_by_a_copy(path)
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))


def delete_the_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def replace_the_folder(path: Path) -> None:
    before = path.parent.rename(path.parent.with_name(f"{path.parent.name}-before"))
    shutil.copytree(before, path.parent)


LOSSES = [
    move_away,
    delete_with_its_log,
    replace_by_a_copy,
    replace_as_an_archive_does,
    delete_the_log,
    replace_the_folder,
]


@pytest.fixture
def soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a folder that has been left alone for a twentieth of a second."""
    monkeypatch.setattr(file_guard, "_SETTLED_NS", 50_000_000)


def wait_until_settled(path: Path) -> None:
    folder = path.parent
    old = 2 * file_guard._SETTLED_NS
    wait_until(lambda: not folder.exists() or time.time_ns() - folder.stat().st_ctime_ns > old, "the folder is settled")


@pytest.mark.parametrize("left_alone", [False, True])
@pytest.mark.parametrize("lose", LOSSES)
def test_write_to_a_file_nobody_will_find_again_is_refused(
    sqlite_database: Database, soon_settled: None, lose: Callable[[Path], None], left_alone: bool
) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    if left_alone:
        wait_until_settled(path)
        asyncio.run(sqlite_database.write(add_prediction))
    lose(path)
    if left_alone:
        wait_until_settled(path)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(sqlite_database.write(add_prediction))
    with (
        pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"),
        sqlite_database.transaction() as session,
    ):
        add_prediction(session)
    assert "moved, deleted or replaced" in (asyncio.run(sqlite_database.write_problem()) or "")


@pytest.mark.parametrize("linked", ["file", "folder"])
@pytest.mark.parametrize("lose", [move_away, delete_the_log, replace_by_a_copy])
def test_loss_is_noticed_through_a_link_and_so_is_another_goal_of_the_link(
    sqlite_url: str, tmp_path: Path, soon_settled: None, linked: str, lose: Callable[[Path], None]
) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    data.mkdir()
    real = Path(make_url(sqlite_url).database or "").rename(data / "pixelwise.db")
    link.symlink_to(real if linked == "file" else data)
    database = Database(f"sqlite:///{link if linked == 'file' else link / 'pixelwise.db'}")
    asyncio.run(database.write(add_prediction))
    for path in (link, real):
        wait_until_settled(path)
    asyncio.run(database.write(add_prediction))
    other = Path(shutil.copytree(data, tmp_path / "other"))
    link.unlink()
    link.symlink_to(other / "pixelwise.db" if linked == "file" else other)
    for path in (link, other / "pixelwise.db"):
        wait_until_settled(path)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(database.write(add_prediction))
    link.unlink()
    link.symlink_to(real if linked == "file" else data)
    asyncio.run(database.write(add_prediction))
    for path in (link, real):
        wait_until_settled(path)
    asyncio.run(database.write(add_prediction))
    lose(real)
    wait_until_settled(real)
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(database.write(add_prediction))
    database.close()


def test_log_that_is_deleted_before_the_first_write_is_noticed(sqlite_database: Database) -> None:
    assert sqlite_database.writer_problem() is None
    path = path_of(sqlite_database)
    delete_the_log(path)
    # As whoever opens the file next makes it anew.
    path.with_name(f"{path.name}-wal").touch()
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(sqlite_database.write(add_prediction))


def test_file_that_is_moved_back_is_used_again(sqlite_database: Database) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    move_away(path)
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(sqlite_database.write(add_prediction))
    path.with_name("elsewhere.db").rename(path)
    # The refused row was rolled back, so its id was not given.
    assert asyncio.run(sqlite_database.write(add_prediction)) == 2
