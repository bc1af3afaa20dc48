"""The benchmark of ten million rows: it asks for every filter, and runs with few rows."""

import re
import sys
from itertools import combinations

from app.schemas.results import ResultFilters
from benchmarks.scale_requests import OTHERS, pages
from tests.support.project_copy import PROJECT, need, run


def test_every_filter_and_every_pair_of_filters_is_measured() -> None:
    measured = {frozenset(page.filters) for page in pages()}
    names = list(ResultFilters.model_fields)
    assert measured >= {frozenset((name,)) for name in names}
    assert measured >= set(map(frozenset, combinations(names, 2)))


def test_benchmark_compares_two_services() -> None:
    need("wrk", "wrk")
    sizes = ("--rows", "2000", "--small", "1000", "--rounds", "1", "--seconds", "1", "--engine", "sqlite")
    ended = run(PROJECT, sys.executable, "-m", "benchmarks.scale", *sizes)
    assert ended.returncode == 0, ended.stderr
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in ended.stdout.splitlines() if " | " in line}
    for name in OTHERS:
        assert re.search(
            r"\| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]+ (x|ms) \| (met|\*\*missed\*\*) \|$", lines[f"`{name}`"]
        )
    assert "| 0.95 x |" in lines["`POST /classify`, 8 connections, requests/s"]
    migrations = [line for name, line in lines.items() if name.startswith("`alembic")]
    assert [re.search(r"\| \d+ of [1-9]\d* \|", line) is not None for line in migrations] == [True] * 3
    # A service refuses drawings while its database is at an older revision.
    assert "| 0 of " in migrations[0]
