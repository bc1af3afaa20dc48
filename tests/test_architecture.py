"""The architecture: which package may import which, and what only one package does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.project_copy import PROJECT, environment

APP = PROJECT / "app"

# Which packages and top modules of `app` each one may import, at most. Nothing imports `main` or `cli`.
ARROWS: dict[str, set[str]] = {
    "fast_start": set(),
    "env_file": set(),
    "config": {"env_file"},
    "metrics": {"config"},
    "logs": {"config"},
    "loop_round": set(),
    "atomic_file": set(),
    "progress": set(),
    "drawings": set(),
    "schemas": {"drawings"},
    "classifier": {"config", "drawings"},
    "analysis": {"atomic_file", "drawings", "schemas"},
    "database": {"atomic_file", "config", "logs", "metrics", "progress"},
    "count_tables": {"database"},
    "models": {"count_tables", "database", "drawings"},
    "repository": {"drawings", "models", "schemas"},
    "services": {
        *("analysis", "atomic_file", "classifier", "config", "database", "drawings", "logs", "loop_round"),
        *("metrics", "progress", "repository", "schemas"),
    },
    "http": {
        *(
            "classifier",
            "config",
            "database",
            "drawings",
            "loop_round",
            "metrics",
            "schemas",
            "services",
            "logs",
        ),
    },
    "cli": {
        "analysis",
        "atomic_file",
        "classifier",
        "config",
        "database",
        "drawings",
        "fast_start",
        "logs",
        "progress",
        "schemas",
        "services",
    },
    "startup": {"classifier", "config", "database", "logs"},
    "main": {"config", "fast_start", "http", "startup"},
    "__main__": {"cli"},
}

WEB = {"fastapi", "slowapi", "starlette", "uvicorn"}
DATABASE = {"alembic", "psycopg", "sqlalchemy", "sqlite3"}
TERMINAL = {"rich", "termios", "tty", "typer"}
# Third-party and standard packages that stay out of these places.
KEPT_OUT: dict[str, set[str]] = {
    "drawings": WEB | DATABASE,
    "metrics": WEB | DATABASE,
    "classifier": WEB | DATABASE,
    "analysis": WEB | DATABASE,
    "schemas": WEB | DATABASE,
    "http": DATABASE - {"sqlalchemy"},
    "database": WEB,
    "models": WEB,
    "repository": WEB,
    "services": WEB,
    "logs": WEB,
    "startup": WEB,
    # `serve` runs uvicorn and `upgrade` runs Alembic, as an operator would.
    "cli": (WEB | DATABASE) - {"alembic", "sqlalchemy", "uvicorn"},
}

SUCCESS = (204, 304)

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
# Longer than that, and why it is better in one piece.
LONGER = {
    "training/styles.py": "a table: how each digit is drawn, style after style",
    "training/card.py:write": "the card's text from its first line to its last",
}

MODULES = [path.relative_to(APP).with_suffix("") for path in sorted(APP.rglob("*.py"))]


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse((APP / module).with_suffix(".py").read_text())


def imported(tree: ast.AST) -> set[str]:
    """Return every module that is imported, by its full name; `from a import b` gives a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def packages_of(module: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(parsed(module))}


def attributes(module: Path) -> set[str]:
    return {node.attr for node in ast.walk(parsed(module)) if isinstance(node, ast.Attribute)}


def test_modules_import_only_the_packages_they_may() -> None:
    for module in MODULES:
        own = module.parts[0]
        if own == "__init__" or own not in ARROWS:
            continue
        parts = [name.split(".") for name in imported(parsed(module)) if name.startswith("app.")]
        found = {part[1] for part in parts if part[1] in ARROWS}
        assert found - {own} <= ARROWS[own], module


def test_web_database_and_terminal_stay_where_they_belong() -> None:
    for module in MODULES:
        own = module.parts[0]
        assert packages_of(module).isdisjoint(KEPT_OUT.get(own, set())), module
        if own not in ("cli", "__main__"):
            assert packages_of(module).isdisjoint(TERMINAL), module


