"""The project's documentation as data: its pages, headings and code blocks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.project_copy import PROJECT

DOCS = sorted((PROJECT / "docs").rglob("*.md"))
PAGES = [
    *sorted(PROJECT.glob("*.md")),
    *DOCS,
    PROJECT / "models/MODELCARD.md",
    PROJECT / "benchmarks/README.md",
]

_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced code block."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None
    """Why the tests do not run it, from the comment `<!-- not run: ... -->` right before it."""

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """The path of a page in the project."""
    return page.relative_to(PROJECT).as_posix()


def blocks_of(page: Path) -> Iterator[Block]:
    """The code blocks of a page."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], found["code"], found["reason"])


def prose_of(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them: a repeated title gets -1, -2 and so on."""
    anchors: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w -]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in anchors:
            number += 1
        anchors.add(unique)
    return anchors
