from typing import Annotated

import typer

from app.cli import context
from app.cli.exit_codes import ExitCode
from app.cli.options import Json, query_options
from app.cli.tables import PValue, Share, format_value, print_facts, print_table
from app.cli.terminal import print_json, say
from app.schemas.drift import SHARES, Drift, DriftQuery, Window


@query_options(DriftQuery)
def drift(
    query: DriftQuery,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {ExitCode.FAILURE:d} if there is drift, for cron.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the newest drawings with earlier ones.

    Drift is a large and significant difference in digits, confidence, not_a_digit or ink. After a change of the model,
    add --model-version.

    Every night: python -m app drift --exit-code || echo "The drawings have changed."
    """
    from app.services.drift import get_drift

    found = context.read(lambda session: get_drift(session, query))
    if as_json:
        print_json(found)
    else:
        _print_drift(found)
    if exit_code and found.status == "drift":
        raise typer.Exit(ExitCode.FAILURE)


def _print_drift(drift: Drift) -> None:
    print_facts(
        {
            "status": drift.status,
            "window": _describe(drift.window, drift.needed),
            "reference": _describe(drift.reference, drift.needed),
        }
    )
    if not drift.signals:
        return
    print_table(
        ("signal", "window", "reference", "p", "psi", "threshold", "drifted"),
        [
            (
                signal.name,
                _mean(signal.name, signal.window),
                _mean(signal.name, signal.reference),
                PValue(signal.adjusted_p),
                signal.psi,
                signal.psi_threshold,
                signal.drifted,
            )
            for signal in drift.signals
        ],
        blank_before=True,
    )
    say(f"A signal has drifted if p is below {drift.thresholds.p:g} and psi is at least its threshold.")


def _describe(window: Window, needed: int) -> str:
    text = "none"
    if window.count:
        text = f"{window.count} drawings, {format_value(window.since)} to {format_value(window.until)} UTC"
    return f"{text} (needs {needed})" if window.count < needed else text


def _mean(name: str, value: float | dict[str, float]) -> float | None:
    if not isinstance(value, float):
        return None
    return Share(value) if name in SHARES else value
