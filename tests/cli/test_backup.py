"""`python -m app backup`: whole, checked, and taken while others write."""

import fcntl
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import make_url

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from app.database.schema_version import schema_revision
from app.services.backup import checksum
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.old_databases import make_v0_5
from tests.support.project_copy import need
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.small_disk import mounted_disk
from tests.support.stored_rows import random_rows, store

FOLDER = "backups"


def backups(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first; each has its manifest, and nothing else lies there."""
    names = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in names if path.suffix != ".json"]
    assert sorted([*files, *(path.with_name(f"{path.name}.manifest.json") for path in files)]) == names
    return files


def take(folder: str = FOLDER, *arguments: str) -> dict[str, object]:
    """Back the database up; return the manifest."""
    manifest: dict[str, object] = json.loads(done("backup", folder, "--json", *arguments))
    return manifest


@pytest.fixture(autouse=True)
def programs_of_postgresql(request: pytest.FixtureRequest) -> None:
    if "postgresql" in request.node.name:
        need("pg_dump", "postgresql-client")


def test_a_backup_is_described_by_its_manifest_and_only_its_owner_can_read_it(
    configured_database_url: str, tmp_path: Path
) -> None:
    store(configured_database_url, random_rows(50), drawings=True)
    printed = take()
    (backup,) = backups(tmp_path / FOLDER)
    manifest = json.loads(backup.with_name(f"{backup.name}.manifest.json").read_text())
    assert manifest == printed
    assert manifest["file"] == backup.name
    assert (manifest["size"], manifest["sha256"]) == (backup.stat().st_size, checksum(backup))
    assert manifest["revision"] == schema_revision()
    assert (manifest["rows"]["predictions"], manifest["rows"]["drawings"]) == (50, 50)
    for path in (tmp_path / FOLDER).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


def test_a_backup_of_sqlite_is_one_sound_file_that_holds_everything(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(50), drawings=True)
    take()
    (backup,) = backups(tmp_path / FOLDER)
    with closing(sqlite3.connect(tmp_path / "pixelwise.db")) as original, closing(sqlite3.connect(backup)) as copy:
        assert list(copy.iterdump()) == list(original.iterdump())
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    # Whoever looked into it has left nothing there.
    assert backups(tmp_path / FOLDER) == [backup]


def test_nothing_acknowledged_before_a_backup_began_is_missing_in_it(configured_sqlite: str, tmp_path: Path) -> None:
    before = []
    with serving(configured_sqlite, tmp_path) as service, Load(service.port, clients=4) as load:
        for _ in range(3):
            load.wait_for(100)
            before.append(load.acknowledged)
            take()
    copies = backups(tmp_path / FOLDER)
    assert len(copies) == len(before)
    for acknowledged, copy in zip(before, copies, strict=True):
        assert missing(acknowledged, f"sqlite:///{copy}") == []
    assert load.refused == []


def test_only_the_newest_are_kept_and_what_has_another_name_stays(configured_sqlite: str, tmp_path: Path) -> None:
    taken = [str(take()["file"]) for _ in range(3)]
    kept = tmp_path / FOLDER / f"before the move {taken[0]}"
    (tmp_path / FOLDER / taken[0]).rename(kept)
    (tmp_path / FOLDER / f"{taken[0]}.manifest.json").rename(kept.with_name(f"{kept.name}.manifest.json"))
    taken.append(str(take(FOLDER, "--keep", "2")["file"]))
    assert {path.name for path in backups(tmp_path / FOLDER)} == {kept.name, *taken[2:]}


def test_the_backup_that_was_just_made_stays_whatever_the_clock_said_before(
    configured_sqlite: str, tmp_path: Path
) -> None:
    made = str(take()["file"])
    of_the_future = tmp_path / FOLDER / "pixelwise-29991231T235959.000000Z.db"
    (tmp_path / FOLDER / made).rename(of_the_future)
    (tmp_path / FOLDER / f"{made}.manifest.json").rename(of_the_future.with_name(f"{of_the_future.name}.manifest.json"))
    newest = str(take(FOLDER, "--keep", "1")["file"])
    assert [path.name for path in backups(tmp_path / FOLDER)] == [newest]


def test_a_backup_that_fails_leaves_the_older_ones_alone(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(500))
    take()
    before = {path: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    # A page of a table that is in use.
    with (tmp_path / "pixelwise.db").open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"\xff" * 4096)
    assert "no sound database" in refused(ExitCode.FAILURE, "backup", FOLDER, "--keep", "1")
    assert {path: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()} == before


def test_two_backups_are_not_written_into_one_folder_at_once(configured_sqlite: str, tmp_path: Path) -> None:
    take()
    with (tmp_path / FOLDER / ".pixelwise-backup.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another backup is being written" in refused(ExitCode.FAILURE, "backup", FOLDER)
    assert len(backups(tmp_path / FOLDER)) == 1
    # What a killed one has left is no obstacle.
    (tmp_path / FOLDER / ".pixelwise-backup.unfinished").write_bytes(b"half a backup")
    take()
    assert len(backups(tmp_path / FOLDER)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with mounted_disk(tmp_path, 1) as disk:
        yield disk


def test_a_disk_without_room_is_told_before_anything_is_written(configured_sqlite: str, small_disk: Path) -> None:
    store(configured_sqlite, random_rows(1000), drawings=True)
    told = refused(ExitCode.FAILURE, "backup", str(small_disk / FOLDER))
    assert "bytes free and needs" in told
    assert backups(small_disk / FOLDER) == []
    assert shutil.disk_usage(small_disk).free > 900_000


def test_tables_of_an_older_version_are_backed_up_too(
    settings_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    make_v0_5(empty_database_url)
    manifest = take()
    assert (manifest["revision"], manifest["rows"]) == (None, {"predictions": 2})


def test_rows_that_refer_to_nothing_are_copied_and_told(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(3), drawings=True)
    # As `sqlite3` does it, where foreign keys are off unless they are asked for.
    execute(configured_sqlite, "DELETE FROM predictions WHERE id = 2")
    outcome = run_process(tmp_path, "backup", DATABASE_URL=configured_sqlite)
    assert outcome.status == ExitCode.SUCCESS
    assert "rows refer to rows that are gone" in outcome.err
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
def test_the_password_of_postgresql_is_in_no_command_s_words(
    configured_postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    # A pg_dump that tells its words and then does its work.
    program = tmp_path / "programs" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexec {shutil.which("pg_dump")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    url = make_url(configured_postgresql)
    # A server that trusts this machine takes any password.
    known = {
        "user": url.username or "postgres",
        "password": str(url.password or "hidden"),
        "host": url.host or "127.0.0.1",
        "port": str(url.port or 5432),
    }
    monkeypatch.setenv("DATABASE_URL", form.format(name=url.database, query=urlencode(known), **known))
    get_settings.cache_clear()
    take()
    words = (tmp_path / "words").read_text()
    assert f"host={known['host']}" in words
    assert known["password"] not in words


@pytest.mark.usefixtures("configured_postgresql")
def test_a_missing_program_of_postgresql_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(ExitCode.FAILURE, "backup").startswith("pg_dump is missing; install")


def test_on_a_terminal_the_progress_is_shown(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(20), drawings=True)
    with in_terminal(tmp_path, "backup", settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert terminal.end() == 0
    assert "Opening" in terminal.shown
    assert "Wrote backups/pixelwise-" in terminal.shown
