"""Which tests run, in which order, in which of several processes and in which folder."""

import gc
import os
import tempfile
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.run_cleanup import end_with_parent, watch_folder

# The folders of tests that drive a browser, kill services, set up machines, measure or train.
SLOW_FOLDERS: Final = frozenset({"benchmarks", "deploy", "faults", "page", "training"})
SLOW_FIXTURES: Final = frozenset({"browser", "cluster", "mnist_test", "postgres_admin_url"})
TESTS: Final = Path(__file__).parents[1]
# Several processes wait for each other's syncs on a disk. In memory a sync takes no time.
MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 * 2**30
# These files and those of these folders take longest. They run first, so that no process is left with one at the end.
LONGEST: Final = (
    *("page", "faults", "http/test_schemathesis.py", "migrations/test_failed_migrations.py"),
    *("database", "cli", "services", "migrations", "deploy", "test_run_cleanup.py", "test_startup.py"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="SQLite only; no browser, no killed services, nothing marked as slow"
    )


# Before pytest makes the folder for the files of the tests.
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes seconds; left out by --quick")
    if hasattr(config, "workerinput"):
        end_with_parent(config.workerinput["parent"])
    elif config.getoption("numprocesses") and not config.option.basetemp and _has_room(MEMORY):
        config.option.basetemp = tempfile.mkdtemp(prefix="pixelwise-tests.", dir=MEMORY)
        watch_folder(Path(config.option.basetemp))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a process of pytest-xdist the id of this one, so that both end together."""
    node.workerinput["parent"] = os.getpid()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt the tests from garbage collection; they stay until the end, and looking through them takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# After the fixtures of each test are known, and before xdist distributes the tests.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        left_out = [item for item in items if _is_slow(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _is_slow(item)]
    items.sort(key=lambda item: _place(item.path))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Name the failed tests last: with CI set, pytest prints a summary of any length."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.getreports("failed") + reporter.getreports("error") if reporter else ():
        reporter.write_line(f"failed: {report.nodeid}")


def _has_room(folder: Path) -> bool:
    """Return whether a run's files fit into this folder, and programs there can be started."""
    if not folder.is_dir():
        return False
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize > ROOM and not disk.f_flag & os.ST_NOEXEC


def _is_slow(item: pytest.Item) -> bool:
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return (
        _folder(item) in SLOW_FOLDERS
        or not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or any(isinstance(value, str) and value == "postgresql" for value in parameters)
        or item.get_closest_marker("slow") is not None
    )


def _folder(item: pytest.Item) -> str:
    """The folder below `tests` that holds the test."""
    return item.path.relative_to(TESTS).parts[0]


@cache
def _place(file: Path) -> int:
    places = (place for place, path in enumerate(LONGEST) if file.is_relative_to(TESTS / path))
    return next(places, len(LONGEST))
