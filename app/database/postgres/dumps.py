import shutil
import subprocess
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection

from app.config import environment_with
from app.database.postgres.engine import is_pooled
from app.database.sqlite.copies import CopyError


def refuse_pooler(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    if is_pooled(driver):
        raise CopyError(
            "DATABASE_URL names a pooler such as PgBouncer, whose connections pg_dump and pg_restore would change for"
            " the service, too; use the server's own port"
        )


def dump_postgres(url: URL, target: Path, snapshot: str) -> None:
    """Dump an exported snapshot; raise CopyError."""
    database, password = _connection(url)
    # Drawings hardly compress further.
    form = ("--format=custom", "--compress=1")
    _run("pg_dump", f"--dbname={database}", *form, f"--file={target}", f"--snapshot={snapshot}", password=password)


def check_dump(dump: Path) -> None:
    _run("pg_restore", "--file=/dev/null", str(dump))


def restore_postgres(url: URL, dump: Path) -> None:
    """Fill an empty database in one transaction; raise CopyError."""
    database, password = _connection(url)
    # Only the owner of an extension may comment on it.
    form = ("--no-owner", "--no-privileges", "--no-comments", "--single-transaction", "--exit-on-error")
    _run("pg_restore", f"--dbname={database}", *form, str(dump), password=password)


def _connection(url: URL) -> tuple[str, str | None]:
    """Return the conninfo and, separately, the password: other users can see commands."""
    _, options = url.get_dialect()().create_connect_args(url)
    password = options.pop("password", None)
    return make_conninfo("", **options), password


def _run(program: str, *arguments: str, password: str | None = None) -> None:
    found = shutil.which(program)
    if found is None:
        raise CopyError(f"{program} is missing; install PostgreSQL's programs: apt install postgresql-client")
    command = [found, "--no-password", *arguments]
    secret = {} if password is None else {"PGPASSWORD": password}
    # Errors in English, which are searched below.
    known = environment_with(LC_ALL="C", **secret)
    ended = subprocess.run(command, env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise CopyError(next((line for line in said if ": error: " in line), said[0]))