def test_only_the_repository_writes_sql() -> None:
    for module in MODULES:
        if module.parts[0] in ("http", "cli"):
            of_sqlalchemy = {name for name in imported(parsed(module)) if name.startswith("sqlalchemy")}
            assert of_sqlalchemy <= {"sqlalchemy.orm", "sqlalchemy.orm.Session"}, module
            assert attributes(module).isdisjoint({"execute", "scalar", "scalars"}), module
        if module.parts[0] == "services":
            assert imported(parsed(module)).isdisjoint(
                {f"sqlalchemy.{name}" for name in ("delete", "func", "insert", "select", "text", "update")}
            ), module


def test_only_the_database_package_begins_and_ends_transactions() -> None:
    for module in MODULES:
        if module.parts[0] != "database":
            assert attributes(module).isdisjoint({"begin", "commit", "rollback"}), module


def test_only_one_module_chooses_the_status_of_an_error() -> None:
    for module in MODULES:
        if module == Path("http/problems"):
            continue
        assert not [name for name in imported(parsed(module)) if name.startswith(("http.", "fastapi.status"))], module
        # The routes name the errors they can give, for the documentation.
        calls = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)]
        documented = {
            number for call in calls if getattr(call.func, "id", "") == "documented" for number in ast.walk(call)
        }
        constants = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.Constant)]
        assert not [
            one.value for one in constants if type(one.value) is int and 400 <= one.value < 600 if one not in documented
        ], module
        given = {word.value for call in calls for word in call.keywords if word.arg == "status_code"}
        assert all(isinstance(value, ast.Constant) and value.value in SUCCESS for value in given), module


def test_only_config_reads_the_environment() -> None:
    for module in MODULES:
        # The package itself sets a variable, which onnxruntime reads.
        if module not in (Path("config"), Path("env_file"), Path("__init__")):
            assert attributes(module).isdisjoint({"environ", "getenv", "putenv"}), module
            assert packages_of(module).isdisjoint({"dotenv", "pydantic_settings"}), module


def test_scripts_can_read_settings_without_any_package() -> None:
    assert packages_of(Path("env_file")) <= set(sys.stdlib_module_names)


def test_migrations_import_nothing_of_the_application() -> None:
    revisions = list((PROJECT / "alembic/versions").glob("*.py"))
    assert revisions
    for revision in revisions:
        names = imported(ast.parse(revision.read_text()))
        assert not {name for name in names if name.partition(".")[0] == "app"}, revision.name


def test_alembic_folder_does_not_hide_the_package_of_that_name() -> None:
    assert not list((PROJECT / "alembic").rglob("__init__.py"))


DOCUMENTED_IMPORTS = """
from app.main import app
from app.models import Base, Prediction, SessionLocal
from app.classifier import classify, classify_batch
assert Prediction.__tablename__ in Base.metadata.tables
assert callable(app) and callable(SessionLocal) and callable(classify) and callable(classify_batch)
"""


def test_documented_imports_need_neither_settings_nor_model_nor_database(tmp_path: Path) -> None:
    wrong = dict.fromkeys(("DATABASE_URL", "MODEL_PATH", "RATE_LIMIT", "DEBUG"), "/no-such-folder/nonsense")
    for settings in ({}, wrong):
        done = subprocess.run(
            [sys.executable, "-c", DOCUMENTED_IMPORTS],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(PROJECT), **settings),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def own_files() -> list[Path]:
    folders = ("app", "alembic", "benchmarks", "tests", "training")
    return sorted([*PROJECT.glob("*.py"), *(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))])


def functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the qualified name and the number of lines of each function: two classes may each have an __init__."""
    for node in ast.iter_child_nodes(parent):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                assert node.end_lineno is not None
                yield name, node.end_lineno - node.lineno + 1
            name += "."
        yield from functions(node, name)


def test_files_and_functions_are_short_unless_there_is_a_reason() -> None:
    files = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in own_files()}
    lengths = {
        name: lines
        for path in own_files()
        for name, lines in functions(ast.parse(path.read_text()), f"{path.relative_to(PROJECT)}:")
    }
    too_long = {name for name, lines in files.items() if lines > MAX_FILE_LINES}
    too_long |= {name for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert too_long - set(LONGER) == set()
