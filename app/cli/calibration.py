from app.cli import context
from app.cli.options import Json, query_options
from app.cli.tables import print_facts, print_table
from app.cli.terminal import print_json
from app.schemas.calibration import Calibration, CalibrationQuery


@query_options(CalibrationQuery)
def calibration(query: CalibrationQuery, as_json: Json = False) -> None:
    """Compare the confidence of predictions with their accuracy.

    Example: python -m app calibration --sample random
    """
    from app.services.calibration import calibration as get_calibration

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
            "mean confidence": calibration.mean_confidence,
            "accuracy": calibration.accuracy,
            "expected calibration error": calibration.expected_calibration_error,
        }
    )
    if calibration.bins:
        print_table(
            ("confidence", "predictions", "mean confidence", "accuracy", "95 % interval"),
            [
                (
                    f"{part.lowest:.3f} to {part.highest:.3f}",
                    part.count,
                    part.mean_confidence,
                    part.accuracy,
                    f"{part.interval[0]:.3f} to {part.interval[1]:.3f}",
                )
                for part in calibration.bins
            ],
            blank_before=True,
        )
