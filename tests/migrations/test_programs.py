"""The programs that upgrade: `alembic upgrade head`, `init_db.py` and `python -m app upgrade`."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from app.cli.exit_codes import ExitCode
from app.database.schema_version import schema_revision
from tests.support.command_line import in_terminal
from tests.support.command_line import run as run_command
from tests.support.databases import migrate
from tests.support.old_databases import (
    copy_of_project,
    engine_name,
    everything,
    execute,
    prepare,
    refusal,
    run,
    sqlite_path,
)
from tests.support.project_copy import PROJECT


def set_revision(url: str, revision: str) -> None:
    execute(
        url,
        f"UPDATE alembic_version SET version_num = '{revision}'",
        f"UPDATE schema_compatibility SET revision = '{revision}'",
    )


def test_all_accept_the_tables_of_a_newer_compatible_release_and_name_their_revision(
    configured_database_url: str,
) -> None:
    url = configured_database_url
    newer = f"{int(schema_revision()) + 1:04}"
    set_revision(url, newer)
    try:
        migrate(url)
        assert prepare(url) == f"The database was already up to date (revision {newer}).\n"
        assert run_command("upgrade") == (0, "", f"The database is at revision {newer}.\n")
        # Only the newer release has these steps.
        for arguments in (("downgrade", "-1"), ("upgrade", "+1"), ("stamp", "head")):
            assert f"revision {newer}, which is not in alembic/versions" in refusal(url, *arguments)
    finally:
        set_revision(url, schema_revision())


@pytest.mark.slow
def test_project_may_lie_in_a_folder_with_a_percent_sign(tmp_path: Path) -> None:
    folder = tmp_path / "a%b"
    folder.mkdir()
    project = copy_of_project(folder)
    for command in ("python init_db.py", "python -m app upgrade"):
        database = tmp_path / f"{command.split()[1]}.db"
        upgraded = run(f"sqlite:///{database}", command, project)
        assert upgraded.returncode == 0, upgraded.stderr
        assert database.exists()


@contextmanager
def migration_held(url: str) -> Iterator[None]:
    """Hold the lock of another migration."""
    if engine_name(url) == "sqlite":
        with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(1346984023)")
        yield


PROGRAMS = {
    "alembic": ("alembic", "-c", str(PROJECT / "alembic.ini"), "upgrade", "head"),
    "init_db": ("init_db",),
    "app": ("app", "upgrade"),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_waiting_is_said_and_can_be_interrupted(empty_database_url: str, tmp_path: Path, program: str) -> None:
    url = empty_database_url
    module, *arguments = PROGRAMS[program]
    with (
        migration_held(url),
        in_terminal(tmp_path, *arguments, module=module, settings={"DATABASE_URL": url}) as terminal,
    ):
        before = everything(url)
        terminal.wait_for("pixelwise: waiting for another program that changes the database\n")
        assert terminal.interrupt() == ExitCode.INTERRUPTED
    lines = [line for line in terminal.shown.splitlines() if not line.startswith("INFO ")]
    assert [line.removeprefix("^C") for line in lines] == ["pixelwise: interrupted; run it again"]
    assert everything(url) == before
