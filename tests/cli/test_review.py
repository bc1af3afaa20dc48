"""`python -m app review` in a terminal."""

import json
import os
import pty
import select
import tty
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from app.cli.keyboard import Keyboard
from tests.support.command_line import Terminal, done, in_terminal, refused
from tests.support.review_rows import add_drawings, reviews
from tests.support.service import execute, rows

# Drawings of noise, so that none is skipped for being similar to another.
MARGINS = {id_: id_ / 100 for id_ in range(1, 6)}

Review = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def review(sqlite_url: str, tmp_path: Path) -> Review:
    """A function that starts a review of five drawings in a terminal."""
    add_drawings(sqlite_url, MARGINS)

    def start(*arguments: str) -> AbstractContextManager[Terminal]:
        return in_terminal(tmp_path, "review", *arguments, settings={"DATABASE_URL": sqlite_url})

    return start


def labels(database_url: str) -> list[tuple[int, str, str]]:
    found = rows(database_url, "SELECT prediction_id, label, source FROM labels ORDER BY id")
    return [(row["prediction_id"], row["label"], row["source"]) for row in found]


def shown(terminal: Terminal, position: str) -> int:
    """Wait for the drawing at this position; return its id."""
    before = terminal.wait_for(f"{position}: prediction ")
    assert any(block in before for block in "▀▄█")
    return int(terminal.wait_for(" (").removesuffix(" ("))


def test_each_label_is_stored_before_the_next_drawing_is_shown(review: Review, sqlite_url: str) -> None:
    expected: list[tuple[int, str, str]] = []
    with review("--reviewer", "anna") as terminal:
        for number, (key, label) in enumerate((("3", "3"), ("n", "none"), ("\r", "7"), ("s", None)), 1):
            prediction = shown(terminal, f"{number} of 5")
            assert labels(sqlite_url) == expected
            terminal.press(key)
            expected += [(prediction, label, "anna")] if label else []
        shown(terminal, "5 of 5")
        terminal.press("q")
        assert terminal.end() == 0
    assert "Labelled 3 of 5 drawings." in terminal.shown
    assert labels(sqlite_url) == expected


def test_queue_of_what_is_not_a_digit_says_how_sure_the_model_is(
    sqlite_url: str, tmp_path: Path, settings_environment: pytest.MonkeyPatch
) -> None:
    add_drawings(sqlite_url, MARGINS, not_a_digit={1: 0.2, 2: 0.875, 3: 0.75})
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    with in_terminal(
        tmp_path, "review", "--queue", "not_a_digit", "--reviewer", "anna", settings={"DATABASE_URL": sqlite_url}
    ) as terminal:
        assert shown(terminal, "1 of 2") == 3
        assert "not a digit" in terminal.wait_for("was read as")
        terminal.wait_for("not a digit 75.0 %")
        terminal.press("n")
        assert shown(terminal, "2 of 2") == 2
        terminal.wait_for("was read as not a digit, best guess 7.")
        # Confirms what the model says.
        terminal.press("\r")
        assert terminal.end() == 0
    assert labels(sqlite_url) == [(3, "none", "anna"), (2, "none", "anna")]


def test_unknown_key_explains_the_keys_and_stores_nothing(review: Review, sqlite_url: str) -> None:
    with review("--limit", "1") as terminal:
        shown(terminal, "1 of 1")
        for key in ("x", "\x1b[A", "ß", " "):
            terminal.press(key)
            terminal.wait_for("q: quit.")
        assert labels(sqlite_url) == []
        terminal.press("0")
        assert terminal.end() == 0
    assert [label for _, *label in labels(sqlite_url)] == [["0", "command line"]]


def test_ctrl_c_keeps_earlier_labels(review: Review, sqlite_url: str) -> None:
    with review() as terminal:
        first = shown(terminal, "1 of 5")
        terminal.press("4")
        shown(terminal, "2 of 5")
        assert terminal.interrupt() == ExitCode.INTERRUPTED
    assert "Traceback" not in terminal.shown
    assert labels(sqlite_url) == [(first, "4", "command line")]


def test_drawing_deleted_meanwhile_is_reported(review: Review, sqlite_url: str) -> None:
    with review() as terminal:
        first = shown(terminal, "1 of 5")
        execute(sqlite_url, "PRAGMA foreign_keys=ON", f"DELETE FROM predictions WHERE id = {first}")
        terminal.press("4")
        terminal.wait_for(f"There is no prediction {first}.")
        second = shown(terminal, "2 of 5")
        terminal.press("5")
        shown(terminal, "3 of 5")
        terminal.press("q")
        assert terminal.end() == 0
    assert "Labelled 1 of 5 drawings." in terminal.shown
    assert labels(sqlite_url) == [(second, "5", "command line")]


def test_empty_review_prints_a_message(sqlite_url: str, tmp_path: Path) -> None:
    with in_terminal(tmp_path, "review", settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert terminal.end() == 0
    assert terminal.shown == "There is nothing to review.\n"


def test_review_without_a_terminal_reserves_nothing(configured_sqlite: str) -> None:
    add_drawings(configured_sqlite, MARGINS)
    assert "--json" in refused(ExitCode.FAILURE, "review")
    assert reviews(configured_sqlite) == {}


def test_json_has_the_drawings_that_http_reserved_for_the_same_reviewer(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, MARGINS)
    over_http = client.get("/review", params={"reviewer": "anna", "limit": 3}).json()
    page = json.loads(done("review", "--reviewer", "anna", "--limit", "3", "--json"))
    assert page.keys() == over_http.keys()
    assert sorted(item["id"] for item in page["results"]) == sorted(item["id"] for item in over_http["results"])
    others = json.loads(done("review", "--reviewer", "ben", "--limit", "3", "--json"))
    assert {item["id"] for item in others["results"]}.isdisjoint(item["id"] for item in page["results"])


def test_keys_pressed_before_a_drawing_is_shown_are_discarded() -> None:
    ours, theirs = pty.openpty()
    try:
        tty.setcbreak(theirs)
        os.write(ours, b"3")
        assert select.select([theirs], [], [], 10)[0]
        keyboard = Keyboard(theirs)
        keyboard.discard_input()
        os.write(ours, b"4")
        assert keyboard.read_key() == "4"
    finally:
        os.close(ours)
        os.close(theirs)
