"""The page of a replay is safe to open, and so is its table in a spreadsheet."""

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.database import Database
from tests.support.model_files import second_model
from tests.support.replay_fixtures import Images, flips, label, run, store_answers

pytestmark = pytest.mark.usefixtures("settings_environment")


class Page(HTMLParser):
    """A parsed page: elements, what they load, text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = "=<script>alert(1)</script>\"&'"


def test_page_escapes_texts_and_loads_and_runs_nothing(
    sqlite_database: Database, sqlite_url: str, drawn: Images, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn[:5], prediction=HOSTILE, model_version=HOSTILE)
    label(sqlite_url, (1, "3"), (2, "none"))
    found = run(sqlite_database, second_model(tmp_path, version=HOSTILE), tmp_path / "out", model_version=HOSTILE)
    page = Page(found.page_file)
    assert page.text.count(HOSTILE) >= 5 + 3
    assert page.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "a"})
    assert len(page.addresses) == 5
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "url(" not in found.page_file.read_text()
    assert "@import" not in found.page_file.read_text()


def test_no_cell_of_the_csv_file_is_a_formula(
    sqlite_database: Database, sqlite_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn[:1], prediction=HOSTILE, model_version="@now")
    (flip,) = flips(run(sqlite_database, swapping, tmp_path / "out"))
    assert (flip["stored_prediction"], flip["stored_version"]) == (f"'{HOSTILE}", "'@now")


def test_page_shows_labelled_flips_first_then_by_confidence(
    sqlite_database: Database, sqlite_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn, prediction="x")
    label(sqlite_url, (30, "1"), (60, "none"))
    found = run(sqlite_database, swapping, tmp_path / "out")
    surest = {int(flip["id"]): float(flip["new_confidence"]) for flip in flips(found)}
    expected = sorted(surest, key=lambda id_: (id_ not in (30, 60), -surest[id_], id_))
    text = Page(found.page_file).text
    shown = [int(line.removeprefix("id ")) for line in text.splitlines() if line.startswith("id ")]
    assert shown == expected
    assert len(shown) == len(drawn)
    assert "The first" not in text


def test_page_shows_a_thousand_flips_and_their_total(
    sqlite_database: Database, sqlite_url: str, noise: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(sqlite_url, noise[:1200], prediction="x")
    found = run(sqlite_database, swapping, tmp_path / "out")
    page = Page(found.page_file)
    assert len(page.addresses) == 1000
    assert "The first 1,000 of 1,200" in page.text
    assert len(flips(found)) == 1200
