from typing import Annotated

import typer

from app.cli import context
from app.cli.context import CLIENT
from app.cli.options import Json, PredictionId, validate
from app.cli.tables import print_table
from app.cli.terminal import print_json, say
from app.schemas.labels import LabelUpdate


def label(
    prediction_id: PredictionId,
    value: Annotated[str, typer.Argument(metavar="LABEL", help="0 to 9, or none for a drawing that is not a digit.")],
    source: Annotated[
        str | None, typer.Option(metavar="<name>", help=f"The name of the person. Default: {CLIENT}.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Label a drawing with the digit that it shows.

    The newest label counts. To confirm a prediction, give it the same label.

    Example: python -m app label 12 7 --source anna
    """
    from app.services.labels import set_label

    update = validate(LabelUpdate, {"label": value, "source": CLIENT if source is None else source}, label="LABEL")
    updated = context.write(lambda session: set_label(session, prediction_id, update, context.actor(), None))
    if as_json:
        print_json(updated.result)
    else:
        reading = f"prediction {prediction_id} ({updated.result.prediction})"
        say(f"Labelled {reading} as {update.label} by {update.source}.")


def labels(prediction_id: PredictionId, as_json: Json = False) -> None:
    """List the labels of a drawing, the newest first.

    Example: python -m app labels 12
    """
    from app.services.labels import list_labels

    history = context.read(lambda session: list_labels(session, prediction_id))
    if as_json:
        print_json(history)
    else:
        rows = [(label.label, label.source, label.created_at) for label in history.labels]
        print_table(("label", "source", "time (UTC)"), rows)
