"""Replay: stored drawings are classified with another model and compared."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.analysis.export_files import is_test
from app.analysis.replay.answer_store import ANSWERS, DESCRIPTION
from app.classifier import Classifier, ModelError, get_classifier
from app.database import Database
from app.schemas.stats import DigitOrNot
from app.services.replay import replay
from tests.support.model_files import model_of_nothing, model_that_breaks, second_model, tiny_model
from tests.support.replay_fixtures import Images, flips, label, records, run, store_answers
from tests.support.service import connected, execute

pytestmark = pytest.mark.usefixtures("settings_environment")


def swapped(answer: str) -> str:
    return {"4": "9", "9": "4"}.get(answer, answer)


def test_every_drawing_is_classified_and_different_answers_are_flips(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    answered = store_answers(database_url, drawn)
    found = run(database, swapping, tmp_path / "out")
    different = [(id_, answer) for id_, answer in enumerate(answered, 1) if answer in "49"]
    assert 0 < len(different) < len(drawn)
    report = found.report
    assert (report.drawings, report.agreement.agreed) == (len(drawn), len(drawn) - len(different))
    assert report.agreement.agreement == pytest.approx(1 - len(different) / len(drawn))
    pairs = {(pair.stored, pair.new): pair.drawings for pair in report.flips}
    assert pairs == {(one, swapped(one)): answered.count(one) for one in "49"}
    assert [(int(flip["id"]), flip["stored_prediction"]) for flip in flips(found)] == different
    assert all(flip["new_prediction"] == swapped(flip["stored_prediction"]) for flip in flips(found))
    assert all(flip["new_confidence"] == flip["stored_confidence"] and not flip["label"] for flip in flips(found))
    assert json.loads(found.report_file.read_text()) == report.model_dump(mode="json")


def test_accuracy_uses_the_last_label(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    answered = store_answers(database_url, drawn)
    fours = [id_ for id_, answer in enumerate(answered, 1) if answer == "4"]
    others = [id_ for id_, answer in enumerate(answered, 1) if answer not in "49"]
    only_new, only_stored, neither = fours[:3]
    # The new answer is right, the stored one, neither, both.
    label(database_url, (only_new, "9"), (only_stored, "4"), (neither, "7"), (others[0], answered[others[0] - 1]))
    report = run(database, swapping, tmp_path / "out").report
    on = report.labelled
    assert (on.drawings, on.stored.correct, on.new.correct) == (4, 2, 2)
    assert (on.only_stored_correct, on.only_new_correct, on.p_value) == (1, 1, 1.0)
    assert on.stored.accuracy == 0.5
    assert on.stored.interval == pytest.approx((0.150039, 0.849961), abs=1e-6)
    table = {row.label: (row.drawings, row.stored_correct, row.new_correct) for row in report.labels}
    assert table["4"] == (1, 1, 0)
    assert table["9"] == (1, 0, 1)
    assert sum(drawings for drawings, *_ in table.values()) == 4


def test_an_overridden_label_does_not_count(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    four = 1 + store_answers(database_url, drawn).index("4")
    label(database_url, (four, "9"), (four, "4"))
    report = run(database, swapping, tmp_path / "out").report
    assert (report.labelled.only_stored_correct, report.labelled.only_new_correct) == (1, 0)
    assert [row.label for row in report.labels] == ["4"]


def test_label_none_is_wrong_for_both_models(
    database: Database, database_url: str, drawn: Images, tmp_path: Path
) -> None:
    # A class named like the label `none`.
    store_answers(database_url, drawn[:2], prediction="none")
    label(database_url, (1, "none"), (2, "none"))
    model = second_model(tmp_path, classes=["none", *"123456789"], order=[0] * 10)
    on = run(database, model, tmp_path / "out").report.labelled
    assert (on.drawings, on.new.not_a_digit) == (2, 2)
    assert (on.stored.correct, on.new.correct, on.p_value) == (0, 0, 1.0)


def test_answers_not_a_digit_are_counted_for_both_models(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    said = [answer["not_a_digit"] for answer in get_classifier().classify_batch(drawn[:20])]
    new = sum(value is not None and value > 0.5 for value in said)
    store_answers(database_url, drawn[:20])
    execute(
        database_url,
        "UPDATE predictions SET not_a_digit = 0.1 WHERE id <= 8",
        "UPDATE predictions SET not_a_digit = 0.9 WHERE id <= 2",
    )
    label(database_url, (1, "none"), (2, "7"), (3, "none"), (20, "none"))
    found = run(database, swapping, tmp_path / "out")
    report = found.report
    assert (report.not_a_digit.stored, report.not_a_digit.stored_share) == (2, 0.25)
    assert (report.not_a_digit.new, report.not_a_digit.new_share) == (new, new / 20)
    assert (report.not_a_digit.only_stored, report.not_a_digit.only_new) == (2, 0)
    assert report.labelled.stored.digit_or_not == DigitOrNot(none=2, none_found=1, digits=1, digits_refused=1)
    assert report.labelled.new.digit_or_not == DigitOrNot(none=3, none_found=0, digits=1, digits_refused=0)
    assert {flip["new_not_a_digit"] for flip in flips(found)} <= {str(value) for value in said}
    assert "Not a digit" in found.page_file.read_text()


def test_model_that_does_not_tell_has_no_share_of_non_digits(
    sqlite_database: Database, sqlite_url: str, drawn: Images, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn[:5], prediction="x")
    found = run(sqlite_database, tiny_model(tmp_path, columns=10), tmp_path / "out")
    assert (found.report.not_a_digit.new_share, found.report.not_a_digit.stored_share) == (None, None)
    assert {flip["new_not_a_digit"] for flip in flips(found)} == {""}
    assert "Not a digit" not in found.page_file.read_text()


def test_random_samples_are_counted_separately(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    answered = store_answers(database_url, drawn)
    fours = [id_ for id_, answer in enumerate(answered, 1) if answer == "4"][:3]
    label(database_url, *((id_, "9") for id_ in fours))
    drawn_at_random = "INSERT INTO reviews (prediction_id, sampled) VALUES ({}, {})"
    execute(database_url, drawn_at_random.format(fours[0], "true"), drawn_at_random.format(fours[1], "false"))
    report = run(database, swapping, tmp_path / "out").report
    assert (report.labelled.only_new_correct, report.at_random.only_new_correct) == (3, 1)
    assert report.verdict_at_random is not None
    assert "1 labelled drawing drawn at random" in report.verdict_at_random


def test_test_split_is_counted_separately(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn)
    label(database_url, *((id_, "9") for id_ in range(1, len(drawn) + 1)))
    report = run(database, swapping, tmp_path / "out").report
    kept = sum(is_test(image.tobytes(), "0", 0.1) for image in drawn)
    assert 0 < kept < len(drawn)
    assert report.held_out.drawings == kept
    assert report.verdict_held_out is not None
    assert f"{kept} labelled drawings kept for testing" in report.verdict_held_out


def test_predictions_without_a_drawing_are_left_out_and_counted(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn)
    execute(database_url, "DELETE FROM drawings WHERE prediction_id IN (1, 50)")
    for _ in range(2):
        report = run(database, swapping, tmp_path / "out").report
        assert (report.drawings, report.without_drawing) == (len(drawn) - 2, 2)


def test_answers_of_other_versions_can_be_left_out(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn[:60], model_version="v1")
    store_answers(database_url, drawn[60:], first_id=61, model_version="v0")
    whole = run(database, swapping, tmp_path / "all").report
    assert {row.model_version: row.drawings for row in whole.versions} == {"v1": 60, "v0": 40}
    part = run(database, swapping, tmp_path / "part", model_version="v0").report
    assert (part.drawings, part.only_model_version) == (40, "v0")
    assert records(tmp_path / "part")["id"].tolist() == list(range(61, 101))
    assert part.versions == [row for row in whole.versions if row.model_version == "v0"]


def test_report_of_an_empty_database_has_nothing_to_compare(database: Database, swapping: Path, tmp_path: Path) -> None:
    found = run(database, swapping, tmp_path / "out")
    assert (found.report.drawings, found.report.latency) == (0, None)
    assert "nothing to compare" in found.report.verdict
    assert "nothing to compare" in found.page_file.read_text()
    assert flips(found) == []


def test_latency_of_both_models_is_measured_on_stored_drawings(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn[:3])
    latency = replay(database, Classifier(swapping), get_classifier(), folder=tmp_path / "out").report.latency
    assert latency is not None
    assert min(latency.new.single, latency.new.batch, latency.loaded.single, latency.loaded.batch) > 0


def test_progress_goes_from_zero_to_the_total(
    database: Database, database_url: str, noise: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, noise)
    seen: list[tuple[int, int | None]] = []
    run(database, swapping, tmp_path / "out", progress=lambda _, done, total: seen.append((done, total)))
    (total,) = {total for _, total in seen}
    done = [done for done, _ in seen]
    assert (done[0], done[-1]) == (0, total)
    assert done == sorted(set(done))
    assert len(done) > 4


@pytest.mark.parametrize(
    ("broken", "words"),
    [(model_of_nothing, "no probabilities for some of the"), (model_that_breaks, "fails on some of the")],
)
def test_model_that_cannot_answer_is_refused(
    sqlite_database: Database, sqlite_url: str, drawn: Images, tmp_path: Path, broken: Any, words: str
) -> None:
    store_answers(sqlite_url, drawn)
    with pytest.raises(ModelError, match=words):
        run(sqlite_database, broken(tmp_path), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {ANSWERS, DESCRIPTION}


def test_replay_stores_nothing_in_the_database(
    sqlite_database: Database, sqlite_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn)
    with connected(sqlite_url) as connection:
        before = connection.scalar(sa.text("SELECT group_concat(id || prediction || model_version) FROM predictions"))
    run(sqlite_database, swapping, tmp_path / "out")
    with connected(sqlite_url) as connection:
        after = connection.scalar(sa.text("SELECT group_concat(id || prediction || model_version) FROM predictions"))
        assert connection.scalar(sa.text("SELECT count(*) FROM shadow_predictions")) == 0
    assert before == after
    assert asyncio.run(sqlite_database.try_write()) is None
