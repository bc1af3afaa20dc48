"""Temporary, migrated databases for the drills."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.databases import migrate, postgres_database

ENGINES = ("sqlite", "postgresql")
DEFAULT_SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"


@contextmanager
def database(engine: str, purpose: str) -> Iterator[tuple[str, Path]]:
    """Yield the URL of a new database on this engine, and a new folder; remove both at the end.

    PostgreSQL databases are created on the server of TEST_POSTGRES_URL.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if engine == "sqlite":
            url = f"sqlite:///{folder / 'pixelwise.db'}"
            migrate(url)
            yield url, folder
            return
        server = os.environ.get("TEST_POSTGRES_URL", DEFAULT_SERVER)
        with postgres_database(server, purpose) as url:
            migrate(url)
            yield url, folder
