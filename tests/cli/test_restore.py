"""`python -m app restore` on SQLite."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.cli.exit_codes import ExitCode
from app.cli.main import main
from app.config import get_settings
from app.database.sqlite.copies import used_by_nobody
from app.progress import no_progress
from app.services.backup import checksum
from tests.support.backups import ROWS, flip_one_bit, take_backup
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.databases import migrate
from tests.support.old_databases import everything
from tests.support.project_copy import cannot_run
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.stored_rows import store


@pytest.fixture
def backup(configured_sqlite: str, tmp_path: Path) -> Path:
    """A backup of an SQLite database, some rows of which were deleted since."""
    store(configured_sqlite, ROWS, drawings=True)
    copied = take_backup(tmp_path)
    execute(configured_sqlite, "DELETE FROM predictions WHERE id > 10")
    return copied


def test_restore_brings_all_rows_back_and_keeps_the_old_file(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    database = tmp_path / "pixelwise.db"
    database.chmod(0o640)
    os.chown(database, os.geteuid(), os.getegid())
    before = everything(sqlite_url)
    restored = json.loads(done("restore", str(backup), "--yes", "--json"))
    with closing(sqlite3.connect(backup)) as copy, closing(sqlite3.connect(database)) as there:
        assert list(there.iterdump()) == list(copy.iterdump())
    assert stat.S_IMODE(database.stat().st_mode) == 0o640
    assert list(restored["kept"]) == [str(database)]
    kept = restored["kept"][str(database)]
    assert everything(f"sqlite:///{kept}") == before
    assert sorted(path.name for path in tmp_path.glob("*pixelwise*")) == ["pixelwise.db", Path(kept).name]


def test_service_works_on_a_restored_database(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    done("restore", str(backup), "--yes")
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 2) as load:
            load.wait_for(20)
        service.stop()
    assert load.refused == []
    assert missing(load.acknowledged, sqlite_url) == []
    assert min(load.acknowledged) == len(ROWS) + 1
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_wal_of_a_killed_service_is_kept_with_the_old_file(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 2) as load:
            load.wait_for(20)
        service.kill()
    restored = json.loads(done("restore", str(backup), "--yes", "--json"))
    names = [str(tmp_path / "pixelwise.db"), str(tmp_path / "pixelwise.db-wal")]
    assert list(restored["kept"]) == names
    # The old WAL belongs to the old file.
    assert not (tmp_path / "pixelwise.db-wal").exists()
    assert not (tmp_path / "pixelwise.db-shm").exists()
    assert rows(sqlite_url, "SELECT count(*) AS n FROM predictions") == [{"n": len(ROWS)}]
    assert missing(load.acknowledged, f"sqlite:///{restored['kept'][names[0]]}") == []


def test_restore_fails_while_the_service_runs(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, Load(service.port, 2) as load:
        load.wait_for(20)
        assert "is in use; stop the service" in refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
        load.wait_for(20)
    assert load.refused == []
    assert missing(load.acknowledged, sqlite_url) == []
    assert list(tmp_path.glob(".pixelwise-restore*")) == []


@contextmanager
def open_in_another_process(database: Path) -> Iterator[None]:
    """Another process, such as `sqlite3`, that has the database open and idle."""
    program = (
        "import sqlite3, sys; reader = sqlite3.connect(sys.argv[1]);"
        " reader.execute('PRAGMA journal_mode=WAL'); reader.execute('SELECT count(*) FROM predictions').fetchone();"
        " print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("", timeout=10)


def test_restore_fails_while_another_process_has_the_database_open(backup: Path, tmp_path: Path) -> None:
    with open_in_another_process(tmp_path / "pixelwise.db"):
        assert "is in use" in refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    done("restore", str(backup), "--yes")


def test_second_restore_keeps_both_older_databases(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    before = everything(sqlite_url)
    kept = [json.loads(done("restore", str(backup), "--yes", "--json"))["kept"] for _ in range(2)]
    first, second = (names[str(tmp_path / "pixelwise.db")] for names in kept)
    assert everything(f"sqlite:///{first}") == before
    assert everything(f"sqlite:///{second}") == everything(sqlite_url)


def test_restore_fails_while_another_restore_runs(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    # Also when there is no database yet.
    (tmp_path / "pixelwise.db").unlink()
    with used_by_nobody(tmp_path / "pixelwise.db"):
        assert "is in use" in refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    # Files of a killed restore are removed.
    (tmp_path / ".pixelwise-restore.unfinished").write_bytes(b"half a database")
    done("restore", str(backup), "--yes")
    assert list(tmp_path.glob(".pixelwise-restore*")) == []


def test_file_that_root_restores_into_its_own_folder_belongs_to_the_owner_of_the_backup(
    backup: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        cannot_run("only root can give files away; to run this test: sudo scripts/test")
    (tmp_path / "pixelwise.db").unlink()
    os.chown(backup, 12345, -1)
    done("restore", str(backup), "--yes")
    assert (tmp_path / "pixelwise.db").stat().st_uid == 12345


def truncate(backup: Path) -> None:
    os.truncate(backup, backup.stat().st_size - 4096)


def delete_manifest(backup: Path) -> None:
    backup.with_name(f"{backup.name}.manifest.json").unlink()


def damage_manifest(backup: Path) -> None:
    backup.with_name(f"{backup.name}.manifest.json").write_text("{}")


def set_newer_revision(backup: Path) -> None:
    execute(f"sqlite:///{backup}", "UPDATE alembic_version SET version_num = '9999'")
    size, sha256 = backup.stat().st_size, checksum(backup, "Comparing", no_progress)
    change_manifest(backup, revision="9999", size=size, sha256=sha256)


def change_manifest(backup: Path, **changes: object) -> None:
    manifest = backup.with_name(f"{backup.name}.manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "there is no backup"),
        (truncate, "is not the file that its manifest describes"),
        (flip_one_bit, "is not the file that its manifest describes"),
        (delete_manifest, "is missing; "),
        (damage_manifest, "is not the manifest"),
        (set_newer_revision, "newer than this PixelWise"),
        (lambda backup: change_manifest(backup, database="postgresql"), "DATABASE_URL names sqlite"),
        (lambda backup: change_manifest(backup, rows={"predictions": 61}), "rows instead of"),
    ],
)
def test_damaged_backup_is_refused_and_changes_nothing(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    database = tmp_path / "pixelwise.db"
    before = database.read_bytes()
    damage(backup)
    assert message in refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    assert database.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*pixelwise*")) == ["pixelwise.db"]


@pytest.mark.usefixtures("configured_sqlite")
@pytest.mark.parametrize("name", [".", "..", "/", "/dev/null"])
def test_what_is_no_file_is_no_backup(name: str) -> None:
    assert "there is no backup" in refused(ExitCode.FAILURE, "restore", name, "--yes")


@pytest.mark.parametrize("state", ["deleted", "no database", "empty"])
def test_missing_or_damaged_database_is_replaced(backup: Path, tmp_path: Path, state: str) -> None:
    database = tmp_path / "pixelwise.db"
    if state == "deleted":
        database.unlink()
    else:
        database.write_bytes(b"no database" * 1000 if state == "no database" else b"")
    done("restore", str(backup), "--yes")
    assert rows(f"sqlite:///{database}", "SELECT count(*) AS n FROM predictions") == [{"n": len(ROWS)}]


def test_backup_of_an_older_version_is_restored_and_can_be_upgraded(
    settings_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'pixelwise.db'}"
    settings_environment.setenv("DATABASE_URL", url)
    migrate(url, "upgrade", "0002")
    execute(url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')")
    copied = take_backup(tmp_path)
    migrate(url)
    problem = json.loads(done("restore", str(copied), "--yes", "--json"))["problem"]
    assert problem.endswith("run: alembic upgrade head")
    assert "alembic upgrade head" in refused(ExitCode.UNAVAILABLE, "results")
    done("upgrade")
    assert rows(url, "SELECT prediction FROM predictions") == [{"prediction": "7"}]


def test_restore_in_a_new_process_names_a_table_that_the_backup_lacks(
    settings_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'pixelwise.db'}"
    migrate(url, "stamp", "head")
    settings_environment.setenv("DATABASE_URL", url)
    copied = take_backup(tmp_path)
    outcome = run_process(tmp_path, "restore", str(copied), "--yes", "--json", fork=False, DATABASE_URL=url)
    assert json.loads(outcome.out)["problem"].startswith("the table predictions is missing")


def test_restore_asks_for_confirmation(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    before = (tmp_path / "pixelwise.db").read_bytes()
    assert "add --yes" in refused(ExitCode.FAILURE, "restore", str(backup))
    with in_terminal(tmp_path, "restore", str(backup), settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert f"{len(ROWS)} predictions" in terminal.wait_for("[y/N]")
        terminal.press("n\n")
        assert terminal.end() == ExitCode.FAILURE
    assert (tmp_path / "pixelwise.db").read_bytes() == before


def restore_killed_at(call: str, number: int, backup: Path) -> bool:
    """Restore in another process, killed just before this occurrence of a call; return whether it was killed."""
    process = os.fork()
    if process == 0:
        seen = 0

        def kill(event: str, _arguments: tuple[object, ...]) -> None:
            nonlocal seen
            seen += event == call
            if event == call and seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        os._exit(main(["restore", str(backup), "--yes"]))
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status in (ExitCode.SUCCESS, -signal.SIGKILL)
    return status != ExitCode.SUCCESS


@pytest.fixture
def with_wal(backup: Path, tmp_path: Path) -> Path:
    """A database whose newest row is in its WAL, as a killed service leaves it."""
    folder = tmp_path / "killed"
    folder.mkdir()
    with closing(sqlite3.connect(tmp_path / "pixelwise.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE predictions SET notes = 'in the WAL' WHERE id = 1")
        for path in tmp_path.glob("pixelwise.db*"):
            shutil.copy(path, folder)
    assert (folder / "pixelwise.db-wal").stat().st_size > 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("call", "times"), [("os.link", 1), ("os.rename", 2), ("os.remove", 4)])
def test_restore_killed_at_any_step_loses_nothing(
    settings_environment: pytest.MonkeyPatch, backup: Path, with_wal: Path, tmp_path: Path, call: str, times: int
) -> None:
    for number in range(1, times + 2):
        folder = Path(shutil.copytree(with_wal, tmp_path / f"{call} {number}"))
        database = folder / "pixelwise.db"
        settings_environment.setenv("DATABASE_URL", f"sqlite:///{database}")
        get_settings.cache_clear()
        assert restore_killed_at(call, number, backup) == (number <= times)
        # The old database and its WAL have the same name, the old one or the new one.
        olds = [path for path in folder.glob("pixelwise.db.before-*") if path.name.endswith("Z")]
        for old in olds or [database]:
            assert rows(f"sqlite:///{old}", "SELECT notes FROM predictions WHERE id = 1") == [{"notes": "in the WAL"}]
        done("restore", str(backup), "--yes")
        assert ids_in(database) == [row.id for row in ROWS]


def ids_in(database: Path) -> list[int]:
    return [row["id"] for row in rows(f"sqlite:///{database}", "SELECT id FROM predictions ORDER BY id")]
