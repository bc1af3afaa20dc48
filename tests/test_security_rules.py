"""Unsafe code is found: bandit's rules, and our own in tests/tools/rules.yaml."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.project_copy import PROJECT
from tests.support.tools import run_tool

pytestmark = pytest.mark.slow

EXAMPLES = [PROJECT / "tests/tools/examples.py", PROJECT / "tests/tools/examples.js"]
Finding = tuple[str, str, int]


def marked(path: Path) -> Iterator[Finding]:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if found := re.search(r"found: ([\w-]+)", line):
            yield found[1], path.name, number


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    rules = ("--config", "tests/tools/rules.yaml", "--metrics", "off", "--disable-version-check")
    checked = ("app", *(str(path.relative_to(PROJECT)) for path in EXAMPLES))
    # Beside other tests one process is faster than several.
    done = run_tool("semgrep", "scan", *rules, "--jobs", "1", "--no-git-ignore", "--quiet", "--json", *checked)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def findings(report: dict[str, Any]) -> set[Finding]:
    return {
        (each["check_id"].rpartition(".")[2], each["path"].removeprefix("tests/tools/"), each["start"]["line"])
        for each in report["results"]
    }


def test_our_rules_find_nothing_in_the_application(report: dict[str, Any]) -> None:
    assert report["errors"] == []
    assert len([path for path in report["paths"]["scanned"] if path.startswith("app/")]) > 100
    assert {each for each in findings(report) if each[1].startswith("app/")} == set()


def test_every_rule_finds_its_examples_and_nothing_else(report: dict[str, Any]) -> None:
    expected = {each for path in EXAMPLES for each in marked(path)}
    assert {each for each in findings(report) if each[1].startswith("examples.")} == expected
    rules = re.findall(r"^  - id: (\S+)$", (PROJECT / "tests/tools/rules.yaml").read_text(), re.MULTILINE)
    assert {rule for rule, _, _ in expected} == set(rules)


def test_bandit_finds_nothing_worse_than_ruff_allows() -> None:
    # What bandit calls a low severity, ruff checks too; each exception there has its reason.
    done = run_tool("bandit", "--quiet", "--recursive", "-ll", "app", "alembic", "init_db.py")
    assert done.returncode == 0, done.stdout
