"""The architecture, as far as the code can be read: who imports whom, and what is done in one place only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clone import PROJECT, environment

APP = PROJECT / "app"
# One tree of arrows, downward only. A module may import those named here, and nothing else of the application.
ALLOWED: dict[str, set[str]] = {
    "app": set(),
    "config": set(),
    "schemas": set(),
    "schemas.backups": set(),
    "schemas.drawings": set(),
    "schemas.export": {"schemas.inputs", "schemas.results"},
    "schemas.health": set(),
    "schemas.inputs": set(),
    "schemas.labels": {"schemas.inputs"},
    "schemas.model_versions": {"schemas.stats"},
    "schemas.problems": set(),
    "schemas.replay": {"schemas.stats"},
    "schemas.retention": set(),
    "schemas.review": {"schemas.drawings", "schemas.inputs"},
    "schemas.results": {"schemas.drawings", "schemas.inputs", "schemas.problems"},
    "schemas.stats": {"schemas.inputs"},
    "schemas.monitoring": {"schemas.inputs"},
    "schemas.transfers": set(),
    "normalise": set(),
    "ink": {"normalise"},
    "images": {"ink", "normalise"},
    "similarity": set(),
    "statistics": set(),
    "drift": {"statistics"},
    "exports": set(),
    "engine": {"config"},
    "sqlite": {"engine", "sqlite_file"},
    "sqlite_file": {"checkpoints", "engine"},
    "waiting": {"engine"},
    "writer": {"engine", "waiting"},
    "reader": {"engine", "waiting", "writer"},
    "postgres": {"engine"},
    "revisions": {"config", "engine"},
    "db": {"config", "engine", "postgres", "reader", "revisions", "sqlite", "sqlite_file", "writer"},
    "models": {"db"},
    "repository": set(),
    "postgres_dumps": {"config", "sqlite_copies"},
    "sqlite_copies": {"checkpoints"},
    "repository.copies": set(),
    "repository.exports": {"models", "repository.labels", "repository.search", "schemas.results"},
    "repository.labels": {"models"},
    "repository.numbers": {"models", "repository.labels"},
    "repository.monitoring": {
        "models",
        "repository.labels",
        "repository.search",
        "schemas.drawings",
        "schemas.results",
    },
    "repository.idempotency_keys": {"models"},
    "repository.predictions": {"models", "repository.labels"},
    "repository.replays": {"models", "repository.labels"},
    "repository.retention": {"models", "repository.labels", "repository.search"},
    "repository.reviews": {"models"},
    "repository.search": {"models", "repository.labels", "schemas.inputs", "schemas.results"},
    "repository.shadow": {"models"},
    "repository.transfers": {"models"},
    "classifier": {"config", "normalise"},
    "comparison": set(),
    "comparison.answers": set(),
    "comparison.counts": {"comparison.flips", "schemas.replay", "schemas.stats", "statistics"},
    "comparison.flips": {"exports"},
    "comparison.latency": {"classifier", "normalise", "schemas.replay"},
    "comparison.page": {"comparison.flips", "comparison.verdict", "images", "schemas.replay"},
    "comparison.verdict": {"comparison.counts", "schemas.replay"},
    "services": set(),
    "services.refusals": set(),
    "services.tally": {"schemas.stats", "statistics"},
    "services.stats": {
        "repository",
        "repository.numbers",
        "schemas.stats",
        "services.refusals",
        "services.tally",
    },
    "services.model_versions": {
        "repository",
        "repository.numbers",
        "schemas.model_versions",
        "services.tally",
        "statistics",
    },
    "services.monitoring": {
        "config",
        "drift",
        "repository.monitoring",
        "schemas.drawings",
        "schemas.monitoring",
        "schemas.results",
        "services.refusals",
        "statistics",
    },
    "services.export": {
        "app",
        "db",
        "exports",
        "repository.exports",
        "schemas.export",
        "services.refusals",
    },
    "services.paging": {"repository.search", "schemas.inputs", "services.refusals"},
    "services.once": {
        "repository.idempotency_keys",
        "repository.predictions",
        "schemas.drawings",
        "services.classify",
        "services.refusals",
    },
    "services.classify": {"classifier", "normalise", "repository.predictions", "schemas.drawings"},
    "services.results": {
        "repository",
        "repository.labels",
        "repository.predictions",
        "repository.search",
        "schemas.labels",
        "schemas.results",
        "services.paging",
        "services.refusals",
    },
    "services.replay": {
        "classifier",
        "comparison",
        "comparison.answers",
        "comparison.counts",
        "comparison.flips",
        "comparison.latency",
        "comparison.page",
        "comparison.verdict",
        "db",
        "exports",
        "normalise",
        "repository",
        "repository.replays",
        "schemas.export",
        "schemas.replay",
        "services.refusals",
    },
    "services.backup": {
        "app",
        "db",
        "postgres_dumps",
        "repository.copies",
        "schemas.backups",
        "sqlite_copies",
    },
    "services.restore": {
        "db",
        "engine",
        "postgres_dumps",
        "repository.copies",
        "revisions",
        "schemas.backups",
        "services.backup",
        "sqlite_copies",
    },
    "services.copy_to": {"db", "repository.transfers", "schemas.transfers", "services.refusals"},
    "services.prune": {
        "db",
        "repository.idempotency_keys",
        "repository.retention",
        "repository.search",
        "schemas.retention",
        "services.once",
    },
    "services.review": {"repository", "repository.reviews", "schemas.review", "similarity"},
    "shadow": {"classifier", "db", "normalise", "repository.shadow"},
    "troubles": set(),
    "errors": {"db", "schemas.problems", "services", "services.refusals", "troubles"},
    "middleware": {"config", "errors"},
    "idempotency": {"errors"},
    "checkpoints": set(),
    "rate_limit": {"config", "errors", "shared_limits"},
    "shared_limits": {"config"},
    "turns": {"errors"},
    "security": {"config", "errors", "rate_limit"},
    "routers": set(),
    "routers.conditions": set(),
    "routers.bodies": {"errors", "schemas.drawings"},
    "routers.classify": {
        "classifier",
        "db",
        "errors",
        "idempotency",
        "images",
        "rate_limit",
        "repository.predictions",
        "routers.bodies",
        "schemas.drawings",
        "security",
        "services",
        "services.classify",
        "services.once",
        "shadow",
        "turns",
    },
    "routers.results": {
        "db",
        "errors",
        "images",
        "normalise",
        "repository",
        "repository.predictions",
        "routers.conditions",
        "schemas.inputs",
        "schemas.results",
        "security",
        "services",
        "services.results",
    },
    "routers.labels": {
        "db",
        "errors",
        "routers.conditions",
        "routers.results",
        "schemas.labels",
        "schemas.results",
        "security",
        "services",
        "services.results",
    },
    "routers.review": {"db", "errors", "schemas.review", "security", "services", "services.review"},
    "routers.monitoring": {
        "db",
        "errors",
        "schemas.monitoring",
        "security",
        "services",
        "services.monitoring",
    },
    "routers.stats": {"db", "errors", "schemas.stats", "security", "services", "services.stats"},
    "routers.models": {
        "classifier",
        "db",
        "errors",
        "schemas.model_versions",
        "security",
        "services",
        "services.model_versions",
    },
    "routers.export": {"db", "errors", "schemas.export", "security", "services.export"},
    "routers.page": {"config"},
    "routers.health": {"classifier", "db", "errors", "schemas.health"},
    "cli": set(),
    "cli.backup": {
        "cli",
        "cli.resources",
        "cli.status",
        "cli.terminal",
        "schemas.backups",
        "services.backup",
        "services.restore",
        "sqlite_copies",
    },
    "cli.classify": {
        "cli",
        "cli.resources",
        "cli.results",
        "cli.status",
        "cli.tables",
        "cli.terminal",
        "images",
        "schemas.drawings",
        "services.classify",
    },
    "cli.copy_to": {
        "cli",
        "cli.resources",
        "cli.status",
        "cli.tables",
        "cli.terminal",
        "db",
        "services.copy_to",
    },
    "cli.drawing": {"cli.terminal"},
    "cli.export": {
        "cli",
        "cli.options",
        "cli.resources",
        "cli.status",
        "cli.terminal",
        "schemas.export",
        "services.export",
    },
    "cli.keyboard": set(),
    "cli.monitoring": {
        "cli",
        "cli.options",
        "cli.resources",
        "cli.status",
        "cli.tables",
        "cli.terminal",
        "schemas.monitoring",
        "services.monitoring",
    },
    "cli.numbers": {
        "cli",
        "cli.options",
        "cli.resources",
        "cli.tables",
        "cli.terminal",
        "schemas.model_versions",
        "schemas.stats",
        "services.model_versions",
        "services.stats",
    },
    "cli.operate": {"classifier", "cli.status", "cli.tables", "cli.terminal", "config", "db", "schemas.health"},
    "cli.options": set(),
    "cli.program": {
        "cli",
        "cli.backup",
        "cli.classify",
        "cli.copy_to",
        "cli.export",
        "cli.monitoring",
        "cli.numbers",
        "cli.operate",
        "cli.options",
        "cli.prune",
        "cli.replay",
        "cli.results",
        "cli.review",
        "cli.status",
        "cli.terminal",
        "services.refusals",
    },
    "cli.replay": {
        "cli",
        "cli.numbers",
        "cli.resources",
        "cli.tables",
        "cli.terminal",
        "schemas.replay",
        "services.replay",
    },
    "cli.prune": {
        "cli",
        "cli.resources",
        "cli.tables",
        "cli.terminal",
        "schemas.retention",
        "services.prune",
    },
    "cli.resources": {"classifier", "cli.status", "config", "db"},
    "cli.results": {
        "cli",
        "cli.drawing",
        "cli.options",
        "cli.resources",
        "cli.status",
        "cli.tables",
        "cli.terminal",
        "repository.predictions",
        "schemas.inputs",
        "schemas.labels",
        "schemas.results",
        "services",
        "services.results",
    },
    "cli.review": {
        "cli",
        "cli.drawing",
        "cli.keyboard",
        "cli.options",
        "cli.resources",
        "cli.results",
        "cli.status",
        "cli.terminal",
        "db",
        "repository.predictions",
        "schemas.labels",
        "schemas.review",
        "schemas.stats",
        "services.refusals",
        "services.results",
        "services.review",
    },
    "cli.status": set(),
    "cli.tables": {"cli.terminal"},
    "cli.terminal": set(),
    "__main__": {"cli.program"},
    "main": {
        "app",
        "classifier",
        "config",
        "db",
        "errors",
        "middleware",
        "rate_limit",
        "routers",
        "routers.classify",
        "routers.export",
        "routers.health",
        "routers.labels",
        "routers.models",
        "routers.monitoring",
        "routers.page",
        "routers.results",
        "routers.review",
        "routers.stats",
        "schemas.drawings",
        "schemas.problems",
        "security",
        "shadow",
        "turns",
    },
}
# By the first part of their names.
WITHOUT_WEB = (
    "classifier",
    "comparison",
    "config",
    "db",
    "drift",
    "engine",
    "exports",
    "images",
    "ink",
    "models",
    "normalise",
    "postgres",
    "postgres_dumps",
    "reader",
    "repository",
    "revisions",
    "schemas",
    "services",
    "similarity",
    "sqlite_copies",
    "statistics",
    "waiting",
    "writer",
)
WITHOUT_DATABASE = (
    "classifier",
    "comparison",
    "config",
    "drift",
    "errors",
    "exports",
    "images",
    "ink",
    "main",
    "middleware",
    "normalise",
    "rate_limit",
    "schemas",
    "similarity",
    "statistics",
    "troubles",
    "turns",
)


def modules_under(*names: str) -> list[str]:
    return [name for name in ALLOWED if name.partition(".")[0] in names]


# No error: what a route may answer by itself besides 200.
SUCCESS = (204, 304)

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
# Longer than a screen, and why that is better than taking it apart.
LONGER = {
    "tests/test_architecture.py": "a table: who may import whom, module after module",
    "training/styles.py": "a table: how each digit is drawn, style after style",
    "training/card.py:write": "the card's text from its first line to its last",
    "training/train.py:train": "one run from the first step to the last, in the order it happens",
}


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(APP).with_suffix("").parts).removesuffix("__init__").removesuffix(".")
    return name or "app"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


MODULES = {module_name(path): parsed(path) for path in sorted(APP.rglob("*.py"))}


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported, by its full name; `from a import b` names both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def imported_of_app(name: str) -> set[str]:
    names = imported(MODULES[name])
    found = {module for module in MODULES if f"app.{module}" in names}
    # `from app import x` names the package only when x is none of its modules.
    of_package = {name.removeprefix("app.") for name in names if name.count(".") == 1 and name.startswith("app.")}
    return found | ({"app"} if of_package - set(MODULES) and "app" in names else set())


def packages_of(name: str) -> set[str]:
    return {module.partition(".")[0] for module in imported(MODULES[name])}


def attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno


def test_every_module_has_its_place_in_the_architecture() -> None:
    assert set(MODULES) == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_module_imports_exactly_what_it_may(name: str) -> None:
    assert imported_of_app(name) == ALLOWED[name]


@pytest.mark.parametrize("name", modules_under(*WITHOUT_WEB))
def test_core_does_not_know_the_web(name: str) -> None:
    assert packages_of(name).isdisjoint({"fastapi", "starlette", "uvicorn", "slowapi"})


@pytest.mark.parametrize("name", modules_under(*WITHOUT_DATABASE))
def test_what_needs_no_database_does_not_know_it(name: str) -> None:
    assert packages_of(name).isdisjoint({"sqlalchemy", "sqlite3", "psycopg", "alembic"})


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("cli.")])
def test_command_line_knows_neither_the_web_nor_a_database_s_driver(name: str) -> None:
    # An operator's two programs, which it runs as they would.
    run = {"alembic", "uvicorn"} if name == "cli.operate" else set()
    unknown = {"alembic", "fastapi", "psycopg", "slowapi", "sqlite3", "starlette", "uvicorn"} - run
    assert packages_of(name).isdisjoint(unknown)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("cli")])
def test_nobody_but_the_command_line_knows_the_terminal(name: str) -> None:
    assert packages_of(name).isdisjoint({"rich", "termios", "tty", "typer"})


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("cli.", "routers."))])
def test_routers_and_commands_know_sessions_by_their_type_alone(name: str) -> None:
    of_sqlalchemy = {module for module in imported(MODULES[name]) if module.startswith("sqlalchemy")}
    assert of_sqlalchemy <= {"sqlalchemy.orm", "sqlalchemy.orm.Session"}
    assert {"execute", "scalar", "scalars", "add", "query"}.isdisjoint(attr for attr, _ in attributes(MODULES[name]))


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"db", "engine", "postgres", "sqlite", "writer"}))
def test_nobody_but_the_database_begins_or_ends_a_transaction(name: str) -> None:
    found = [(attr, line) for attr, line in attributes(MODULES[name]) if attr in ("commit", "rollback", "begin")]
    assert found == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"errors"}))
def test_nobody_but_errors_chooses_the_status_of_an_error(name: str) -> None:
    assert not {module for module in imported(MODULES[name]) if module.startswith(("http.", "fastapi.status"))}
    named = [
        number
        for node in ast.walk(MODULES[name])
        # The routes name the errors they can give, for the documentation.
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "documented"
        for number in ast.walk(node)
    ]
    numbers = [
        node.value
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Constant) and type(node.value) is int and 400 <= node.value < 600 and node not in named
    ]
    assert numbers == []
    given = {
        node.value for node in ast.walk(MODULES[name]) if isinstance(node, ast.keyword) and node.arg == "status_code"
    }
    assert all(isinstance(value, ast.Constant) and value.value in SUCCESS for value in given)


# The package itself only sets a variable, which onnxruntime reads.
@pytest.mark.parametrize("name", sorted(set(MODULES) - {"app", "config"}))
def test_nobody_but_config_reads_the_environment(name: str) -> None:
    assert {"environ", "getenv", "putenv"}.isdisjoint(attr for attr, _ in attributes(MODULES[name]))
    assert packages_of(name).isdisjoint({"dotenv", "pydantic_settings"})


def test_history_imports_nothing_of_the_application() -> None:
    revisions = list((PROJECT / "alembic/versions").glob("*.py"))
    assert revisions
    for revision in revisions:
        assert not {name for name in imported(parsed(revision)) if name.partition(".")[0] == "app"}, revision.name


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


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path.relative_to(PROJECT)}:{node.name}", node.end_lineno - node.lineno + 1


def test_nothing_is_longer_than_can_be_read_at_once_without_a_reason() -> None:
    files = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in own_files()}
    lengths = {name: lines for path in own_files() for name, lines in functions(path)}
    too_long = {name for name, lines in files.items() if lines > MAX_FILE_LINES}
    too_long |= {name for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert too_long - set(LONGER) == set()
