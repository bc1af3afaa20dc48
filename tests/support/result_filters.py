"""Filters of GET /results, and which of the stored rows match them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from tests.support.stored_rows import BEGIN, Row, random_rows

ROWS = random_rows(300)
MIDDLE = BEGIN + timedelta(minutes=4500)
LATER = MIDDLE + timedelta(days=2)

Condition = Callable[[Row], bool]


def at(row: Row, since: datetime | None = None, until: datetime | None = None) -> bool:
    time = row.created_at
    return time is not None and (since is None or time >= since) and (until is None or time < until)


FILTERS: dict[str, tuple[dict[str, Any], Condition]] = {
    "nothing": ({}, lambda row: True),
    "prediction": ({"prediction": "7"}, lambda row: row.prediction == "7"),
    "label": ({"label": "7"}, lambda row: row.label == "7"),
    "not a digit": ({"label": "none"}, lambda row: row.label == "none"),
    "version": ({"model_version": "v2"}, lambda row: row.model_version == "v2"),
    "unsure": ({"max_confidence": 0.6}, lambda row: row.confidence <= 0.6),
    "sure": ({"min_confidence": 0.6}, lambda row: row.confidence >= 0.6),
    "hardly a digit": ({"min_not_a_digit": 0.6}, lambda row: (row.not_a_digit or 0) >= 0.6),
    "perhaps a digit": ({"min_not_a_digit": 0.05}, lambda row: (row.not_a_digit or 0) >= 0.05),
    "told at all": ({"min_not_a_digit": 0}, lambda row: row.not_a_digit is not None),
    "unsure and hardly a digit": (
        {"min_not_a_digit": 0.4, "max_confidence": 0.8},
        lambda row: (row.not_a_digit or 0) >= 0.4 and row.confidence <= 0.8,
    ),
    "between": (
        {"min_confidence": 0.5, "max_confidence": 0.8, "prediction": "1"},
        lambda row: 0.5 <= row.confidence <= 0.8 and row.prediction == "1",
    ),
    "since": ({"since": MIDDLE.isoformat()}, lambda row: at(row, MIDDLE)),
    "until": ({"until": MIDDLE.isoformat()}, lambda row: at(row, None, MIDDLE)),
    "in a time, by label": (
        {"since": MIDDLE.isoformat(), "until": LATER.isoformat(), "labelled": True},
        lambda row: at(row, MIDDLE, LATER) and row.label is not None,
    ),
    "labelled": ({"labelled": True}, lambda row: row.label is not None),
    "not labelled": ({"labelled": False}, lambda row: row.label is None),
    "labelled and not": ({"label": "1", "labelled": False}, lambda row: False),
    "notes": ({"notes_contains": "5 % _DONE"}, lambda row: "5 % _done" in (row.notes or "")),
    "notes of a label": (
        {"notes_contains": "done", "label": "0", "model_version": "v1"},
        lambda row: row.notes is not None and row.label == "0" and row.model_version == "v1",
    ),
    "nothing at all": ({"prediction": "9"}, lambda row: False),
}


def expected(condition: Condition, by_time: bool, and_also: Condition = lambda row: True) -> list[int]:
    chosen = [row for row in ROWS if condition(row) and and_also(row)]
    key: Callable[[Row], Any] = (lambda row: (row.created_at, row.id)) if by_time else (lambda row: row.id)
    return [row.id for row in sorted(chosen, key=key, reverse=True)]


def pages(client: TestClient, limit: int, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """Follow `Link` from the first page to the last."""
    response = client.get("/results", params={**parameters, "limit": limit})
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        yield page["results"]
        assert (page["next"] is None) == ("link" not in response.headers)
        if page["next"] is None:
            return
        assert f"cursor={page['next']}" in response.headers["link"]
        response = client.get(response.links["next"]["url"])
