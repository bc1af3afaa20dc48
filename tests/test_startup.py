"""The start of the service: its checks, each with an error of one line that says what to do."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from app.config import EXAMPLE_KEY
from app.main import create_app
from tests.support.http_fixtures import Start
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, environment
from tests.support.service import DRAWING, KEY, client_of, execute, start_problem, stored

V05_TABLE = (
    "CREATE TABLE predictions (id INTEGER NOT NULL, prediction VARCHAR NOT NULL, confidence FLOAT NOT NULL,"
    " model_version VARCHAR NOT NULL, created_at DATETIME, PRIMARY KEY (id))"
)


class Refusal(NamedTuple):
    """An invalid setting, and part of the error for it."""

    name: str
    value: str
    words: str


REFUSALS = [
    Refusal("SECRET_API_KEY", "", "openssl rand -hex 32"),
    Refusal("SECRET_API_KEY", EXAMPLE_KEY, "openssl rand -hex 32"),
    Refusal("DATABASE_URL", "mysql://user:kept-quiet@localhost/pixelwise", "DATABASE_URL: must begin with"),
    Refusal("DATABASE_URL", "sqlite:///no-such-folder/pixelwise.db", "no-such-folder does not exist"),
    Refusal("DATABASE_URL", "sqlite:///tmp/pixelwise.db", "sqlite:////tmp/pixelwise.db"),
    Refusal("DATABASE_URL", "sqlite:///other.db", "run: alembic upgrade head"),
    Refusal("DATABASE_URL", "postgresql://user:kept-quiet@127.0.0.1:{closed_port}/x", "onnect"),
    Refusal("RATE_LIMIT", "often", "RATE_LIMIT: must look like 30/minute"),
    Refusal("RATE_LIMIT", "9/minute;1/367 day", "RATE_LIMIT: must not count for longer than 366 days"),
    Refusal("DEBUG", "maybe", "DEBUG: "),
    Refusal("PUBLIC_RESULTS", "maybe", "PUBLIC_RESULTS: "),
    Refusal("MODEL_PATH", "/no-such-folder/digits.onnx", "set MODEL_PATH to an ONNX file"),
    Refusal("MODEL_PATH", __file__, "not a PixelWise model"),
]


@pytest.fixture
def working_settings(settings_environment: pytest.MonkeyPatch, sqlite_url: str) -> pytest.MonkeyPatch:
    """Settings the service starts with."""
    settings_environment.setenv("SECRET_API_KEY", KEY)
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    return settings_environment


def assert_refused(words: str) -> None:
    """Check that the service refuses to start, says so in one line, and leaves nothing open."""
    problem = start_problem(create_app())
    assert problem is not None
    assert problem.startswith("pixelwise: ")
    assert words in problem
    assert problem.isprintable()
    assert "kept-quiet" not in problem
    assert KEY not in problem


def test_service_starts_and_stops_with_working_settings(working_settings: pytest.MonkeyPatch) -> None:
    assert start_problem(create_app()) is None


def test_service_warns_about_its_settings_at_the_start(
    working_settings: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    working_settings.setenv("RATE_LIMITS", "5/minute")
    assert start_problem(create_app()) is None
    assert "RATE_LIMITS is not a setting; did you mean RATE_LIMIT?" in caplog.text


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.name}={refusal.value}"[:40])
def test_invalid_setting_is_refused_in_one_line(
    working_settings: pytest.MonkeyPatch, fresh_classifier: None, refusal: Refusal
) -> None:
    working_settings.setenv(refusal.name, refusal.value.format(closed_port=free_port()))
    assert_refused(refusal.words)


LOADED = """
needless = {"PIL", "alembic", "limits", "psycopg", "redis", "scipy", "sqlalchemy.dialects.postgresql"}
print(sorted(needless & set(sys.modules)))
"""
SERVICE = """
import sys
from tests.support.service import start_problem
from app.main import create_app
print(start_problem(create_app()))
"""
INIT_DB = "import sys, init_db; init_db.main([])"
STATS = "import sys; from app.cli.main import main; main(['stats', '--json'])"


def output_of(script: str, folder: Path, database_url: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(PYTHONPATH=f"{PROJECT}:{PROJECT}/tests", SECRET_API_KEY=KEY, DATABASE_URL=database_url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("script", "loaded"),
    [(SERVICE, ["limits"]), (INIT_DB, []), (STATS, [])],
    ids=["service", "init_db", "stats"],
)
def test_nothing_is_loaded_that_a_start_does_not_need(
    tmp_path: Path, sqlite_url: str, script: str, loaded: list[str]
) -> None:
    shutil.copy(PROJECT / ".env.example", tmp_path / ".env")
    assert output_of(script + LOADED, tmp_path, sqlite_url)[-1] == str(loaded)


@pytest.mark.parametrize("package", ["PIL", "scipy"])
def test_missing_package_is_reported_at_the_start(tmp_path: Path, sqlite_url: str, package: str) -> None:
    # Importing it fails, as if it were not installed.
    without = f"import sys; sys.modules['{package}'] = None"
    problem = f"pixelwise: the package {package} is missing; run: pip install -r requirements.txt"
    assert output_of(without + SERVICE, tmp_path, sqlite_url) == [problem]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_version_05(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute(V05_TABLE)


def at_revision(revision: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        execute(f"sqlite:///{path}", f"UPDATE alembic_version SET version_num = '{revision}'")

    return change


def not_a_database(path: Path) -> None:
    path.write_text("a letter to my aunt\n" * 1000)


def torn(path: Path) -> None:
    """Like an interrupted copy."""
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(empty, "is empty; run: alembic upgrade head", id="empty"),
        pytest.param(of_version_05, "was made by PixelWise 0.5; run: alembic upgrade head", id="version 0.5"),
        pytest.param(at_revision("0002"), "is at revision 0002", id="older"),
        pytest.param(at_revision("9999"), "update PixelWise", id="newer"),
        pytest.param(at_revision("1a2b3c4d5e6f"), "not one of PixelWise", id="somebody else's"),
        pytest.param(not_a_database, "not a database", id="no database"),
        pytest.param(torn, "malformed", id="torn"),
    ],
)
def test_database_of_another_version_is_refused_and_not_changed(
    working_settings: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "pixelwise.db"
    change(path)
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    assert_refused(words)
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


def test_database_folder_without_a_database_stays_empty(working_settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    working_settings.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/data/pixelwise.db")
    assert_refused("alembic upgrade head")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("env_file", "words"),
    [
        pytest.param(f"SECRET_API_KEY={EXAMPLE_KEY}\n".encode(), "openssl rand -hex 32", id="example key"),
        pytest.param(f"SECRET_API_KEY={KEY}\n".encode(), "alembic upgrade head", id="no database"),
        pytest.param(b"SECRET_API_KEY=\xff\xfe\n", "cannot read", id="no text"),
    ],
)
def test_uvicorn_exits_with_one_line_and_no_traceback(tmp_path: Path, env_file: bytes, words: str) -> None:
    (tmp_path / ".env").write_bytes(env_file)
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(free_port())],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(PROJECT)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 3
    (line,) = [line for line in printed.splitlines() if "pixelwise:" in line]
    assert words in line
    assert "Traceback" not in printed


def test_unexpected_error_before_the_lifespan_ends_the_start(
    working_settings: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("out of order")

    working_settings.setattr("app.main.start_problem", fail)
    assert_refused("the traceback is above")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "out of order"


def test_key_is_read_at_every_start(start: Start, sqlite_url: str) -> None:
    first = start(DATABASE_URL=sqlite_url, SECRET_API_KEY="the-key-of-yesterday")
    assert first.post("/classify", json=DRAWING).status_code == 401
    second = start(DATABASE_URL=sqlite_url)
    assert second.post("/classify", json=DRAWING).status_code == 200


def test_application_answers_without_a_lifespan(working_settings: pytest.MonkeyPatch, sqlite_url: str) -> None:
    client = client_of(create_app())
    for path in ("/health", "/results", "/docs", "/"):
        assert client.get(path).status_code == 200, path
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert stored(sqlite_url) == (1, 1)
