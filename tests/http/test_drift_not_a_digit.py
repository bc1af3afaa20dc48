"""GET /stats/drift with answers that tell what is not a digit."""

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.stored_rows import random_rows, store

INK = ["ink", "peak", "box", "offset_x", "offset_y", "stroke_width"]
SURE = 0.000012


def drift(client: TestClient, database_url: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Store drawings with these values, and compare the newest 300 with the others."""
    rows = random_rows(len(values))
    store(database_url, [row._replace(not_a_digit=one) for row, one in zip(rows, values, strict=True)], drawings=True)
    response = client.get("/stats/drift", params={"last": 300})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_more_drawings_that_are_not_digits_are_drift(client: TestClient, database_url: str) -> None:
    answer = drift(client, database_url, [SURE] * 550 + [0.97] * 50)
    assert [signal["name"] for signal in answer["signals"]] == ["digits", "confidence", "not_a_digit", *INK]
    assert [signal["name"] for signal in answer["signals"] if signal["drifted"]] == ["not_a_digit"]
    found = answer["signals"][2]
    assert (found["window"], found["reference"]) == pytest.approx(((250 * SURE + 50 * 0.97) / 300, SURE))


def test_it_is_left_out_if_older_answers_do_not_tell(client: TestClient, database_url: str) -> None:
    answer = drift(client, database_url, [None] * 300 + [0.97] * 300)
    assert [signal["name"] for signal in answer["signals"]] == ["digits", "confidence", *INK]
    assert answer["status"] == "no drift"
