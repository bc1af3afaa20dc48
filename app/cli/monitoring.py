"""Commands that say whether the answers can still be trusted: calibration and drift."""

from typing import Annotated

import typer

from app.cli import resources
from app.cli.options import takes
from app.cli.status import Status
from app.cli.tables import print_facts, print_table, written
from app.cli.terminal import Json, print_json, say
from app.schemas.calibration import Calibration, CalibrationQuery
from app.schemas.drift import Drift, DriftQuery, Window


@takes(CalibrationQuery)
def calibration(query: CalibrationQuery, as_json: Json = False) -> None:
    """Compare how sure answers were with how right they were.

    Example: python -m app calibration --sample random
    """
    # Imported in the commands because what lies behind it, SciPy above all, takes longer to load than `--help` may.
    from app.services.calibration import calibration as judge

    found = resources.read(lambda session: judge(session, query))
    if as_json:
        print_json(found)
    else:
        _print_calibration(found)


def _print_calibration(found: Calibration) -> None:
    print_facts(
        {
            "status": found.status,
            "labelled": f"{found.labelled} (it takes {found.needed})",
            "mean confidence": found.mean_confidence,
            "accuracy": found.accuracy,
            "expected calibration error": found.expected_calibration_error,
        }
    )
    if found.bins:
        print_table(
            ("confidence", "answers", "mean confidence", "accuracy", "95 % interval"),
            [
                (
                    f"{part.lowest:.3f} to {part.highest:.3f}",
                    part.count,
                    part.mean_confidence,
                    part.accuracy,
                    f"{part.interval[0]:.3f} to {part.interval[1]:.3f}",
                )
                for part in found.bins
            ],
            below=True,
        )


@takes(DriftQuery)
def drift(
    query: DriftQuery,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {Status.NOT_DONE:d} when there is drift, for cron.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the newest drawings and answers with those before.

    Drift is when the digits, the confidence or the ink differ, by much and not by chance.

    Every night: python -m app drift --exit-code || echo "It has changed."
    """
    from app.services.drift import drift as compare

    found = resources.read(lambda session: compare(session, query))
    if as_json:
        print_json(found)
    else:
        _print_drift(found)
    if exit_code and found.status == "drift":
        raise typer.Exit(Status.NOT_DONE)


def _print_drift(found: Drift) -> None:
    print_facts(
        {
            "status": found.status,
            "window": _described(found.window, found.needed),
            "reference": _described(found.reference, found.needed),
        }
    )
    if found.signals:
        print_table(
            ("signal", "window", "reference", "p", "psi", "needed", "drifted"),
            [
                (
                    signal.name,
                    _mean(signal.window),
                    _mean(signal.reference),
                    signal.adjusted_p,
                    signal.psi,
                    signal.psi_threshold,
                    signal.drifted,
                )
                for signal in found.signals
            ],
            below=True,
        )
        say(f"A signal drifts when p is below {found.thresholds.p:g} and psi at least what is needed.")


def _described(window: Window, needed: int) -> str:
    text = (
        f"{window.count} drawings, {written(window.since)} to {written(window.until)} UTC" if window.count else "none"
    )
    return f"{text} (it takes {needed})" if window.count < needed else text


def _mean(known: float | dict[str, float]) -> float | None:
    """Return the mean; the shares of the digits would fill the line."""
    return known if isinstance(known, float) else None
