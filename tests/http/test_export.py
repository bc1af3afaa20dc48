"""GET /export: the files and their contents."""

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from app.analysis.export_files import is_test
from app.models import Drawing
from tests.support.export_files import (
    DIGITS,
    LABELLED,
    LAST_WITHOUT_DRAWING,
    NOT_DIGITS,
    ROWS,
    arrays_of,
    cells_of,
    fill,
    lines_of,
    manifest_of,
    on_side,
    pixels_of,
    table_of,
    with_drawing,
)
from tests.support.http_fixtures import Start
from tests.support.service import assert_problem, connected, execute
from tests.support.stored_rows import BEGIN, drawing_of, store


@pytest.fixture
def full(client: TestClient, database_url: str) -> TestClient:
    """The service with many rows, some without a drawing."""
    fill(database_url)
    return client


def test_arrays_have_the_layout_of_mnist_and_the_latest_labels(full: TestClient) -> None:
    arrays = arrays_of(full)
    assert {name for name in arrays if name != "manifest.json"} == {
        *("x_train", "y_train", "ids_train", "not_a_digit_train", "x_test", "y_test", "ids_test", "not_a_digit_test"),
        *("x_none", "ids_none", "not_a_digit_none", "test_none"),
    }
    for name, rows in (("train", on_side(DIGITS, test=False)), ("test", on_side(DIGITS, test=True))):
        assert rows
        assert arrays[f"ids_{name}"].tolist() == [row.id for row in rows]
        assert arrays[f"y_{name}"].tolist() == [int(row.label or "") for row in rows]
        assert arrays[f"x_{name}"].tobytes() == b"".join(map(pixels_of, rows))
        assert (arrays[f"x_{name}"].shape, arrays[f"x_{name}"].dtype) == ((len(rows), 28, 28), np.uint8)
        assert (arrays[f"y_{name}"].dtype, arrays[f"ids_{name}"].dtype) == (np.uint8, np.int64)


def test_arrays_have_the_probability_of_no_digit(full: TestClient) -> None:
    arrays = arrays_of(full)
    sides = {"train": on_side(DIGITS, test=False), "test": on_side(DIGITS, test=True), "none": NOT_DIGITS}
    for name, rows in sides.items():
        array, values = arrays[f"not_a_digit_{name}"], [row.not_a_digit for row in rows]
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, np.array(values, np.float32))
    assert np.isnan(arrays["not_a_digit_train"]).any()


def test_drawings_labelled_none_are_in_arrays_of_their_own(full: TestClient) -> None:
    arrays = arrays_of(full, test_share=0.4)
    assert NOT_DIGITS
    assert arrays["ids_none"].tolist() == [row.id for row in NOT_DIGITS]
    assert arrays["x_none"].tobytes() == b"".join(map(pixels_of, NOT_DIGITS))
    assert arrays["test_none"].tolist() == [is_test(pixels_of(row), "0", 0.4) for row in NOT_DIGITS]
    assert set(arrays["ids_none"].tolist()).isdisjoint([*arrays["ids_train"].tolist(), *arrays["ids_test"].tolist()])


def test_earlier_label_is_ignored(full: TestClient) -> None:
    (first, *_) = on_side(DIGITS, test=False)
    full.put(f"/results/{first.id}/label", json={"label": "none"})
    arrays = arrays_of(full)
    assert first.id not in arrays["ids_train"]
    assert first.id in arrays["ids_none"]
    full.put(f"/results/{first.id}/label", json={"label": "5"})
    arrays = arrays_of(full)
    assert arrays["y_train"][arrays["ids_train"] == first.id].tolist() == [5]
    assert first.id not in arrays["ids_none"]
    (line,) = [line for line in lines_of(full) if line["id"] == first.id]
    assert (line["label"], line["y"]) == ("5", 5)
    assert [row["label"] for row in cells_of(full) if row["id"] == str(first.id)] == ["5"]


def test_predictions_replace_missing_labels_only_on_request(full: TestClient) -> None:
    arrays = arrays_of(full, include_unlabelled=True)
    rows = with_drawing([row for row in ROWS if row.label != "none"])
    for name in ("train", "test"):
        expected = on_side(rows, test=name == "test")
        assert arrays[f"ids_{name}"].tolist() == [row.id for row in expected]
        assert arrays[f"y_{name}"].tolist() == [int(row.label or row.prediction) for row in expected]
        assert arrays[f"labelled_{name}"].tolist() == [row.label is not None for row in expected]
    lines = lines_of(full, include_unlabelled=True)
    assert {(line["labelled"], line["label"] is not None) for line in lines} == {(False, False), (True, True)}
    assert all(line["labelled"] or line["y"] == int(line["prediction"]) for line in lines)
    assert not [line for line in lines_of(full) if not line["labelled"]]


