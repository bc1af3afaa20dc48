"""What people and scripts get to see: what was asked for on standard output, everything about it on standard error."""

import sys
from typing import Annotated, Final

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts, and nothing else, on standard output.")]

# A pipe has no edge: what reads it wants one row in one line.
ENDLESS: Final = 100_000


def is_interactive() -> bool:
    """Return whether a person sits in front of this, who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def output() -> Console:
    """Return standard output: with colours and lines on a terminal, plain and without an edge elsewhere."""
    return _console(stderr=False)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = ENDLESS
    return console


def say(text: str) -> None:
    """Tell the person something that is not what was asked for."""
    typer.echo(plain(text), err=True)


def print_json(*documents: BaseModel) -> None:
    """Print each as one line of JSON, as HTTP answers it."""
    for document in documents:
        typer.echo(document.model_dump_json(by_alias=True))


def plain(text: str) -> str:
    """Return the text without what would move the cursor, colour the terminal or break the line.

    Names and notes come from whoever sent them.
    """
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)


def progress() -> Progress:
    """Return a bar for long work, on standard error; invisible when that is no terminal."""
    console = _console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
