"""`drift`."""

from typing import Annotated

import typer

from app.cli import context
from app.cli.exit_codes import Status
from app.cli.options import takes
from app.cli.tables import print_facts, print_table, written
from app.cli.terminal import Json, print_json, say
from app.schemas.drift import Drift, DriftQuery, Window


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

    found = context.read(lambda session: compare(session, query))
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
