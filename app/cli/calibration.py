"""`calibration`."""

from app.cli import context
from app.cli.options import takes
from app.cli.tables import print_facts, print_table
from app.cli.terminal import Json, print_json
from app.schemas.calibration import Calibration, CalibrationQuery


@takes(CalibrationQuery)
def calibration(query: CalibrationQuery, as_json: Json = False) -> None:
    """Compare how sure answers were with how right they were.

    Example: python -m app calibration --sample random
    """
    # Imported in the commands because what lies behind it, SciPy above all, takes longer to load than `--help` may.
    from app.services.calibration import calibration as judge

    found = context.read(lambda session: judge(session, query))
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