def test_jsonl_line_can_be_sent_to_classify(client: TestClient) -> None:
    for seed in (1, 2, 3):
        pixels = np.frombuffer(drawing_of(seed)["pixels"], np.uint8).reshape(28, 28).tolist()
        sent = client.post("/classify", json={"pixels": pixels}).json()
        client.put(f"/results/{sent['id']}/label", json={"label": "7"})
    for line in lines_of(client):
        again = client.post("/classify", json={"pixels": line["pixels"]}).json()
        fields = ("prediction", "confidence", "not_a_digit", "scores", "model_version")
        assert {name: line[name] for name in fields} == {name: again[name] for name in fields}
        assert datetime.now(UTC) - datetime.fromisoformat(line["created_at"]) < timedelta(minutes=1)


def test_row_without_a_drawing_is_only_in_tables(full: TestClient) -> None:
    assert [int(row["id"]) for row in cells_of(full)] == [row.id for row in LABELLED]
    without = [row for row in LABELLED if row.id <= LAST_WITHOUT_DRAWING]
    assert without
    for cells in cells_of(full)[: len(without)]:
        assert (cells["sha256"], cells["split"]) == ("", "")
    assert [line["id"] for line in lines_of(full)] == [row.id for row in with_drawing(LABELLED)]
    assert manifest_of(full)["counts"]["without_drawing"] == len(without)


def test_csv_has_the_stored_values(full: TestClient) -> None:
    for cells, row in zip(cells_of(full), LABELLED, strict=True):
        assert (cells["label"], cells["prediction"], cells["model_version"]) == (
            row.label,
            row.prediction,
            row.model_version,
        )
        assert float(cells["confidence"]) == row.confidence
        assert cells["not_a_digit"] == ("" if row.not_a_digit is None else str(row.not_a_digit))
        assert cells["notes"] == (row.notes or "")
        assert cells["y"] == ("" if row.label == "none" else row.label)
        time = cells["created_at"]
        assert (datetime.fromisoformat(time) if time else None) == row.created_at


@pytest.mark.parametrize("kind", ["npz", "jsonl", "csv", "parquet"])
def test_file_has_a_filename_and_is_not_cached(sqlite_client: TestClient, kind: str) -> None:
    headers = sqlite_client.get("/export", params={"format": kind}).headers
    created = json.loads(headers["x-export-manifest"])["created_at"][:19].replace("-", "").replace(":", "")
    assert headers["content-disposition"] == f'attachment; filename="pixelwise-{created}Z.{kind}"'
    assert headers["cache-control"] == "private, no-store"


