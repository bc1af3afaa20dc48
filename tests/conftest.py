"""Databases for the tests: built once by the migrations, then a copy of its own for each test."""

import getpass
import os
import shutil
from collections.abc import Iterable, Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path

import psycopg
import pytest

from app import env_file
from app.config import Settings, get_settings
from app.database import Database, get_database
from app.env_file import DEPLOYMENT
from tests.support.connections import servers_asked_once
from tests.support.databases import DISCONNECT_OTHERS, drop_abandoned, empty_tables, migrate, postgres_database
from tests.support.programs import forking
from tests.support.project_copy import cannot_run
from tests.support.service import execute

pytest_plugins = [
    "tests.support.browser",
    "tests.support.http_fixtures",
    "tests.support.mnist",
    "tests.support.nginx",
    "tests.support.postgres_cluster",
    "tests.support.replay_fixtures",
    "tests.support.run_order",
]

# The tests call services on this machine only, never through a proxy.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def _names_are_compared_once() -> Iterator[None]:
    """Compare each name of the environment with the settings once; at each of a thousand starts it takes long."""
    compare = env_file.get_close_matches
    found: dict[str, list[str]] = {}

    def closest(name: str, possibilities: Iterable[str], **limits: float) -> list[str]:
        if name not in found:
            found[name] = compare(name, possibilities, **limits)
        return found[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(env_file, "get_close_matches", closest)
        yield


@pytest.fixture(scope="session", autouse=True)
def _servers_are_asked_once() -> Iterator[None]:
    with servers_asked_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _programs_are_forked() -> Iterator[None]:
    with forking():
        yield


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """The PostgreSQL server, by a database in which others can be made."""
    given = os.environ.get("TEST_POSTGRES_URL")
    default = "postgresql://{}@127.0.0.1:5432/postgres"
    candidates = [given] if given else [default.format(getpass.getuser()), default.format("postgres")]
    for url in candidates:
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            continue
        drop_abandoned(url)
        return url
    return cannot_run(
        "no PostgreSQL server: install postgresql, or set TEST_POSTGRES_URL to a database whose user may"
        " create databases, such as postgresql://user:password@127.0.0.1:5432/postgres"
    )


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that the migrations made, once for all processes of the run; for copying only."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "migrated.db"
    with (folder / "migrated.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not made.exists():
            unfinished = folder / "unfinished.db"
            migrate(f"sqlite:///{unfinished}")
            unfinished.rename(made)
    return made


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """A PostgreSQL database that the migrations made. Tests share its tables, and leave them as they are."""
    with postgres_database(postgres_admin_url, "migrated") as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def scratch_postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """A PostgreSQL database whose tables belong to whichever test runs."""
    with postgres_database(postgres_admin_url, "scratch") as url:
        yield url


@pytest.fixture
def sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database without rows."""
    return f"sqlite:///{shutil.copy(migrated_sqlite_file, tmp_path / 'pixelwise.db')}"


@pytest.fixture
def postgres_url(migrated_postgres_url: str) -> str:
    """The URL of a migrated PostgreSQL database without rows, whose ids begin at one."""
    empty_tables(migrated_postgres_url)
    return migrated_postgres_url


@pytest.fixture
def truncated_postgres_url(migrated_postgres_url: str) -> str:
    """The same with empty files: the server plans by their sizes, in which deleted rows count."""
    empty_tables(migrated_postgres_url, keep_bytes=0)
    return migrated_postgres_url


@pytest.fixture
def empty_postgres_url(scratch_postgres_url: str) -> str:
    """The URL of a PostgreSQL database without tables, to do anything with."""
    execute(scratch_postgres_url, DISCONNECT_OTHERS, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return scratch_postgres_url


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows, once on each engine. Its tables must not be changed."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=ENGINES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once on each engine; the SQLite file does not exist."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pixelwise.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def settings_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment without settings, in a folder without .env; what is read from it is not kept."""
    for name in (*Settings.model_fields, *DEPLOYMENT):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    get_database.cache_clear()
    yield monkeypatch
    if get_database.cache_info().currsize:
        get_database().close()
    get_database.cache_clear()
    get_settings.cache_clear()


@pytest.fixture
def configured_database_url(settings_environment: pytest.MonkeyPatch, database_url: str) -> str:
    """A migrated database that the settings name, so that `SessionLocal` and the service use it."""
    settings_environment.setenv("DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def configured_sqlite(settings_environment: pytest.MonkeyPatch, sqlite_url: str) -> str:
    """The same on SQLite, for what has nothing to do with the database."""
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    return sqlite_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows, open, once on each engine."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    opened = Database(url)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A migrated SQLite database without rows, open."""
    opened = Database(sqlite_url)
    opened.open()
    yield opened
    opened.close()
