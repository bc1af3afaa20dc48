"""GET /stats/drift: which drawings are compared, and the result."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.main import app
from app.models import Drawing, Prediction
from app.repository.drift import READ_BATCH_SIZE
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, connected, execute
from tests.support.stored_rows import BEGIN
from training.strokes import draw

SIGNALS = ["digits", "confidence", "ink", "peak", "box", "offset_x", "offset_y", "stroke_width"]
LEFT_AWAY = {"since": None, "until": None}

Images = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def images() -> Images:
    """Drawings of a virtual hand."""
    return draw(1800, np.random.default_rng(1))[0]


def store_rows(database_url: str, count: int, first_id: int = 1, **values: Any) -> list[int]:
    """Store random predictions, one a minute; return their ids."""
    rng = np.random.default_rng(first_id)
    ids = list(range(first_id, first_id + count))
    rows = [
        {
            "id": id_,
            "prediction": str(rng.integers(10)),
            "confidence": float(rng.beta(8, 1)),
            "model_version": "v1",
            "created_at": time_of(id_),
            **values,
        }
        for id_ in ids
    ]
    with connected(database_url) as connection:
        connection.execute(sa.insert(Prediction), rows)
    return ids


def store_drawings(database_url: str, images: Images, first_id: int = 1, **values: Any) -> None:
    """Store drawings with these predictions."""
    ids = store_rows(database_url, len(images), first_id, **values)
    pixels = [
        {"prediction_id": id_, "pixels": image.tobytes(), "scores": [0.1] * 10}
        for id_, image in zip(ids, images, strict=True)
    ]
    with connected(database_url) as connection:
        connection.execute(sa.insert(Drawing), pixels)


def drift(client: TestClient, **parameters: str | int) -> dict[str, Any]:
    response = client.get("/stats/drift", params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def sizes(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["window"]["count"], answer["reference"]["count"]


def drifted(answer: dict[str, Any]) -> set[str]:
    return {signal["name"] for signal in answer["signals"] if signal["drifted"]}


def times_of(answer: dict[str, Any]) -> list[datetime]:
    names = ("reference", "window")
    return [datetime.fromisoformat(answer[name][end]) for name in names for end in ("since", "until")]


def time_of(id_: int) -> datetime:
    return BEGIN + timedelta(minutes=id_)


def at(**ids: int) -> dict[str, str]:
    """Query parameters with the times of these ids."""
    return {name: time_of(id_).strftime("%Y-%m-%dT%H:%M:%SZ") for name, id_ in ids.items()}


def test_no_drawings_are_not_enough_data_for_drift(client: TestClient, database_url: str) -> None:
    store_rows(database_url, 900)
    assert drift(client) == {
        "status": "not enough data",
        "needed": 300,
        "window": {"count": 0, **LEFT_AWAY},
        "reference": {"count": 0, **LEFT_AWAY},
        "thresholds": {"p": 0.01, "psi": 0.1},
        "signals": [],
    }


@pytest.mark.slow
def test_drift_needs_300_drawings_in_window_and_reference(
    client: TestClient, database_url: str, images: Images
) -> None:
    store_drawings(database_url, images[:599])
    answer = drift(client, last=300)
    assert (answer["status"], sizes(answer), answer["signals"]) == ("not enough data", (300, 299), [])
    store_drawings(database_url, images[599:600], first_id=600)
    answer = drift(client, last=300)
    assert (answer["status"], sizes(answer)) == ("no drift", (300, 300))
    assert [signal["name"] for signal in answer["signals"]] == SIGNALS


def test_newest_drawings_are_compared_with_older_ones(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images)
    answer = drift(client, last=400, reference_last=500)
    assert sizes(answer) == (400, 500)
    assert times_of(answer) == [time_of(901), time_of(1400), time_of(1401), time_of(1800)]
    assert sizes(drift(client)) == (1000, 800)


def test_large_window_is_read_in_batches(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images)
    answer = drift(client, last=READ_BATCH_SIZE + 1, reference_last=300)
    (ink,) = [signal for signal in answer["signals"] if signal["name"] == "ink"]
    assert ink["window"] == pytest.approx(images[-READ_BATCH_SIZE - 1 :].mean(), rel=1e-5)
    assert ink["reference"] == pytest.approx(images[-READ_BATCH_SIZE - 301 : -READ_BATCH_SIZE - 1].mean(), rel=1e-5)


def test_similar_drawings_are_not_drift(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images)
    answer = drift(client, last=300)
    assert (answer["status"], drifted(answer)) == ("no drift", set())
    for signal in answer["signals"]:
        assert signal["test"] == ("chi-square" if signal["name"] == "digits" else "kolmogorov-smirnov")
        assert 0 <= signal["p"] <= signal["adjusted_p"] <= 1
        # Chance adds 9 * (1/300 + 1/1500), or less if ties make fewer bins.
        assert 0.1 <= signal["psi_threshold"] <= 0.1361


def test_inverted_drawings_drift_and_predictions_do_not(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images[:600])
    store_drawings(database_url, 255 - images[600:900], first_id=601)
    answer = drift(client, last=300)
    assert answer["status"] == "drift"
    assert {"ink", "box", "stroke_width"} <= drifted(answer)
    assert drifted(answer).isdisjoint({"digits", "confidence"})
    ink = answer["signals"][SIGNALS.index("ink")]
    assert (ink["window"], ink["reference"]) == pytest.approx((255 - images[600:900].mean(), images[:600].mean()))


def test_other_predictions_for_the_same_drawings_drift(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images[:600])
    store_drawings(database_url, images[600:900], first_id=601, prediction="3", confidence=0.4)
    answer = drift(client, last=300)
    assert (answer["status"], drifted(answer)) == ("drift", {"digits", "confidence"})
    digits = answer["signals"][0]
    assert digits["window"] == {**{str(digit): 0 for digit in range(10)}, "3": 1}
    assert sum(digits["reference"].values()) == pytest.approx(1)


def test_windows_can_be_selected_by_time(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images)
    answer = drift(client, **at(reference_since=101, reference_until=501, since=601, until=1001))
    assert sizes(answer) == (400, 400)
    assert times_of(answer) == [time_of(101), time_of(500), time_of(601), time_of(1000)]


def test_reference_ends_where_the_window_begins_by_default(
    client: TestClient, database_url: str, images: Images
) -> None:
    store_drawings(database_url, images)
    assert sizes(drift(client, **at(since=1001))) == (800, 1000)
    # The window may also be before the reference.
    assert sizes(drift(client, **at(until=701, reference_since=701))) == (700, 1100)
    assert sizes(drift(client, **at(since=101, until=701, reference_since=701))) == (600, 1100)


def test_window_by_time_uses_the_newest_10000(start: Start, sqlite_url: str) -> None:
    store_drawings(sqlite_url, np.zeros((10_401, 28, 28), np.uint8))
    answer = drift(start(DATABASE_URL=sqlite_url), **at(since=301))
    assert sizes(answer) == (10_000, 300)
    assert times_of(answer)[2:] == [time_of(402), time_of(10_401)]


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ("reference_until", {"until": 900}),
        ("reference_until", {"since": 500, "reference_until": 501}),
        ("reference_until", {"since": 500, "until": 700, "reference_since": 600, "reference_until": 800}),
        ("reference_until", {"since": 500, "reference_since": 600, "reference_until": 700}),
        ("reference_until", {"reference_since": 100}),
        ("reference_since", {"since": 500, "reference_since": 600}),
        ("reference_since", {"since": 500, "reference_since": 300, "reference_until": 300}),
        ("since", {"since": 500, "until": 500}),
    ],
)
def test_overlapping_or_empty_windows_are_refused(client: TestClient, place: str, times: dict[str, int]) -> None:
    problem = assert_problem(client.get("/stats/drift", params=at(**times)), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", place]]


@pytest.mark.parametrize("name", ["last", "reference_last"])
def test_counts_and_times_cannot_be_combined(client: TestClient, name: str) -> None:
    response = client.get("/stats/drift", params={name: "300", **at(since=1)})
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", name]]


def test_drift_can_be_limited_to_one_version(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images[:700])
    store_drawings(database_url, images[700:1300], first_id=701, model_version="v2", confidence=0.3)
    assert drifted(drift(client, last=600)) == {"confidence"}
    assert drift(client, last=300, model_version="v1")["status"] == "no drift"
    answer = drift(client, last=300, model_version="v2")
    assert (answer["status"], sizes(answer)) == ("no drift", (300, 300))
    assert sizes(drift(client, **at(since=400), model_version="v1")) == (301, 399)
    assert sizes(drift(client, model_version="v3")) == (0, 0)


def test_rows_without_a_drawing_or_a_digit_are_ignored(client: TestClient, database_url: str, images: Images) -> None:
    store_drawings(database_url, images[:600])
    store_drawings(database_url, 255 - images[600:900], first_id=601, prediction="seven")
    store_rows(database_url, 50, first_id=2001)
    answer = drift(client, last=300)
    assert (answer["status"], sizes(answer)) == ("no drift", (300, 300))
    assert datetime.fromisoformat(answer["window"]["until"]) == time_of(600)


def test_rows_without_a_time_are_included_when_selected_by_count(
    client: TestClient, database_url: str, images: Images
) -> None:
    store_drawings(database_url, images[:600], created_at=None)
    answer = drift(client, last=300)
    assert (answer["status"], sizes(answer)) == ("no drift", (300, 300))
    assert answer["window"] == {"count": 300, **LEFT_AWAY}


def test_drawings_stored_as_text_do_no_harm(start: Start, sqlite_url: str, images: Images) -> None:
    # SQLite stores any type in any column, and its CHECK counts characters.
    store_drawings(sqlite_url, images[:602])
    execute(
        sqlite_url,
        f"UPDATE drawings SET pixels = '{'x' * 784}' WHERE prediction_id = 601",
        f"UPDATE drawings SET pixels = '{'ü' * 784}' WHERE prediction_id = 602",
        "UPDATE predictions SET prediction = CAST(x'ff' AS TEXT), created_at = 'once' WHERE id = 1",
    )
    # 784 characters of one byte are a valid drawing, and of two bytes are not.
    assert sizes(drift(start(DATABASE_URL=sqlite_url), last=301)) == (300, 300)


def test_identical_drawings_are_not_drift(client: TestClient, database_url: str) -> None:
    blank = np.zeros((700, 28, 28), np.uint8)
    store_drawings(database_url, blank, prediction="8", confidence=0.25)
    answer = drift(client, last=300)
    assert answer["status"] == "no drift"
    assert {(signal["statistic"], signal["p"], signal["psi"]) for signal in answer["signals"]} == {(0, 1, 0)}


def test_thresholds_are_settings(start: Start, sqlite_url: str, images: Images) -> None:
    store_drawings(sqlite_url, images[:600])
    store_drawings(sqlite_url, 255 - images[600:900], first_id=601)
    strict = drift(start(DATABASE_URL=sqlite_url, DRIFT_PSI="50", DRIFT_P_VALUE="0.02"), last=300)
    assert (strict["status"], strict["thresholds"]) == ("no drift", {"p": 0.02, "psi": 50})


def test_new_predictions_are_in_the_window(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    answer = drift(client)
    assert sizes(answer) == (1, 0)
    assert datetime.now(UTC) - datetime.fromisoformat(answer["window"]["until"]) < timedelta(minutes=1)


def test_documented_example_has_the_fields_of_a_real_response(
    client: TestClient, database_url: str, images: Images
) -> None:
    store_drawings(database_url, images[:600])
    answer, (example,) = drift(client, last=300), app.openapi()["components"]["schemas"]["Drift"]["examples"]
    assert example.keys() == answer.keys()
    for name in ("window", "reference", "thresholds"):
        assert example[name].keys() == answer[name].keys()
    assert {frozenset(one) for one in example["signals"]} == {frozenset(one) for one in answer["signals"]}
    assert {signal["name"] for signal in example["signals"]} <= set(SIGNALS)


HOSTILE = [f"{name}={value}" for name in ("last", "reference_last") for value in ("299", "1e3", "9" * 5000)]
HOSTILE += ["last=10001", "reference_last=50001", "lastt=300", "model_version=%00", f"model_version={'x' * 256}"]
HOSTILE += [f"{name}=9999-12-31T23:59:59-23:59" for name in ("since", "until", "reference_since", "reference_until")]


def test_invalid_query_is_refused(client: TestClient, subtests: pytest.Subtests) -> None:
    for query in HOSTILE:
        with subtests.test(query[:40]):
            assert_problem(client.get(f"/stats/drift?{query}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
