"""`replay`: every stored drawing is scored with another model."""

from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli import context
from app.cli.stats import accuracy
from app.cli.tables import print_facts, print_table
from app.cli.terminal import Json, print_json, progress, say
from app.schemas.replay import OnLabelled, ReplayReport

# The others are in the report.
MOST_FLIPS: Final = 20


def replay(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file made for PixelWise.")],
    output: Annotated[
        Path | None, typer.Option(metavar="<folder>", help="Where the report goes; named after the model if not given.")
    ] = None,
    model_version: Annotated[
        str | None, typer.Option(metavar="<text>", help="Only the drawings that this version answered.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score every stored drawing with another model, and compare.

    Stopped and started again, it goes on where it was. The folder then holds report.json, flips.html and flips.csv.

    Example: python -m app replay models/mine.onnx
    """
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.replay import replay as compare

    with context.model_errors(), progress() as bars, context.opened() as database:
        task = bars.add_task("Scoring", total=None)
        found = compare(
            database,
            context.model_of(model),
            context.loaded_model(),
            folder=output,
            model_version=model_version,
            progress=lambda step, done, total: bars.update(task, description=step, completed=done, total=total),
        )
    if as_json:
        print_json(found.report)
    else:
        _print_report(found.report)
    say(f"Wrote {found.report_file}, {found.page_file} (look at it in a browser) and {found.table_file}.")


def _print_report(report: ReplayReport) -> None:
    agreement, speed = report.agreement, report.latency
    interval = f" ({agreement.interval[0]:.3f} to {agreement.interval[1]:.3f})" if agreement.interval else ""
    print_facts(
        {
            "verdict": report.verdict,
            "on drawings drawn at random": report.verdict_at_random,
            "on drawings kept for testing": report.verdict_held_out,
            "model": f"{report.model.version} ({report.model.sha256[:8]})",
            "drawings": report.drawings,
            "same answer": None if agreement.agreement is None else f"{agreement.agreement:.3f}{interval}",
            "microseconds a drawing": speed and f"{speed.new.single:g}; the loaded model {speed.loaded.single:g}",
        }
    )
    print_table(
        ("labelled", "drawings", "stored answers", "new answers", "only stored correct", "only new correct", "p"),
        [
            _compared("all", report.labelled),
            _compared("drawn at random", report.at_random),
            _compared("kept for testing", report.held_out),
        ],
        below=True,
    )
    print_table(
        ("label", "drawings", "stored correct", "new correct"),
        [(on.label, on.drawings, on.stored_correct, on.new_correct) for on in report.labels],
        below=True,
    )
    flips = [(flip.stored, flip.new, flip.drawings) for flip in report.flips[:MOST_FLIPS]]
    print_table(("stored", "new", "drawings"), flips, below=True)


def _compared(name: str, on: OnLabelled) -> tuple[object, ...]:
    accuracies = accuracy(on.stored), accuracy(on.new)
    return name, on.drawings, *accuracies, on.only_stored_correct, on.only_new_correct, on.p_value
