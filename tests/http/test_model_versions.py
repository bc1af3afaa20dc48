"""GET /models: all model versions and their accuracy."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import scipy
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.classifier import Classifier, get_classifier
from app.database import Database
from app.models import ShadowPrediction
from app.services.model_versions import Role, get_model_versions
from tests.support.expected_stats import accuracy, accuracy_of, confidence_of, mean, not_a_digit_share
from tests.support.service import DRAWING, connected, execute
from tests.support.sql_statements import executed
from tests.support.stored_rows import BEGIN, Row, random_rows, store

ROWS = random_rows(300)
BY_HAND = "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES "


@dataclass
class File:
    """A loaded model without a file."""

    version: str
    sha256: str
    classes: list[str] = field(default_factory=lambda: list("0127"))


class Shadow(NamedTuple):
    """A shadow prediction."""

    prediction_id: int
    model_sha256: str
    model_version: str
    prediction: str
    confidence: float
    not_a_digit: float | None = None


def random_shadow(rows: list[Row], sha256: str, version: str, seed: int) -> list[Shadow]:
    """Shadow predictions for about half of the drawings."""
    rng = np.random.default_rng(seed)
    chosen = [row for row in rows if rng.random() < 0.5]
    return [
        Shadow(row.id, sha256, version, str(rng.choice(["0", "1", "2", "7"])), float(rng.random()), told)
        for row, told in zip(chosen, rng.choice([None, 0.25, 0.75], len(chosen)).tolist(), strict=True)
    ]


def store_shadow(database_url: str, answers: list[Shadow]) -> None:
    with connected(database_url) as connection:
        connection.execute(sa.insert(ShadowPrediction), [answer._asdict() for answer in answers])


def get_models(database: Database, live: File | None = None, shadow: File | None = None) -> list[dict[str, Any]]:
    """Return GET /models for these loaded files, with parsed times."""
    given: dict[Role, File | None] = {"live": live, "shadow": shadow}
    loaded = {role: cast(Classifier, file) for role, file in given.items() if file is not None}
    with database.snapshot() as session:
        models = json.loads(get_model_versions(session, loaded).model_dump_json())["models"]
    for model in models:
        for name in ("first_seen", "last_seen"):
            model[name] = model[name] and datetime.fromisoformat(model[name])
    return list(models)


def as_answered(rows: list[Row]) -> dict[str, Any]:
    """The expected figures of a model."""
    times = [row.created_at for row in rows if row.created_at is not None]
    confidence = confidence_of(rows)
    return {
        "predictions": confidence["count"],
        "mean_confidence": confidence["mean_confidence"],
        "not_a_digit_share": not_a_digit_share(rows),
        "first_seen": min(times, default=None),
        "last_seen": max(times, default=None),
        "accuracy": accuracy_of(rows),
        "shadow": None,
    }


def as_shadow(answers: list[Shadow]) -> dict[str, Any]:
    rows = {row.id: row for row in ROWS}
    pairs = [(answer.prediction, rows[answer.prediction_id]) for answer in answers]
    labelled = [(said, row.prediction, row.label) for said, row in pairs if row.label is not None]
    told = [answer.not_a_digit for answer in answers if answer.not_a_digit is not None]
    only_shadow = sum(said == label != answered for said, answered, label in labelled)
    only_answered = sum(answered == label != said for said, answered, label in labelled)
    agreed = sum(said == row.prediction for said, row in pairs)
    return {
        "predictions": len(answers),
        "mean_confidence": mean([answer.confidence for answer in answers]),
        "not_a_digit_share": mean([float(one > 0.5) for one in told]),
        "agreed": agreed,
        "agreement": pytest.approx(agreed / len(answers), abs=1e-6),
        "accuracy": accuracy(
            (answer.prediction, rows[answer.prediction_id].label, answer.not_a_digit) for answer in answers
        ),
        "accuracy_answered": accuracy((answered, label, None) for _, answered, label in labelled),
        "only_answered_correct": only_answered,
        "only_shadow_correct": only_shadow,
        "p_value": pytest.approx(scipy.stats.binomtest(only_shadow, only_shadow + only_answered).pvalue),
    }


def of(version: str) -> list[Row]:
    return [row for row in ROWS if row.model_version == version]


def test_loaded_model_is_listed_without_predictions(client: TestClient) -> None:
    classifier = get_classifier()
    assert client.get("/models").json() == {
        "models": [
            {
                "version": classifier.version,
                "loaded": "live",
                "sha256": classifier.sha256,
                "classes": list("0123456789"),
                **as_answered([]),
            }
        ]
    }


def test_models_are_counted_separately(database: Database, database_url: str) -> None:
    store(database_url, ROWS)
    live = File("v2", "b" * 64)
    assert get_models(database, live=live) == [
        {"version": "v2", "loaded": "live", "sha256": live.sha256, "classes": live.classes, **as_answered(of("v2"))},
        {"version": "v1", "loaded": None, "sha256": None, "classes": None, **as_answered(of("v1"))},
    ]


def test_shadow_is_compared_with_the_predictions_for_the_same_drawings(database: Database, database_url: str) -> None:
    store(database_url, ROWS)
    listening, gone = random_shadow(ROWS, "c" * 64, "v2", seed=3), random_shadow(ROWS, "d" * 64, "v2", seed=4)
    store_shadow(database_url, [*listening, *gone])
    answering, shadow, *rest = get_models(database, live=File("v1", "a" * 64), shadow=File("v2", "c" * 64))
    assert (answering["loaded"], answering["predictions"], answering["shadow"]) == ("live", len(of("v1")), None)
    assert (shadow["loaded"], shadow["version"], shadow["sha256"]) == ("shadow", "v2", "c" * 64)
    # It has no predictions, even if another file of its version has.
    assert {name: shadow[name] for name in ("predictions", "mean_confidence")} == {
        "predictions": 0,
        "mean_confidence": None,
    }
    assert shadow["shadow"] == as_shadow(listening)
    by_file = {model["sha256"]: model for model in rest}
    assert by_file["d" * 64]["shadow"] == as_shadow(gone)
    assert by_file["d" * 64]["classes"] is None
    assert by_file[None] == {"version": "v2", "loaded": None, "sha256": None, "classes": None, **as_answered(of("v2"))}


def test_times_of_a_shadow_are_those_of_its_drawings(database: Database, database_url: str) -> None:
    rows = [ROWS[place]._replace(created_at=BEGIN + timedelta(days=place)) for place in range(5)]
    store(database_url, rows)
    store_shadow(database_url, [Shadow(row.id, "c" * 64, "v9", "7", 1) for row in rows[1:4]])
    (shadow,) = [model for model in get_models(database) if model["version"] == "v9"]
    assert (shadow["first_seen"], shadow["last_seen"]) == (rows[1].created_at, rows[3].created_at)


def test_former_shadow_model_is_one_entry(database: Database, database_url: str) -> None:
    store(database_url, ROWS)
    answers = random_shadow(ROWS, "b" * 64, "v2", seed=5)
    store_shadow(database_url, answers)
    models = get_models(database, live=File("v2", "b" * 64))
    assert [(model["version"], model["loaded"]) for model in models] == [("v2", "live"), ("v1", None)]
    assert models[0]["predictions"] == len(of("v2"))
    assert models[0]["shadow"] == as_shadow(answers)


def test_former_shadow_model_without_predictions_is_not_listed(database: Database, database_url: str) -> None:
    store(database_url, ROWS[:20])
    store_shadow(database_url, random_shadow(ROWS[:20], "x" * 64, "gone", seed=7))
    with connected(database_url) as connection:
        connection.execute(sa.text("DELETE FROM predictions"))
    with database.snapshot() as session:
        assert get_model_versions(session, {}).models == []


def test_file_loaded_as_both_is_listed_as_live(database: Database) -> None:
    file = File("v1", "a" * 64)
    assert [model["loaded"] for model in get_models(database, live=file, shadow=file)] == ["live"]


def test_loaded_models_come_first_then_the_last_used(database: Database, database_url: str) -> None:
    days = {"old": 1, "never": None, "newest": 9, "between": 5, "live": 0}
    times = {name: None if day is None else BEGIN + timedelta(days=day) for name, day in days.items()}
    rows = [
        ROWS[place]._replace(model_version=name, created_at=time) for place, (name, time) in enumerate(times.items())
    ]
    store(database_url, rows)
    models = get_models(database, live=File("live", "a" * 64), shadow=File("listening", "b" * 64))
    assert [model["version"] for model in models] == ["live", "listening", "newest", "between", "old", "never"]


def test_earlier_label_is_ignored(client: TestClient, database_url: str) -> None:
    answer = client.post("/classify", json=DRAWING).json()["prediction"]
    store_shadow(database_url, [Shadow(1, "c" * 64, "v9", "1", 0.5)])
    for label, answered, shadowed in ((answer, 1, 0), ("1", 0, 1), (answer, 1, 0), ("none", 0, 0)):
        client.put("/results/1/label", json={"label": label})
        live, shadow = client.get("/models").json()["models"]
        said = shadow["shadow"]
        for share, correct in (
            (live["accuracy"], answered),
            (said["accuracy"], shadowed),
            (said["accuracy_answered"], answered),
        ):
            assert (share["labelled"], share["correct"]) == (1, correct)
            assert share["not_a_digit"] == (label == "none")
        assert (said["only_answered_correct"], said["only_shadow_correct"]) == (answered, shadowed)


def test_shadow_predictions_change_no_other_figure(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    before = client.get("/stats").json()
    store_shadow(database_url, random_shadow(ROWS, "c" * 64, "v9", seed=6))
    assert client.get("/stats").json() == before


def test_rows_with_any_text_and_without_a_time_are_counted(client: TestClient, database_url: str) -> None:
    execute(database_url, BY_HAND + "('?', 1, 'Ünlike \"mine\" 🎉', NULL), ('', 0, '', NULL)")
    models = client.get("/models").json()["models"]
    assert {model["version"]: model["predictions"] for model in models[1:]} == {'Ünlike "mine" 🎉': 1, "": 1}
    assert {(model["first_seen"], model["last_seen"]) for model in models[1:]} == {(None, None)}


def test_times_are_those_of_the_first_and_last_prediction(client: TestClient) -> None:
    answers = [client.post("/classify", json=DRAWING).json() for _ in range(3)]
    (model,) = client.get("/models").json()["models"]
    first, last = (datetime.fromisoformat(answer["created_at"]) for answer in (answers[0], answers[-1]))
    assert (datetime.fromisoformat(model["first_seen"]), datetime.fromisoformat(model["last_seen"])) == (first, last)
    assert model["predictions"] == 3


def test_number_of_statements_does_not_depend_on_the_rows(database: Database, database_url: str) -> None:
    many = [row._replace(model_version=f"v{row.id}") for row in ROWS]
    counts = []
    for rows in ([], many[:1], many[1:]):
        if rows:
            store(database_url, rows)
            store_shadow(database_url, [Shadow(row.id, f"{row.id:064}", f"s{row.id}", "7", 0.5) for row in rows])
        with executed() as seen:
            get_models(database)
        counts.append(len(seen))
    assert counts == [7, 7, 7]
