"""Dumps of a PostgreSQL database: written and put back by PostgreSQL's own programs."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from app.sqlite_copies import CopyError


def dump_postgres(url: URL, target: Path, snapshot: str) -> None:
    """Write what an exported snapshot sees into a file of `pg_dump`'s own format; raise CopyError when that fails."""
    with _connection(url) as database:
        # Drawings hardly get smaller by compressing them harder, and the service has a use for the processor.
        form = ("--format=custom", "--compress=1")
        _run("pg_dump", f"--dbname={database}", *form, f"--file={target}", f"--snapshot={snapshot}")


def check_dump(dump: Path) -> None:
    """Read a dump from its first byte to its last; raise CopyError when it is not whole."""
    _run("pg_restore", "--file=/dev/null", str(dump))


def restore_postgres(url: URL, dump: Path) -> None:
    """Put a dump into an empty database, all of it or nothing; raise CopyError when that fails."""
    with _connection(url) as database:
        _run(
            "pg_restore",
            f"--dbname={database}",
            # What was another user's belongs to whoever restores it.
            *("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"),
            str(dump),
        )


@contextmanager
def _connection(url: URL) -> Iterator[str]:
    """Give how libpq is told where the database is: with the password in a file, since anybody may see a command."""
    with NamedTemporaryFile("w", prefix="pixelwise-", suffix=".pgpass") as passwords:
        escaped = (url.password or "").replace("\\", "\\\\").replace(":", "\\:")
        passwords.write(f"*:*:*:*:{escaped}\n")
        passwords.flush()
        known = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
        if url.password:
            known["passfile"] = passwords.name
        # What else a URL says, such as sslmode, has libpq's own names.
        yield make_conninfo("", **known, **{name: str(value) for name, value in url.query.items()})


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise CopyError(f"{program} is missing; install PostgreSQL's programs: apt install postgresql-client")
    # A missing password is an error, and not a question that nobody answers.
    command = [found, "--no-password", *arguments]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise CopyError(said[0])
