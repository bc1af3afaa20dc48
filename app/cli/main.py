"""The program: its commands, and how each of their outcomes becomes an exit status and at most one line."""

import sys
from collections.abc import Sequence
from typing import TextIO

import typer

from app.cli import labels, results, stats
from app.cli.backup import backup
from app.cli.calibration import calibration
from app.cli.check import check
from app.cli.classify import classify
from app.cli.copy_to import copy_to
from app.cli.drift import drift
from app.cli.exit_codes import MEANING, Failure, Status
from app.cli.export import export
from app.cli.model_versions import models
from app.cli.options import option_of
from app.cli.prune import prune
from app.cli.replay import replay
from app.cli.restore import restore
from app.cli.review import review
from app.cli.serve import serve
from app.cli.terminal import say
from app.cli.upgrade import upgrade
from app.services.errors import InvalidInput, ServiceError

NAME = "python -m app"
STATUSES = "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in MEANING.items()) + "."

program = typer.Typer(
    help="PixelWise reads hand-drawn digits and remembers every answer."
    "\n\nThese commands work on the database that DATABASE_URL names, beside a running service or without one.",
    epilog=STATUSES,
    # It needs a program with a name of its own.
    add_completion=False,
    # Typer's other form of help cuts names off where the terminal is narrow.
    rich_markup_mode=None,
    # What an operator can cause has its one line; a traceback is for what nobody foresaw, and whole.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    results.results,
    results.show,
    labels.label,
    labels.labels,
    results.notes,
    results.delete,
    review,
    classify,
    stats.stats,
    stats.timeline,
    calibration,
    drift,
    models,
    replay,
    export,
    backup,
    restore,
    prune,
    copy_to,
    serve,
    upgrade,
    check,
):
    program.command()(command)


def main(arguments: Sequence[str]) -> int:
    """Run one command, or show them all when none is named; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        _never_refuse(stream)
    try:
        outcome = program(arguments or ["--help"], prog_name=NAME, standalone_mode=False)
    except Failure as failure:
        return _ended(str(failure), failure.status)
    except InvalidInput as error:
        return _ended(f"{option_of(error.place)}: {error}", Status.WRONG_USAGE)
    except ServiceError as error:
        return _ended(str(error), Status.NOT_DONE)
    except OSError as error:
        reason = error.strerror or str(error)
        return _ended(f"{error.filename}: {reason}" if error.filename else reason, Status.NOT_DONE)
    except typer.Abort:
        return _ended("", Status.INTERRUPTED)
    except typer.TyperException as error:
        return _ended(_usage(error), error.exit_code)
    return outcome or Status.DONE


def _never_refuse(stream: TextIO) -> None:
    """Let a terminal that knows few characters show the others by their numbers."""
    if reconfigure := getattr(stream, "reconfigure", None):
        reconfigure(errors="backslashreplace")


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())
    return f"{text.rstrip('.')}; {context.command_path} --help says more" if text and context else text


def _ended(text: str, status: int) -> int:
    if text:
        say(f"pixelwise: {text}")
    return status
