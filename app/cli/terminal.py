"""Results on standard output; messages, questions and progress on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
from pydantic import BaseModel
from rich.console import Console

from app.cli.exit_codes import CommandError
from app.logs.printable import printable
from app.progress import Progress

_PIPE_WIDTH: Final = 100_000


def is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def output() -> Console:
    return _console(stderr=False)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def say(text: str) -> None:
    """Print a message on standard error."""
    typer.echo(printable(text), err=True)


def confirm(question: str) -> None:
    """Ask a yes/no question; raise CommandError for no."""
    if not is_interactive():
        raise CommandError("there is no terminal to ask for confirmation; add --yes")
    if not typer.confirm(question, err=True):
        raise CommandError("nothing was changed")


def print_json(*documents: BaseModel) -> None:
    """Print each document as one line of JSON, as HTTP returns it, in UTF-8."""
    for document in documents:
        typer.echo(document.model_dump_json(by_alias=True).encode())


@contextmanager
def progress_bar(first_step: str) -> Iterator[Progress]:
    """Show a bar on standard error, if that is a terminal."""
    from rich import progress as rich_progress

    console = _console(stderr=True)
    with rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bars:
        task = bars.add_task(first_step, total=None)
        yield lambda step, done, total: bars.update(task, description=step, completed=done, total=total)
