"""The program `python -m app`."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final, TextIO

import typer

from app import __version__, fast_start
from app.cli import keys
from app.cli.audit import audit
from app.cli.backup import backup
from app.cli.calibration import calibration
from app.cli.check import check
from app.cli.classify import classify
from app.cli.copy_to import copy_to
from app.cli.drift import drift
from app.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from app.cli.export import export
from app.cli.interrupts import lost_interrupts_repeated
from app.cli.labels import label, labels
from app.cli.model_versions import models
from app.cli.options import StrictCommand, option_name
from app.cli.pack import pack
from app.cli.prune import prune
from app.cli.replay import replay
from app.cli.restore import restore
from app.cli.results import delete, notes, results, show
from app.cli.review import review
from app.cli.serve import serve
from app.cli.stats import stats, timeline
from app.cli.terminal import say
from app.cli.upgrade import upgrade
from app.services.errors import InvalidInput

NAME: Final = "python -m app"

COMMANDS: Final = (
    *(results, show, label, labels, notes, delete, review, classify),
    *(stats, timeline, calibration, drift, models, replay),
    *(export, backup, restore, prune, pack, copy_to),
    *(audit, serve, upgrade, check),
)

program = typer.Typer(
    help="PixelWise reads hand-drawn digits and stores every answer."
    "\n\nThe commands work on the database that DATABASE_URL names, with or without a running service.",
    epilog="Exit status: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + ".",
    # `python -m app` could not have it.
    add_completion=False,
    # Rich's help cuts off names.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@program.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        typer.echo(f"pixelwise {__version__}")
        raise typer.Exit


for command in COMMANDS:
    program.command(cls=StrictCommand)(command)
program.add_typer(keys.program, name="keys")
fast_start.collect_garbage_less_often()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, or show the help; return the exit code. `arguments` is None in the program `pixelwise`."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _escape_unencodable(stream)
    name = NAME
    if arguments is None:
        arguments, name = sys.argv[1:], "pixelwise"
    try:
        with lost_interrupts_repeated():
            outcome = program(arguments or ["--help"], prog_name=name, standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        return _fail(_usage_message(error), error.exit_code)
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
        _discard_unwritten_output()
        return _fail(_message(error), code)
    return outcome or ExitCode.SUCCESS


def _open_closed_streams() -> None:
    """Replace None, which Python has for them. Writing to standard output fails, as to a full disk."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _discard_unwritten_output() -> None:
    """Python would write it again at the end, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_unencodable(stream: TextIO) -> None:
    if reconfigure := getattr(stream, "reconfigure", None):
        reconfigure(errors="backslashreplace")


def _message(error: Exception) -> str:
    from app.database.errors import describe

    match error:
        case InvalidInput():
            return f"{option_name(error.place)}: {error}"
        case OSError():
            reason = error.strerror or str(error)
            return f"{error.filename}: {reason}" if error.filename else reason
    return describe(error)


def _usage_message(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())
    return f"{text.rstrip('.')}; see {context.command_path} --help" if text and context else text


def _fail(message: str, code: int) -> int:
    if message:
        say(f"pixelwise: {message}")
    return code
