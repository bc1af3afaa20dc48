from pathlib import Path
from typing import Annotated, Final

import typer

from app.analysis.number_texts import format_share
from app.cli import context
from app.cli.options import Json, parse_path
from app.cli.tables import PValue, format_accuracy, format_digit_or_not, format_range, print_facts, print_table, share
from app.cli.terminal import print_json, progress_bar, say
from app.schemas.replay import LabelledComparison, ReplayReport

_MAX_FLIPS: Final = 20


def replay(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file made for PixelWise.")],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="<folder>",
            parser=parse_path,
            help="The folder for the report. Default: named after the model.",
        ),
    ] = None,
    model_version: Annotated[
        str | None, typer.Option(metavar="<text>", help="Only drawings that this version answered.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score every stored drawing with another model, and compare.

    Writes report.json, flips.html and flips.csv. Run an interrupted replay again to continue.

    Example: python -m app replay models/mine.onnx
    """
    from app.classifier import Classifier, get_classifier
    from app.services.replay import replay as run_replay

    with progress_bar("Scoring") as progress, context.open_database() as database:
        replayed = run_replay(
            database,
            Classifier(model),
            get_classifier(),
            folder=output,
            model_version=model_version,
            progress=progress,
        )
    if as_json:
        print_json(replayed.report)
    else:
        _print_report(replayed.report)
    say(f"Wrote {replayed.report_file}, {replayed.page_file} (open it in a browser) and {replayed.table_file}.")


def _print_report(report: ReplayReport) -> None:
    _print_summary(report)
    print_table(
        ("labelled", "drawings", "stored answers", "new answers", "only stored correct", "only new correct", "p"),
        [
            _comparison("all", report.labelled),
            _comparison("drawn at random", report.at_random),
            _comparison("kept for testing", report.held_out),
        ],
        blank_before=True,
    )
    _print_not_a_digit(report)
    print_table(
        ("label", "drawings", "stored correct", "new correct"),
        [(row.label, row.drawings, row.stored_correct, row.new_correct) for row in report.labels],
        blank_before=True,
    )
    flips = [(flip.stored, flip.new, flip.drawings) for flip in report.flips[:_MAX_FLIPS]]
    print_table(("stored", "new", "drawings"), flips, blank_before=True)


def _print_not_a_digit(report: ReplayReport) -> None:
    said, labelled = report.not_a_digit, report.labelled
    print_table(
        ("not a digit", "answers", "share", "only these", "labelled none"),
        [
            ("stored", said.stored, share(said.stored_share), said.only_stored, format_digit_or_not(labelled.stored)),
            ("new", said.new, share(said.new_share), said.only_new, format_digit_or_not(labelled.new)),
        ],
        blank_before=True,
    )


def _print_summary(report: ReplayReport) -> None:
    agreement, latency = report.agreement, report.latency
    interval = f" ({format_range(*agreement.interval)})" if agreement.interval else ""
    print_facts(
        {
            "verdict": report.verdict,
            "on drawings drawn at random": report.verdict_at_random,
            "on drawings kept for testing": report.verdict_held_out,
            "model": f"{report.model.version} ({report.model.sha256[:8]})",
            "drawings": report.drawings,
            "same answer": None if agreement.agreement is None else f"{format_share(agreement.agreement)}{interval}",
            "microseconds a drawing": latency and f"{latency.new.single:g}; the loaded model {latency.loaded.single:g}",
        }
    )


def _comparison(name: str, part: LabelledComparison) -> tuple[object, ...]:
    accuracies = format_accuracy(part.stored), format_accuracy(part.new)
    p = PValue(part.p_value) if part.drawings else None
    return name, part.drawings, *accuracies, part.only_stored_correct, part.only_new_correct, p
