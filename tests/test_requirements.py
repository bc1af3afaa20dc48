"""requirements.in, which people edit, and requirements.txt, which scripts/lock makes from it."""

import ast
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.project_copy import PROJECT
from tests.test_architecture import imported, own_files

PEERS = tuple(f"benchmarks/peers/{name}" for name in ("bentoml", "litserve", "mlserver"))
FOLDERS = (".", "deploy/otel", "deploy/parquet", "tests", "benchmarks", "training", "tests/tools", *PEERS)
# Installed for programs or other packages, which find them by name.
NOT_IMPORTED = {
    "fastapi-offline": "Swagger's files",
    "mypy": "a program",
    "pytest-timeout": "a plugin",
    "pytest-xdist": "a plugin",
    "ruff": "a program",
    "schemathesis": "a program",
    "scipy-stubs": "types",
    "squawk-cli": "a program",
    "types-psutil": "types",
}


def source_lines(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from source_lines(path.parent / text.removeprefix("-r "))
        elif text:
            yield text


def direct(folder: str) -> list[Requirement]:
    return [Requirement(line) for line in source_lines(PROJECT / folder / "requirements.in")]


def locked(folder: str) -> list[tuple[Requirement, list[str]]]:
    """The packages of a lock, with their checksums."""
    text = (PROJECT / folder / "requirements.txt").read_text().replace("\\\n", "")
    lines = [line.split("  #")[0] for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [(Requirement(line.split(" --hash=")[0]), line.split(" --hash=")[1:]) for line in lines]


def versions(folder: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for requirement, _ in locked(folder):
        found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


def installed_here(folder: str) -> list[Requirement]:
    """The packages of a lock that this Python on this system needs."""
    return [each for each, _ in locked(folder) if each.marker is None or each.marker.evaluate()]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pin_is_in_the_lock(folder: str) -> None:
    lock = versions(folder)
    for requirement in direct(folder):
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement} is not pinned with =="
        found = lock.get(canonicalize_name(requirement.name), set())
        assert str(requirement.specifier) in found, f"{requirement} is not in {folder}/requirements.txt: scripts/lock"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_package_of_a_lock_has_one_version_and_checksums(folder: str) -> None:
    for requirement, hashes in locked(folder):
        assert re.fullmatch(r"==[\w.+]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64} *", each) for each in hashes), requirement


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_lock_names_the_registry_that_it_came_from(folder: str) -> None:
    text = (PROJECT / folder / "requirements.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^--(?!hash)", text, re.MULTILINE)


def test_the_tests_run_the_versions_of_the_service() -> None:
    service = versions(".")
    for folder in ("tests", "benchmarks", "training"):
        here = versions(folder)
        assert {name: here[name] for name in service} == service, folder


@pytest.mark.parametrize("folder", [".", "tests"])
def test_the_lock_is_complete_and_what_is_installed(folder: str) -> None:
    lock = {canonicalize_name(each.name): each for each in installed_here(folder)}
    for name, requirement in lock.items():
        installed = metadata.distribution(name)
        assert requirement.specifier.contains(installed.version, prereleases=True), f"{name} {installed.version}"
        for needed in map(Requirement, installed.requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in lock, f"{name} needs {needed.name}"


def test_every_package_that_people_list_is_used() -> None:
    top_levels = {name.partition(".")[0] for path in own_files() for name in imported(ast.parse(path.read_text()))}
    packages = metadata.packages_distributions()
    used = {canonicalize_name(name) for top in top_levels for name in packages.get(top, ())}
    listed = {canonicalize_name(each.name) for folder in (".", "tests") for each in direct(folder)}
    assert listed - used == set(NOT_IMPORTED)
