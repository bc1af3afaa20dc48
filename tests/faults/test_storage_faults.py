"""The file is lost, locked or out of space under load; no acknowledged row may be lost."""

import os
import re
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from random import Random
from select import select

import pytest
from sqlalchemy import text

from app.cli.exit_codes import ExitCode
from app.drawings.packing import pack
from tests.support.command_line import run_process
from tests.support.project_copy import run
from tests.support.service import KEY, assert_problem, assert_storage_problem, connected, rows
from tests.support.service_process import Load, Reply, Service, drawing, missing, serving, stored_answers
from tests.support.small_disk import fill_disk, mounted_disk
from tests.support.waiting import wait_until


def delete(database: Path) -> None:
    database.unlink()


def move_away_and_put_another_in_its_place(database: Path) -> None:
    database.rename(database.with_name("moved.db"))
    shutil.copy(database.with_name("backup.db"), database)


def move_another_over_it(database: Path) -> None:
    database.with_name("backup.db").replace(database)


def assert_not_ready(service: Service, reason: str) -> None:
    """Wait until the service is not ready, and check its reason."""
    with service.client() as client:
        wait_until(lambda: client.get("/health/ready").status_code == 503, "the service says that it is not ready")
        problem = assert_problem(client.get("/health/ready"), HTTPStatus.SERVICE_UNAVAILABLE, "checks")
        assert reason in problem["checks"]["write"]


def wait_until_ready(service: Service) -> None:
    with service.client() as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, "the service is ready")


