from typing import Final

from app.analysis.number_texts import format_share
from app.cli import context
from app.cli.options import Json, query_options
from app.cli.tables import Share, format_range, print_facts, print_table, share
from app.cli.terminal import print_json
from app.schemas.calibration import Calibration, CalibrationQuery

# Good models are above 99.9 %.
_DECIMALS: Final = 4


@query_options(CalibrationQuery)
def calibration(query: CalibrationQuery, as_json: Json = False) -> None:
    """Compare the confidence of predictions with their accuracy.

    Example: python -m app calibration --sample random
    """
    from app.services.calibration import get_calibration

    found = context.read(lambda session: get_calibration(session, query))
    if as_json:
        print_json(found)
    else:
        _print_calibration(found)


def _print_calibration(calibration: Calibration) -> None:
    print_facts(
        {
            "status": calibration.status,
            "labelled": f"{calibration.labelled} (needs {calibration.needed})",
            "mean confidence": share(calibration.mean_confidence),
            "accuracy": share(calibration.accuracy),
            "expected calibration error": calibration.expected_calibration_error,
        }
    )
    if calibration.bins:
        print_table(
            ("confidence", "predictions", "mean confidence", "accuracy", "95 % interval"),
            [
                (
                    format_range(part.lowest, part.highest, _DECIMALS),
                    part.count,
                    format_share(part.mean_confidence, _DECIMALS),
                    Share(part.accuracy),
                    format_range(*part.interval),
                )
                for part in calibration.bins
            ],
            blank_before=True,
        )
