"""`python -m app stats`, `timeline`, `calibration`, `drift` and `models`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from app.models import Drawing, ShadowPrediction
from tests.support.command_line import done, refused, run
from tests.support.http_fixtures import Start
from tests.support.model_files import swapping_model
from tests.support.percentages import percent
from tests.support.service import DRAWING, connected
from tests.support.shadow_model import shadow_rows
from tests.support.stored_rows import random_rows, store
from tests.support.waiting import wait_until

ROWS = random_rows(700)
JSON = (
    ("stats", "/stats"),
    ("stats --last 100 --model-version v1", "/stats?last=100&model_version=v1"),
    (
        "timeline --bucket day --since 2026-03-01 --until 2026-03-15T00:00:00Z",
        "/stats/timeline?bucket=day&since=2026-03-01&until=2026-03-15T00:00:00Z",
    ),
    ("calibration", "/stats/calibration"),
    ("calibration --sample random", "/stats/calibration?sample=random"),
    ("drift", "/stats/drift"),
    ("drift --last 350 --reference-last 300", "/stats/drift?last=350&reference_last=300"),
    ("models", "/models"),
)


@pytest.fixture
def filled(client: TestClient, database_url: str) -> TestClient:
    """The service on the configured database with seven hundred predictions."""
    store(database_url, ROWS, drawings=True)
    return client


@pytest.fixture
def filled_sqlite(configured_sqlite: str) -> str:
    """The same rows on SQLite, without a service."""
    store(configured_sqlite, ROWS, drawings=True)
    return configured_sqlite


def test_json_equals_the_answer_over_http(filled: TestClient) -> None:
    for command, path in JSON:
        response = filled.get(path)
        assert response.status_code == 200, response.text
        assert done(*command.split(), "--json") == response.text + "\n"


@pytest.mark.usefixtures("filled_sqlite")
def test_stats_prints_counts_confidence_and_accuracy() -> None:
    expected = json.loads(done("stats", "--json"))
    text = done("stats")
    assert re.search(rf"^predictions +{len(ROWS)}\b", text)
    accuracy = expected["accuracy"]
    low, high = map(percent, accuracy["interval"])
    right = f"{accuracy['correct']} of {accuracy['labelled']}"
    accuracy_text = f"{percent(accuracy['accuracy'])} ({low} to {high}; {right})"
    assert re.search(rf"^accuracy +{re.escape(accuracy_text)}", text, re.MULTILINE)
    assert re.search(rf"^share not digits +{percent(expected['not_a_digit_share'])} *$", text, re.MULTILINE)
    digits = f"{accuracy['correct']} of {accuracy['labelled'] - accuracy['not_a_digit']}"
    assert f"{percent(accuracy['accuracy_of_digits'])} ({digits})" in text
    none, found, of_digits, refused = accuracy["digit_or_not"].values()
    assert re.search(
        rf"^labelled none +{found} of {none} found, {refused} of {of_digits} digits refused", text, re.MULTILINE
    )
    for version, numbers in expected["model_versions"].items():
        shares = f"{percent(numbers['mean_confidence'])} +{percent(numbers['not_a_digit_share'])}"
        assert re.search(rf"^{version} +{numbers['count']} +{shares} ", text, re.MULTILINE)
    for digit, numbers in expected["digits"].items():
        assert re.search(rf"^{digit} +{numbers['count']}\b", text, re.MULTILINE)


@pytest.mark.usefixtures("configured_sqlite")
@pytest.mark.parametrize("command", ["stats", "timeline", "calibration", "drift", "models"])
def test_commands_work_on_an_empty_database(command: str) -> None:
    assert done(command)
    assert json.loads(done(command, "--json"))


@pytest.mark.usefixtures("filled_sqlite")
def test_timeline_has_a_line_for_each_bucket() -> None:
    header, *lines = done("timeline", "--bucket", "day", "--since", "2026-02-27", "--until", "2026-03-03").splitlines()
    assert " ".join(header.split()) == "day (UTC) predictions mean confidence share not digits accuracy"
    assert [line.split()[0] for line in lines] == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert [line.split()[2] == "0" for line in lines] == [True, True, False, False]


@pytest.mark.usefixtures("filled_sqlite")
def test_calibration_prints_bins_or_says_that_labels_are_too_few() -> None:
    expected = json.loads(done("calibration", "--json"))
    text = done("calibration")
    assert re.search(r"^status +ok *$", text, re.MULTILINE)
    assert len(text.partition("95 % interval")[2].strip().splitlines()) == len(expected["bins"]) == 10
    few = done("calibration", "--until", "2026-03-02")
    assert re.search(r"^status +not enough data *$", few, re.MULTILINE)
    assert re.search(r"^labelled +\d+ \(needs 200\)", few, re.MULTILINE)


def test_calibration_tells_the_confidences_of_a_good_model_apart(configured_sqlite: str) -> None:
    confidences = np.linspace(0.9991, 0.99999, 300).tolist()
    rows = [row._replace(confidence=one, labels=("7",)) for row, one in zip(random_rows(300), confidences, strict=True)]
    store(configured_sqlite, rows)
    bins = json.loads(done("calibration", "--json"))["bins"]
    lines = done("calibration").partition("95 % interval")[2].strip().splitlines()
    shown = [[float(number) for number in re.findall(r"([\d.]+) %", line)[:3]] for line in lines]
    exact = [[100 * part[name] for name in ("from", "to", "mean_confidence")] for part in bins]
    np.testing.assert_allclose(shown, exact, rtol=0, atol=0.0001)


@pytest.mark.usefixtures("configured_sqlite")
def test_drift_refuses_a_reference_that_begins_after_its_end() -> None:
    message = refused(ExitCode.USAGE_ERROR, "drift", "--since", "2026-11-01", "--reference-since", "2026-11-10")
    assert message == "--reference-since: must be before the end of the reference"


def make_newest_drawings_faint(database_url: str) -> None:
    """Replace the newest drawings by faint ones; no earlier drawing is faint."""
    faint = np.full(784, 20, np.uint8).tobytes()
    with connected(database_url) as connection:
        connection.execute(update(Drawing).where(Drawing.prediction_id > 350).values(pixels=faint))


def test_drift_exits_with_one_only_with_exit_code_and_drift(filled_sqlite: str) -> None:
    windows = ("drift", "--last", "350", "--reference-last", "350")
    assert re.match(r"status +no drift\b", done(*windows, "--exit-code"))
    assert re.match(r"status +not enough data\b", done("drift", "--exit-code"))
    make_newest_drawings_faint(filled_sqlite)
    outcome = run(*windows, "--exit-code")
    assert outcome.status == ExitCode.FAILURE
    assert re.match(r"status +drift\b", outcome.out)
    assert re.search(r"^ink .* < 0\.001 .* yes *$", outcome.out, re.MULTILINE)
    assert done(*windows) == outcome.out
    as_json = run(*windows, "--exit-code", "--json")
    assert (as_json.status, json.loads(as_json.out)["status"]) == (ExitCode.FAILURE, "drift")


@pytest.mark.usefixtures("filled_sqlite")
def test_models_lists_the_loaded_model_first() -> None:
    expected = json.loads(done("models", "--json"))["models"]
    table, _, digits = done("models").partition("\n\n")
    _, *lines = table.splitlines()
    assert [line.split()[0] for line in lines] == [model["version"] for model in expected]
    assert lines[0].split()[1:3] == ["live", expected[0]["sha256"][:8]]
    shares = [percent(model["not_a_digit_share"]) for model in expected if model["predictions"]]
    assert [share in line for share, line in zip(shares, lines[-len(shares) :], strict=True)] == [True] * len(shares)
    told = {model["version"]: model["accuracy"]["digit_or_not"] for model in expected if model["predictions"]}
    for version, found in told.items():
        text = f"{found['none_found']} of {found['none']} found, {found['digits_refused']} of {found['digits']} digits"
        assert re.search(rf"^{version} .* {text} refused", digits, re.MULTILINE)


def test_models_compares_the_shadow_model_with_the_answers(start: Start, database_url: str, tmp_path: Path) -> None:
    client = start(DATABASE_URL=database_url, SHADOW_MODEL_PATH=str(swapping_model(tmp_path, 7, 9)))
    number = client.post("/classify", json=DRAWING).json()["id"]
    wait_until(lambda: bool(shadow_rows(database_url)), "the shadow model has answered")
    assert done("models", "--json") == client.get("/models").text + "\n"
    shadow_row = done("models").partition("shadow model")[2].splitlines()[1]
    assert shadow_row.split()[:3] == ["v2", "1", "0.0"]
    # No p-value without a label.
    assert shadow_row.split()[-1] == "-"
    assert run("models").err == ""
    labelled = client.put(f"/results/{number}/label", json={"label": "9"})
    assert labelled.status_code == 200, labelled.text
    assert "which favours any other model" in run("models").err


def test_small_p_value_of_a_shadow_model_is_not_printed_as_zero(configured_sqlite: str) -> None:
    wrong = [row._replace(prediction="1", labels=("7",)) for row in ROWS[:20]]
    store(configured_sqlite, wrong)
    answers = [
        {"prediction_id": row.id, "model_sha256": "c" * 64, "model_version": "v9", "prediction": "7", "confidence": 0.9}
        for row in wrong
    ]
    with connected(configured_sqlite) as connection:
        connection.execute(insert(ShadowPrediction), answers)
    shadow_row = done("models").partition("shadow model")[2].splitlines()[1]
    assert shadow_row.rstrip().endswith("  < 0.001")
