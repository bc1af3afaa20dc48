"""`python -m app results`, `show`, `label`, `labels`, `notes` and `delete`."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.cli.drawing import blocks
from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, in_terminal, refused, run
from tests.support.percentages import percent
from tests.support.service import DRAWING, execute, rows, stored
from tests.support.stored_rows import random_rows, store

ROWS = random_rows(40)
EMPTY_LINE = " " * 28


@pytest.fixture
def filled(configured_database_url: str) -> str:
    """The configured database with forty predictions."""
    store(configured_database_url, ROWS, drawings=True)
    return configured_database_url


@pytest.fixture
def filled_sqlite(configured_sqlite: str) -> str:
    """The same on SQLite only."""
    store(configured_sqlite, ROWS, drawings=True)
    return configured_sqlite


def ids(text: str) -> list[int]:
    return [int(line.split()[0]) for line in text.splitlines()[1:]]


@pytest.mark.usefixtures("filled")
def test_results_are_listed_newest_first_with_their_labels() -> None:
    header, *lines = done("results", "--limit", "3").splitlines()
    assert " ".join(header.split()) == "id prediction confidence not a digit label time (UTC) model version notes"
    for line, row in zip(lines, reversed(ROWS), strict=False):
        time = f"{row.created_at:%Y-%m-%d %H:%M:%S}" if row.created_at else "-"
        not_a_digit = "-" if row.not_a_digit is None else percent(row.not_a_digit)
        begin = f"{row.id} {row.prediction} {percent(row.confidence)} {not_a_digit} {row.label or '-'} {time} "
        assert " ".join(line.split()).startswith(begin)


@pytest.mark.usefixtures("filled")
def test_filters_are_combined() -> None:
    wanted = [row.id for row in reversed(ROWS) if row.prediction == "7" and row.label is not None and row.notes]
    assert wanted
    found = done("results", "--prediction", "7", "--labelled", "--notes-contains", "Über", "--limit", "100")
    assert ids(found) == wanted
    unlabelled = [row.id for row in reversed(ROWS) if row.label is None]
    assert ids(done("results", "--unlabelled", "--limit", "100")) == unlabelled


@pytest.mark.usefixtures("filled")
def test_overridden_label_does_not_count() -> None:
    done("label", "5", "3")
    done("label", "5", "none", "--source", "anna")
    assert 5 not in ids(done("results", "--label", "3", "--limit", "100"))
    assert 5 in ids(done("results", "--label", "none", "--limit", "100"))
    assert json.loads(done("show", "5", "--json"))["label"] == "none"


@pytest.mark.usefixtures("filled_sqlite")
def test_cursor_in_the_message_leads_to_the_next_page() -> None:
    first = run("results", "--limit", "25")
    cursor = first.err.split("--cursor ")[1].split(",")[0]
    second = run("results", "--limit", "25", "--cursor", cursor)
    assert ids(first.out) + ids(second.out) == list(range(40, 0, -1))
    assert second.err == ""


def test_all_prints_one_table_or_one_line_of_json_per_prediction(configured_sqlite: str) -> None:
    store(configured_sqlite, random_rows(1500))
    everything = list(range(1500, 0, -1))
    assert ids(done("results", "--all")) == everything
    listed = [json.loads(line) for line in done("results", "--all", "--json").splitlines()]
    assert [row["id"] for row in listed] == everything
    assert listed[:20] == json.loads(done("results", "--json"))["results"]


@pytest.mark.usefixtures("filled_sqlite")
def test_show_prints_the_drawing_and_all_facts() -> None:
    done("notes", "7", "with a bar")
    done("label", "7", "1", "--source", "anna")
    text = done("show", "7")
    lines = text.splitlines()
    assert [len(line) for line in lines[:16]] == [30] * 16
    facts = {line[:14].strip(): line[14:].strip() for line in lines[16:]}
    assert (facts["id"], facts["notes"], facts["label"]) == ("7", "with a bar", "1")
    assert facts["labels"].startswith("1 by anna, 20")


def test_show_without_a_drawing_prints_the_facts_only(configured_sqlite: str) -> None:
    execute(configured_sqlite, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 1, 'v1')")
    text = done("show", "1")
    assert text.split()[:2] == ["id", "1"]


def test_faint_drawing_is_shown_in_place() -> None:
    # The top left pixel, its lower right neighbour, and two pixels in the bottom right corner.
    pixels = bytearray(784)
    pixels[0] = pixels[29] = pixels[-1] = pixels[-29] = 9
    lines = blocks(bytes(pixels))
    assert lines[0] == "▀▄" + " " * 26
    assert lines[1:13] == [EMPTY_LINE] * 12
    assert lines[13] == " " * 27 + "█"
    assert blocks(bytes(784)) == [EMPTY_LINE] * 14


def test_text_stored_as_a_blob_is_shown(sqlite_client: TestClient, filled_sqlite: str) -> None:
    labelled = next(row.id for row in ROWS if row.labels)
    execute(
        filled_sqlite,
        f"UPDATE predictions SET notes = x'41ff00', model_version = x'7631' WHERE id = {labelled}",
        f"UPDATE labels SET source = x'ff' WHERE prediction_id = {labelled}",
    )
    assert "A\N{REPLACEMENT CHARACTER}" in done("show", str(labelled))
    assert "\N{REPLACEMENT CHARACTER}" in done("labels", str(labelled))
    shown = sqlite_client.get(f"/results/{labelled}").json()
    assert (shown["notes"], shown["model_version"]) == ("A\N{REPLACEMENT CHARACTER}\0", "v1")
    for path in (
        "/results",
        f"/results/{labelled}/labels",
        "/export?format=jsonl",
        "/stats",
        "/models",
        "/stats/drift",
    ):
        assert sqlite_client.get(path).status_code == 200


@pytest.mark.usefixtures("filled")
def test_labels_are_listed_with_their_sources_newest_first() -> None:
    for label, source in (("3", "anna"), ("none", "a very long name " * 3)):
        done("label", "40", label, "--source", source)
    done("label", "40", "8")
    lines = [line.split("  ") for line in done("labels", "40").splitlines()[1:4]]
    assert [(line[0], [part for part in line if part][1].strip()) for line in lines] == [
        ("8", "command line"),
        ("none", ("a very long name " * 3).strip()),
        ("3", "anna"),
    ]


@pytest.mark.usefixtures("filled")
def test_notes_are_written_replaced_and_removed() -> None:
    for text in ("first", "second: Ünlike"):
        assert json.loads(done("notes", "3", text, "--json"))["notes"] == text
        assert json.loads(done("show", "3", "--json"))["notes"] == text
    assert json.loads(done("notes", "3", "--clear", "--json"))["notes"] is None


@pytest.mark.parametrize("arguments", ["show 41", "labels 41", "label 41 7", "notes 41 text", "delete 41 --yes"])
def test_missing_prediction_prints_one_line_with_exit_code_one(filled: str, arguments: str) -> None:
    assert refused(ExitCode.FAILURE, *arguments.split()) == "There is no prediction 41."
    assert stored(filled) == (40, 40)


def test_delete_removes_the_drawing_and_the_labels(filled: str) -> None:
    labelled = next(row.id for row in ROWS if row.labels)
    done("delete", str(labelled), "1", "1", "--yes")
    gone = {labelled, 1}
    assert stored(filled) == (40 - len(gone), 40 - len(gone))
    assert not rows(filled, f"SELECT id FROM labels WHERE prediction_id = {labelled}")
    assert refused(ExitCode.FAILURE, "show", str(labelled))


def test_delete_deletes_all_or_none(filled: str) -> None:
    refused(ExitCode.FAILURE, "delete", "1", "2", "41", "--yes")
    assert stored(filled) == (40, 40)


def test_delete_without_a_terminal_needs_yes(filled_sqlite: str) -> None:
    assert "--yes" in refused(ExitCode.FAILURE, "delete", "1")
    assert stored(filled_sqlite) == (40, 40)


def test_delete_asks_on_a_terminal_and_only_y_deletes(filled_sqlite: str, tmp_path: Path) -> None:
    for answer, status, left in (("\n", 1, 40), ("n\n", 1, 40), ("y\n", 0, 38)):
        with in_terminal(tmp_path, "delete", "1", "2", settings={"DATABASE_URL": filled_sqlite}) as terminal:
            terminal.wait_for("[y/N]: ")
            terminal.press(answer)
            assert terminal.end() == status
        assert stored(filled_sqlite) == (left, left)


@pytest.mark.parametrize("fork", [True, False])
def test_ctrl_c_at_the_question_exits_with_130_and_deletes_nothing(
    filled_sqlite: str, tmp_path: Path, fork: bool
) -> None:
    with in_terminal(tmp_path, "delete", "1", settings={"DATABASE_URL": filled_sqlite}, fork=fork) as terminal:
        terminal.wait_for("[y/N]: ")
        assert terminal.interrupt() == ExitCode.INTERRUPTED
    assert "Traceback" not in terminal.shown
    assert stored(filled_sqlite) == (40, 40)


JSON = (
    ("results", "/results"),
    ("results --limit 7 --prediction 7 --min-confidence 0.5", "/results?limit=7&prediction=7&min_confidence=0.5"),
    ("results --min-not-a-digit 0.5", "/results?min_not_a_digit=0.5"),
    ("results --since 2026-03-01T12:00:00 --unlabelled", "/results?since=2026-03-01T12:00:00&labelled=false"),
    ("show 12", "/results/12"),
    ("labels 12", "/results/12/labels"),
)


@pytest.mark.parametrize(("command", "path"), JSON)
def test_json_equals_the_answer_over_http(client: TestClient, database_url: str, command: str, path: str) -> None:
    store(database_url, ROWS, drawings=True)
    response = client.get(path)
    assert response.status_code == 200
    assert done(*command.split(), "--json") == response.text + "\n"


def test_changes_are_seen_over_http_and_in_commands(client: TestClient) -> None:
    prediction = client.post("/classify", json=DRAWING).json()["id"]
    record = json.loads(done("label", str(prediction), "1", "--json"))
    assert record == client.get(f"/results/{prediction}").json()
    assert record["label"] == "1"
    client.patch(f"/results/{prediction}", json={"notes": "over HTTP"})
    assert json.loads(done("show", str(prediction), "--json"))["notes"] == "over HTTP"
    assert client.get(f"/results/{prediction}/labels").json()["labels"][0]["source"] == "command line"