@pytest.mark.parametrize("lose", [delete, move_away_and_put_another_in_its_place, move_another_over_it])
def test_no_row_is_acknowledged_after_the_file_is_lost(
    sqlite_url: str, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    database = tmp_path / "pixelwise.db"
    shutil.copy(database, tmp_path / "backup.db")
    # A second name of the same file, to read it by when the first is gone.
    (tmp_path / "kept.db").hardlink_to(database)
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            lose(database)
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
        with service.client() as client:
            assert_storage_problem(client.classify(drawing(Random(0))))
        remedy = (
            "put it back or restore a backup, then restart the service" if lose is delete else "restart the service"
        )
        assert_not_ready(service, f"moved, deleted or replaced; {remedy}")
        service.kill()
    for reply in load.refused:
        assert_storage_problem(reply)
    shutil.copy(tmp_path / "pixelwise.db-wal", tmp_path / "kept.db-wal")
    assert missing(load.acknowledged, f"sqlite:///{tmp_path / 'kept.db'}") == []


def overwrite_with_something_else(database: Path) -> None:
    database.write_bytes(b"These are not the pages of a database. " * 1000)


def corrupt_every_page_but_the_first(database: Path) -> None:
    random = Random(0)
    with database.open("r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(random.randbytes(size - 4096))


def delete_the_wal(database: Path) -> None:
    database.with_name("pixelwise.db-wal").unlink()


def empty_the_wal(database: Path) -> None:
    os.truncate(database.with_name("pixelwise.db-wal"), 0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (empty_the_wal, "was emptied, and the rows in it are lost; restart the service"),
        (overwrite_with_something_else, "restore a backup"),
        (corrupt_every_page_but_the_first, "restore a backup"),
        (delete_the_wal, "moved, deleted or replaced; restart the service"),
    ],
)
def test_service_refuses_writes_to_a_damaged_file_or_without_its_whole_wal(
    sqlite_url: str, tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            damage(tmp_path / "pixelwise.db")
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
            acknowledged = len(load.answers)
            wait_until(lambda: len(load.refused) > 100, "the service goes on refusing")
            assert len(load.answers) == acknowledged
        assert_not_ready(service, reason)
        service.kill()
    for reply in load.refused:
        assert_storage_problem(reply)
    causes = re.findall(r"ERROR pixelwise: request \w+: (.*)", service.log.read_text())
    assert any(reason in cause for cause in causes)
    assert len(causes) == len(set(causes)), "a cause is said twice"


def test_stop_saves_the_rows_of_a_deleted_wal(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            delete_the_wal(tmp_path / "pixelwise.db")
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
        service.stop()
    assert missing(load.acknowledged, sqlite_url) == []
    with serving(sqlite_url, tmp_path) as service:
        wait_until_ready(service)


@pytest.mark.parametrize("workers", [1, 2])
def test_emptied_wal_loses_only_its_own_rows(sqlite_url: str, tmp_path: Path, workers: int) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8, seed=0) as before:
            before.wait_for(100)
        # The stop moves every row into the file.
        service.stop()
    with serving(sqlite_url, tmp_path, workers=workers) as service:
        with Load(service.port, 8, seed=1) as load:
            load.wait_for(50)
            empty_the_wal(tmp_path / "pixelwise.db")
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
        service.stop()
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert missing(before.acknowledged, sqlite_url) == []
    with serving(sqlite_url, tmp_path) as service:
        wait_until_ready(service)


def test_service_restarts_a_wal_of_zeros_after_a_power_cut(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "pixelwise.db-wal").write_bytes(bytes(8192))
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(300)
        wait_until_ready(service)
        service.stop()
    assert load.refused == []
    assert missing(load.acknowledged, sqlite_url) == []


def test_unreadable_row_stops_all_writes(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(300)
        service.stop()
    # The page of the oldest drawing, which no write reads.
    database = tmp_path / "pixelwise.db"
    page = database.read_bytes().index(pack([load.acknowledged[1].pixels])[0]) // 4096
    with database.open("r+b", buffering=0) as file:
        file.seek(page * 4096)
        file.write(bytes(4096))
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        assert client.classify(drawing(Random(0))).status_code == 200
        client.connection.request("GET", "/results/1/drawing.png", headers={"X-API-Key": KEY})
        assert_storage_problem(client.receive())
        assert_storage_problem(client.classify(drawing(Random(0))))
        assert_not_ready(service, "the database is damaged (database disk image is malformed)")


def test_file_size_limit_is_reported_until_it_is_lifted(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
            assert_not_ready(service, "disk I/O error")
            resource.prlimit(
                service.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
            load.wait_for(50)
        wait_until_ready(service)
        service.stop()
    for reply in load.refused:
        assert_storage_problem(reply)
    assert service.log.read_text().count("disk I/O error") == 1
    assert missing(load.acknowledged, sqlite_url) == []
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_backup_moved_over_the_file_is_whole_after_a_restart(sqlite_url: str, tmp_path: Path) -> None:
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


def test_request_waits_for_a_lock_that_is_released_in_time(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            client.send(drawing(Random(0)))
            answered, _, _ = select([client.connection.sock], [], [], 1)
            assert answered == []
        assert client.receive().status_code == 200
    assert list(stored_answers(sqlite_url)) == [1]


def test_held_lock_is_reported_to_all_waiting_clients(sqlite_url: str, tmp_path: Path) -> None:
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
    with mounted_disk(tmp_path, 4) as disk:
        yield disk


def test_service_does_not_start_on_a_read_only_disk(sqlite_url: str, tmp_path: Path, small_disk: Path) -> None:
    shutil.copy(tmp_path / "pixelwise.db", small_disk)
    run(tmp_path, "mount", "-o", "remount,ro", str(small_disk)).check_returncode()
    outcome = run_process(
        tmp_path, "serve", DATABASE_URL=f"sqlite:///{small_disk / 'pixelwise.db'}", SECRET_API_KEY="a-key"
    )
    assert outcome.status == ExitCode.UNAVAILABLE
    assert outcome.err.count("ERROR uvicorn: pixelwise: ") == 1
    assert "readonly database" in outcome.err


def test_full_disk_is_reported_until_there_is_room(sqlite_url: str, tmp_path: Path, small_disk: Path) -> None:
    shutil.copy(tmp_path / "pixelwise.db", small_disk)
    url = f"sqlite:///{small_disk / 'pixelwise.db'}"
    with serving(url, tmp_path) as service:
        with Load(service.port, 8) as load:
            load.wait_for(50)
            filler = fill_disk(small_disk)
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
