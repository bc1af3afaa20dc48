"""The file is lost, locked, or out of room while the service runs and is used; nothing acknowledged may go with it."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from random import Random
from select import select

import pytest
from clone import cannot_run, run
from process import Load, Reply, Service, drawing, missing, serving, stored_answers, wait_until
from service import assert_problem, assert_storage_problem, connected, rows
from sqlalchemy import text


def delete(database: Path) -> None:
    database.unlink()


def move_away_and_put_another_in_its_place(database: Path) -> None:
    database.rename(database.with_name("moved.db"))
    shutil.copy(database.with_name("backup.db"), database)


def move_another_over_it(database: Path) -> None:
    database.with_name("backup.db").replace(database)


def assert_not_ready(service: Service, reason: str) -> None:
    """Wait until the service says that it cannot work, and check that it says why."""
    with service.client() as client:
        wait_until(lambda: client.get("/health/ready").status_code == 503, "the service says that it is not ready")
        problem = assert_problem(client.get("/health/ready"), HTTPStatus.SERVICE_UNAVAILABLE, "checks")
        assert reason in problem["checks"]["write"]


def wait_until_ready(service: Service) -> None:
    with service.client() as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, "the service is ready")


@pytest.mark.parametrize("lose", [delete, move_away_and_put_another_in_its_place, move_another_over_it])
def test_nothing_is_acknowledged_once_the_file_is_lost(
    sqlite_url: str, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    database = tmp_path / "pixelwise.db"
    shutil.copy(database, tmp_path / "backup.db")
    # Another name of the same file, by which it can be read when its own is gone.
    (tmp_path / "kept.db").hardlink_to(database)
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            lose(database)
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
        with service.client() as client:
            assert_storage_problem(client.classify(drawing(Random(0))))
        assert_not_ready(service, "moved, deleted or replaced; restart the service")
        service.kill()
    for reply in load.refused:
        assert_storage_problem(reply)
    shutil.copy(tmp_path / "pixelwise.db-wal", tmp_path / "kept.db-wal")
    assert missing(load.acknowledged, f"sqlite:///{tmp_path / 'kept.db'}") == []


def test_a_backup_moved_over_the_file_is_whole_after_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    database, backup = tmp_path / "pixelwise.db", tmp_path / "backup.db"
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8, seed=0) as before:
            before.wait_for(100)
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)
        with Load(service.port, 8, seed=1) as after:
            after.wait_for(400)
        move_another_over_it(database)
        service.stop()
    with serving(sqlite_url, tmp_path) as service:
        wait_until_ready(service)
        assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert stored_answers(sqlite_url) == before.acknowledged


def test_a_lock_that_is_given_back_in_time_is_waited_for(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            client.send(drawing(Random(0)))
            answered, _, _ = select([client.connection.sock], [], [], 1)
            assert answered == []
        assert client.receive().status_code == 200
    assert list(stored_answers(sqlite_url)) == [1]


def test_a_lock_that_is_not_given_back_is_told_to_everyone_who_waits(sqlite_url: str, tmp_path: Path) -> None:
    def classify(number: int) -> Reply:
        with service.client() as client:
            return client.classify(drawing(Random(number)))

    with serving(sqlite_url, tmp_path) as service:
        with connected(sqlite_url) as other, ThreadPoolExecutor(10) as clients:
            other.execute(text("BEGIN IMMEDIATE"))
            for reply in clients.map(classify, range(10)):
                assert_storage_problem(reply)
        assert classify(10).status_code == 200
    assert list(stored_answers(sqlite_url)) == [1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    if os.geteuid() != 0:
        cannot_run("only root can make a small disk; to run this test: sudo scripts/test")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = run(tmp_path, "mount", "-t", "tmpfs", "-o", "size=4m", "pixelwise-test", str(disk))
    if mounted.returncode != 0:
        cannot_run(f"no small disk can be made here: {mounted.stderr.strip()}")
    yield disk
    run(tmp_path, "umount", str(disk)).check_returncode()


def fill(disk: Path) -> Path:
    """Leave not one free byte on the disk; return the file that takes them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return filler


def test_a_disk_that_is_full_is_told_and_service_returns_when_there_is_room(
    sqlite_url: str, tmp_path: Path, small_disk: Path
) -> None:
    shutil.copy(tmp_path / "pixelwise.db", small_disk)
    url = f"sqlite:///{small_disk / 'pixelwise.db'}"
    with serving(url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            filler = fill(small_disk)
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
            assert_not_ready(service, "full")
            filler.unlink()
            load.wait_for(50)
        wait_until_ready(service)
        service.stop()
    assert load.broken == []
    for reply in load.refused:
        assert_storage_problem(reply, HTTPStatus.INSUFFICIENT_STORAGE)
    assert missing(load.acknowledged, url) == []
    assert rows(url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
