"""The documentation names what there is, and everything it names is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.classifier import Classifier
from app.config import Settings
from app.main import app
from tests.support.project_copy import PROJECT

README = PROJECT / "README.md"
DOCS = sorted((PROJECT / "docs").rglob("*.md"))
TEXTS = [
    README,
    *DOCS,
    *PROJECT.glob("CHANGELOG.md"),
    PROJECT / "models/MODELCARD.md",
    PROJECT / "benchmarks/README.md",
]
FOLDERS = ("alembic", "app", "benchmarks", "deploy", "docs", "models", "scripts", "tests", "training")
SUFFIXES = ("ini", "lua", "mako", "md", "onnx", "py", "service", "sh", "toml")

# What the documentation tells its readers to make.
TO_BE_MADE = {"alembic/versions/0005_add_mood.py", "models/mine.onnx", "models/second.onnx", "models/second.md"}


def text_of(*paths: Path) -> str:
    return "\n".join(path.read_text() for path in paths)


def paths_in(text: str) -> Iterator[str]:
    """Every path of a file or folder of the project that a text names, in its sentences or in its commands."""
    start = r"(?<![\w./~<-])"
    yield from re.findall(rf"{start}(?:{'|'.join(FOLDERS)})/[\w./-]*\w", text)
    yield from re.findall(rf"{start}[\w-]+\.(?:{'|'.join(SUFFIXES)})\b(?![/(])", text)


def headings(path: Path) -> set[str]:
    """The anchors of a Markdown file, made as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("route", app.openapi()["paths"])
def test_every_route_is_documented(route: str) -> None:
    # /health is no more documented by /health/live than by /healthy.
    assert re.search(rf"{re.escape(route)}(?![\w/{{]|\.\w)", text_of(README, *DOCS)), route


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_documented(setting: str) -> None:
    assert setting.upper() in text_of(README, *DOCS, PROJECT / ".env.example")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_file_that_is_named_exists(path: Path) -> None:
    named = set(paths_in(path.read_text())) - TO_BE_MADE
    everything = {found.name for folder in FOLDERS for found in (PROJECT / folder).rglob("*")}
    everything |= {found.name for found in PROJECT.iterdir()}
    places = (PROJECT, path.parent)
    assert [
        name
        for name in sorted(named)
        if not any((place / name).exists() for place in places) and ("/" in name or name not in everything)
    ] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        assert linked.resolve().is_relative_to(PROJECT), target
        assert not anchor or anchor in headings(linked), target


def test_paths_are_found_wherever_a_text_names_them() -> None:
    text = "See `app/x.py`, run scripts/y. `z.sh` ([docs/](docs/)); b/app/no, ~/docs/no, http://a/app/no, /app/no"
    assert list(paths_in(text)) == ["app/x.py", "scripts/y", "z.sh"]


def test_model_card_is_about_the_model_that_ships() -> None:
    card = (PROJECT / "models/MODELCARD.md").read_text()
    model = Classifier(PROJECT / "models/digits.onnx")
    assert f"version {model.version}" in card.splitlines()[0]
    assert model.sha256 in card
