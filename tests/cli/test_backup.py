"""`python -m app backup`."""

import fcntl
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import make_url

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from app.database.schema_version import schema_revision
from app.progress import no_progress
from app.services.backup import checksum, newest_backup
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.old_databases import make_v0_5
from tests.support.project_copy import need
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.small_disk import mounted_disk
from tests.support.stored_rows import random_rows, store

FOLDER = "backups"


def backups(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first; each must have a manifest, and there must be nothing else."""
    names = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in names if path.suffix != ".json"]
    assert sorted([*files, *(path.with_name(f"{path.name}.manifest.json") for path in files)]) == names
    return files


def take_backup(folder: str = FOLDER, *arguments: str) -> dict[str, object]:
    """Back up the database; return the manifest."""
    manifest: dict[str, object] = json.loads(done("backup", folder, "--json", *arguments))
    return manifest


@pytest.fixture(autouse=True)
def need_pg_dump(request: pytest.FixtureRequest) -> None:
    if "postgresql" in request.node.name:
        need("pg_dump", "postgresql-client")


def test_manifest_describes_the_backup_and_only_the_owner_can_read_both(
    configured_database_url: str, tmp_path: Path
) -> None:
    store(configured_database_url, random_rows(50), drawings=True)
    printed = take_backup()
    (backup,) = backups(tmp_path / FOLDER)
    manifest = json.loads(backup.with_name(f"{backup.name}.manifest.json").read_text())
    assert manifest == printed
    assert manifest["file"] == backup.name
    assert (manifest["size"], manifest["sha256"]) == (backup.stat().st_size, checksum(backup, "Comparing", no_progress))
    assert manifest["revision"] == schema_revision()
    assert (manifest["rows"]["predictions"], manifest["rows"]["drawings"]) == (50, 50)
    for path in (tmp_path / FOLDER).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


def test_sqlite_backup_is_one_valid_file_with_all_rows(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(50), drawings=True)
    take_backup()
    (backup,) = backups(tmp_path / FOLDER)
    with closing(sqlite3.connect(tmp_path / "pixelwise.db")) as original, closing(sqlite3.connect(backup)) as copy:
        assert list(copy.iterdump()) == list(original.iterdump())
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    # Reading the copy must not leave files beside it.
    assert backups(tmp_path / FOLDER) == [backup]


@pytest.mark.slow
def test_backup_has_all_rows_acknowledged_before_it_began(configured_sqlite: str, tmp_path: Path) -> None:
    before = []
    with serving(configured_sqlite, tmp_path) as service, Load(service.port, clients=4) as load:
        for _ in range(3):
            load.wait_for(100)
            before.append(load.acknowledged)
            take_backup()
    copies = backups(tmp_path / FOLDER)
    assert len(copies) == len(before)
    for acknowledged, copy in zip(before, copies, strict=True):
        assert missing(acknowledged, f"sqlite:///{copy}") == []
    assert load.refused == []


def test_only_the_newest_backups_are_kept_and_other_files_stay(configured_sqlite: str, tmp_path: Path) -> None:
    taken = [str(take_backup()["file"]) for _ in range(3)]
    kept = tmp_path / FOLDER / f"before the move {taken[0]}"
    (tmp_path / FOLDER / taken[0]).rename(kept)
    (tmp_path / FOLDER / f"{taken[0]}.manifest.json").rename(kept.with_name(f"{kept.name}.manifest.json"))
    taken.append(str(take_backup(FOLDER, "--keep", "2")["file"]))
    assert {path.name for path in backups(tmp_path / FOLDER)} == {kept.name, *taken[2:]}


def rename_to(time: str, folder: Path, name: str) -> None:
    for end in ("", ".manifest.json"):
        (folder / f"{name}{end}").rename(folder / f"pixelwise-{time}.000000Z.db{end}")


rename_to_the_future = partial(rename_to, "29991231T235959")


def test_new_backup_is_kept_even_if_older_ones_have_later_times(configured_sqlite: str, tmp_path: Path) -> None:
    rename_to_the_future(tmp_path / FOLDER, str(take_backup()["file"]))
    newest = str(take_backup(FOLDER, "--keep", "1")["file"])
    assert [path.name for path in backups(tmp_path / FOLDER)] == [newest]


def test_backup_with_a_time_in_the_future_is_deleted_first_and_is_not_the_newest(
    configured_sqlite: str, tmp_path: Path
) -> None:
    folder = tmp_path / FOLDER
    rename_to_the_future(folder, str(take_backup()["file"]))
    assert newest_backup(folder) is None
    taken = [take_backup(FOLDER, "--keep", "2") for _ in range(2)]
    assert {path.name for path in backups(folder)} == {str(manifest["file"]) for manifest in taken}
    rename_to_the_future(folder, str(taken[1]["file"]))
    assert newest_backup(folder) == datetime.fromisoformat(str(taken[0]["created_at"]))


def test_file_whose_name_has_an_impossible_time_is_no_backup_of_ours(configured_sqlite: str, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    rename_to("20261331T250000", folder, str(take_backup()["file"]))
    assert newest_backup(folder) is None
    newest = take_backup(FOLDER, "--keep", "1")
    assert newest_backup(folder) == datetime.fromisoformat(str(newest["created_at"]))
    assert len(backups(folder)) == 2


def test_failed_backup_keeps_the_older_ones(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(500))
    take_backup()
    before = {path: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    # Damage a page of a table.
    with (tmp_path / "pixelwise.db").open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"\xff" * 4096)
    assert "not a valid database" in refused(ExitCode.FAILURE, "backup", FOLDER, "--keep", "1")
    assert {path: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()} == before


def test_second_backup_into_the_same_folder_at_the_same_time_fails(configured_sqlite: str, tmp_path: Path) -> None:
    take_backup()
    with (tmp_path / FOLDER / ".pixelwise-backup.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another backup is being written" in refused(ExitCode.FAILURE, "backup", FOLDER)
    assert len(backups(tmp_path / FOLDER)) == 1
    # The file of a killed backup does not matter.
    (tmp_path / FOLDER / ".pixelwise-backup.unfinished").write_bytes(b"half a backup")
    take_backup()
    assert len(backups(tmp_path / FOLDER)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with mounted_disk(tmp_path, 1) as disk:
        yield disk


def test_full_disk_is_reported_before_anything_is_written(configured_sqlite: str, small_disk: Path) -> None:
    store(configured_sqlite, random_rows(1000), drawings=True)
    message = refused(ExitCode.FAILURE, "backup", str(small_disk / FOLDER))
    assert "bytes free and needs" in message
    assert backups(small_disk / FOLDER) == []
    assert shutil.disk_usage(small_disk).free > 900_000


def test_tables_of_an_older_version_are_backed_up(
    settings_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    make_v0_5(empty_database_url)
    manifest = take_backup()
    assert (manifest["revision"], manifest["rows"]) == (None, {"predictions": 2})


def test_rows_that_refer_to_deleted_rows_are_copied_and_reported(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(3), drawings=True)
    # `sqlite3` has foreign keys off by default.
    execute(configured_sqlite, "DELETE FROM predictions WHERE id = 2")
    outcome = run_process(tmp_path, "backup", DATABASE_URL=configured_sqlite)
    assert outcome.status == ExitCode.SUCCESS
    assert "rows refer to deleted rows" in outcome.err
    (backup,) = backups(tmp_path / FOLDER)
    assert rows(f"sqlite:///{backup}", "SELECT count(*) AS n FROM drawings") == [{"n": 3}]


@pytest.fixture
def configured_postgresql(settings_environment: pytest.MonkeyPatch, postgres_url: str) -> str:
    """A migrated PostgreSQL database that the settings name."""
    settings_environment.setenv("DATABASE_URL", postgres_url)
    return postgres_url


@pytest.mark.parametrize(
    "form", ["postgresql://{user}:{password}@{host}:{port}/{name}", "postgresql:///{name}?{query}"]
)
def test_postgresql_password_is_not_an_argument_of_pg_dump(
    configured_postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    # A pg_dump that records its arguments.
    program = tmp_path / "programs" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexec {shutil.which("pg_dump")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    url = make_url(configured_postgresql)
    # A server with trust authentication accepts any password.
    known = {
        "user": url.username or "postgres",
        "password": str(url.password or "hidden"),
        "host": url.host or "127.0.0.1",
        "port": str(url.port or 5432),
    }
    monkeypatch.setenv("DATABASE_URL", form.format(name=url.database, query=urlencode(known), **known))
    get_settings.cache_clear()
    take_backup()
    arguments_of_pg_dump = (tmp_path / "arguments").read_text()
    assert f"host={known['host']}" in arguments_of_pg_dump
    assert known["password"] not in arguments_of_pg_dump


@pytest.mark.usefixtures("configured_postgresql")
def test_missing_pg_dump_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(ExitCode.FAILURE, "backup").startswith("pg_dump is missing; install")


def test_progress_is_shown_on_a_terminal(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(20), drawings=True)
    with in_terminal(tmp_path, "backup", settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert terminal.end() == 0
    assert "Opening" in terminal.shown
    assert "Wrote backups/pixelwise-" in terminal.shown


@pytest.mark.usefixtures("configured_sqlite")
def test_empty_folder_name_is_refused(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert "must not be empty" in refused(ExitCode.USAGE_ERROR, "backup", "")
    assert set(tmp_path.iterdir()) == before
