"""The requests of `benchmarks.scale`, and how long they may take."""

from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple
from urllib.parse import urlencode

from app.repository.results import Position
from app.services.cursors import cursor_of
from benchmarks.generated_rows import time_of

RATIO = 1.5

# Each filter of `GET /results` with a value of many rows and one of few or none.
FILTERS = {
    "prediction": ("7", "x"),
    "label": ("7", "none"),
    "model_version": ("v1", "v3"),
    "min_confidence": ("0.95", "1"),
    "max_confidence": ("0.9", "0.05"),
    "min_not_a_digit": ("0.1", "1"),
    "since": ("2026-05-01", "2027-01-01"),
    "until": ("2026-05-01", "2025-01-01"),
    "labelled": ("true", "false"),
    "notes_contains": ("remark", "nothing"),
}
# Values that many rows have, but few or none of them together.
RARE_TOGETHER: tuple[dict[str, str], ...] = (
    {"prediction": "7", "label": "3"},
    {"prediction": "7", "max_confidence": "0.2"},
    {"model_version": "v2", "until": "2026-09-01"},
    {"model_version": "v1", "since": "2026-10-01"},
    {"model_version": "v2", "max_confidence": "0.2"},
    {"min_confidence": "0.95", "max_confidence": "0.950001"},
    {"max_confidence": "0.9", "labelled": "false"},
)
YEAR = "since=2025-11-01&until=2026-11-01"
# With the milliseconds that an answer may take at most; without, RATIO applies.
OTHERS: dict[str, float | None] = {
    "/results/500": None,
    "/stats": 50,
    "/stats?model_version=v1": 50,
    "/stats?since=2026-10-20T10:17:00Z&until=2026-10-27T10:17:00Z": 20,
    "/stats?last=10000": None,
    "/stats/timeline?bucket=hour&since=2026-10-01&until=2026-11-01": 200,
    "/stats/timeline?bucket=day&since=2026-10-01&until=2026-11-01": 200,
    f"/stats/timeline?bucket=week&{YEAR}": 200,
    f"/stats/timeline?bucket=day&{YEAR}": 200,
    "/models": 50,
    "/stats/calibration": 200,
    "/stats/drift": None,
    "/review": 100,
}


class Page(NamedTuple):
    """A page of `GET /results`."""

    kind: str
    filters: dict[str, str]
    is_deep: bool = False

    @property
    def name(self) -> str:
        given = "&".join(f"{name}={value}" for name, value in self.filters.items())
        return f"/results?{given}" + " (deep)" * self.is_deep

    def path(self, rows: int) -> str:
        """Return the path in a database with so many rows; a deep page begins in their middle."""
        parameters = dict(self.filters)
        if self.is_deep:
            parameters["cursor"] = cursor_of(Position(rows // 2, time_of(rows // 2, rows)))
        return f"/results?{urlencode(parameters)}"


def pages() -> Iterator[Page]:
    singles = [{name: value} for name, values in FILTERS.items() for value in values]
    for filters in ({}, *singles):
        yield Page("one filter" if filters else "no filter", filters)
        yield Page("one filter, deep" if filters else "no filter, deep", filters, is_deep=True)
    for first, second in combinations(FILTERS, 2):
        for values in product(FILTERS[first], FILTERS[second]):
            yield Page("two filters", dict(zip((first, second), values, strict=True)))
    for filters in RARE_TOGETHER:
        yield Page("two filters, rare together", filters)