def test_drawing_is_always_in_the_same_split(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    with connected(database_url) as connection:
        drawings = [{**drawing_of(row.id % 40), "prediction_id": row.id} for row in ROWS]
        connection.execute(insert(Drawing), drawings)
    sides: dict[str, set[str]] = {}
    for query in ({"include_unlabelled": True}, {"prediction": "7"}, {"model_version": "v2"}):
        for line in lines_of(client, test_share=0.5, **query):
            sides.setdefault(line["sha256"], set()).add(line["split"])
    assert len(sides) == 40
    assert {side for of_one in sides.values() for side in of_one} == {"train", "test"}
    assert all(len(of_one) == 1 for of_one in sides.values())


CONDITIONS: list[dict[str, Any]] = [
    {"prediction": "7"},
    {"label": "2"},
    {"label": "none", "include_unlabelled": True},
    {"model_version": "v2", "include_unlabelled": True},
    {"min_confidence": 0.8, "max_confidence": 0.95, "include_unlabelled": True},
    {"min_not_a_digit": 0.5, "include_unlabelled": True},
    {"since": (BEGIN + timedelta(days=1)).isoformat(), "until": (BEGIN + timedelta(days=4)).isoformat()},
    {"since": (BEGIN + timedelta(days=2)).isoformat(), "include_unlabelled": True},
    {"labelled": True, "include_unlabelled": True},
    {"labelled": False, "include_unlabelled": True},
    {"notes_contains": "BER 3 %", "include_unlabelled": True},
    {"notes_contains": "_done_", "prediction": "1"},
]


def test_export_has_the_filters_of_results(full: TestClient) -> None:
    for query in CONDITIONS:
        conditions = {name: value for name, value in query.items() if name != "include_unlabelled"}
        listed = full.get("/results", params={"limit": 1000, **conditions}).json()["results"]
        expected = sorted(row["id"] for row in listed if "include_unlabelled" in query or row["label"] is not None)
        assert 0 < len(expected) < len(ROWS), query
        assert [int(row["id"]) for row in cells_of(full, **query)] == expected, query


def test_empty_export_has_empty_arrays_a_csv_header_and_no_lines(client: TestClient) -> None:
    arrays = arrays_of(client, include_unlabelled=True)
    for name in ("x_train", "x_test", "x_none"):
        assert (arrays[name].shape, arrays[name].dtype) == ((0, 28, 28), np.uint8)
    for name in ("y_train", "ids_test", "ids_none", "labelled_train", "test_none"):
        assert arrays[name].shape == (0,)
    assert lines_of(client) == []
    assert table_of(client).num_rows == 0
    assert client.get("/export", params={"format": "csv"}).text.count("\r\n") == 1
    counts = manifest_of(client)["counts"]
    assert {counts.pop("per_digit")["7"], *counts.values()} == {0}


def test_prediction_that_is_no_digit_cannot_replace_a_label(client: TestClient, database_url: str) -> None:
    odd = [ROWS[0]._replace(id=id_, prediction=said, labels=()) for id_, said in ((1, "A"), (2, "none"), (3, "³"))]
    store(database_url, [*odd, ROWS[0]._replace(id=4, prediction="A", labels=("3",))], drawings=True)
    assert arrays_of(client, include_unlabelled=True, test_share=0)["ids_train"].tolist() == [4]
    assert [line["id"] for line in lines_of(client, include_unlabelled=True)] == [4]
    assert [row["y"] for row in cells_of(client, include_unlabelled=True)] == ["", "", "", "3"]
    assert manifest_of(client, include_unlabelled=True)["counts"]["without_digit"] == 3


def test_label_of_unlabelled_rows_is_refused(sqlite_client: TestClient, sqlite_url: str) -> None:
    store(sqlite_url, DIGITS[:3], drawings=True)
    query = {"labelled": "false", "label": "7", "include_unlabelled": "true"}
    problem = assert_problem(sqlite_client.get("/export", params=query), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert problem["errors"][0]["loc"] == ["query", "label"]


@pytest.mark.parametrize("written", ["nonsense", "{}", '["a"]', "7", "null", ""])
def test_invalid_scores_in_the_database_do_not_break_the_export(
    sqlite_client: TestClient, sqlite_url: str, written: str
) -> None:
    store(sqlite_url, DIGITS[:3], drawings=True)
    execute(sqlite_url, f"UPDATE drawings SET scores = '{written}' WHERE prediction_id = {DIGITS[1].id}")
    lines = lines_of(sqlite_client)
    assert [line["scores"] is None for line in lines] == [False, True, False]


def test_key_is_needed_even_if_results_are_public(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="true")
    for key in ("", "wrong"):
        response = client.get("/export", headers={"X-API-Key": key})
        assert_problem(response, HTTPStatus.UNAUTHORIZED)
        assert "x-export-manifest" not in response.headers


INVALID = [
    *("format=xml", "format=", "format=NPZ", "format=npz%00", "include_unlabelled=perhaps"),
    *("without_pixels=1.5", "packed_pixels=true", "format=csv&packed_pixels=true"),
    "format=jsonl&packed_pixels=true&without_pixels=true",
    *("test_share=0.51", "test_share=-0.1", "test_share=nan", "test_share=inf", "test_share=1e400", "test_share=x"),
    *("seed=", f"seed={'9' * 65}", "seed=a%00b"),
    *("labelled=false", "label=10", "since=yesterday", "prediction=%00", "limit=5", "cursor=MQ", "foo=1"),
]


def test_invalid_query_is_refused(sqlite_client: TestClient, subtests: pytest.Subtests) -> None:
    for query in INVALID:
        with subtests.test(query):
            problem = assert_problem(sqlite_client.get(f"/export?{query}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
            assert problem["errors"][0]["loc"][0] == "query"
