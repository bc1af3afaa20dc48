"""Drawings and labels for the tests of the review queue, written with SQL."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from app.models import Drawing, Label, Prediction
from tests.support.predictions import a_prediction
from tests.support.service import connected, execute, rows
from tests.support.stored_rows import drawing_of

LONG_AGO = "2026-01-01 00:00:00.000000"


def add_drawings(
    database_url: str,
    margins: Mapping[int, float | None],
    pixels: Mapping[int, bytes] | None = None,
    not_a_digit: Mapping[int, float] | None = None,
) -> None:
    """Store predictions with these ids and margins; without pixels each gets its own noise."""
    given = pixels or {}
    drawings = [{**drawing_of(id_), "margin": margin} for id_, margin in margins.items()]
    for drawing in drawings:
        drawing["pixels"] = given.get(drawing["prediction_id"], drawing["pixels"])
    plain = a_prediction()
    columns = {"prediction": plain.prediction, "confidence": plain.confidence, "model_version": plain.model_version}
    with connected(database_url) as connection:
        told = not_a_digit or {}
        predictions = [{"id": id_, "not_a_digit": told.get(id_), **columns} for id_ in margins]
        connection.execute(sa.insert(Prediction), predictions)
        connection.execute(sa.insert(Drawing), drawings)


def add_labels(database_url: str, labels: Mapping[int, str]) -> None:
    """Store labels by the id of their prediction."""
    with connected(database_url) as connection:
        given = [{"prediction_id": id_, "label": label, "source": "anna"} for id_, label in labels.items()]
        connection.execute(sa.insert(Label), given)


def page(client: TestClient, **parameters: Any) -> list[dict[str, Any]]:
    """One page of the review queue."""
    response = client.get("/review", params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def ids(items: Iterable[Mapping[str, Any]]) -> list[int]:
    """The ids of items of the queue."""
    return [item["id"] for item in items]


def reviews(database_url: str) -> dict[int, tuple[bool, str | None, bool]]:
    """For each review: sampled, reviewer, and whether it was offered."""
    found = rows(database_url, "SELECT prediction_id, sampled, reviewer, offered_at FROM reviews")
    return {
        row["prediction_id"]: (bool(row["sampled"]), row["reviewer"], row["offered_at"] is not None) for row in found
    }


def let_reservations_end(database_url: str) -> None:
    """Move every reservation to a time long past."""
    execute(database_url, f"UPDATE reviews SET offered_at = '{LONG_AGO}' WHERE offered_at IS NOT NULL")
