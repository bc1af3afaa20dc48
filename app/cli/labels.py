"""`label` and `labels`."""

from typing import Annotated

import typer

from app.cli import context
from app.cli.options import checked
from app.cli.results import CLIENT, Id
from app.cli.tables import print_table
from app.cli.terminal import Json, print_json, say
from app.schemas.labels import LabelUpdate


def label(
    prediction_id: Id,
    word: Annotated[str, typer.Argument(metavar="LABEL", help="0 to 9, or none for not a digit.")],
    source: Annotated[str | None, typer.Option(metavar="<name>", help=f"Who says so; {CLIENT} if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a drawing shows. The last label counts; saying what the model said confirms it.

    Example: python -m app label 12 7 --source anna
    """
    from app.services.labels import set_label

    update = checked(LabelUpdate, {"label": word, "source": source}, label="LABEL")
    record = context.write(lambda session: set_label(session, prediction_id, update, CLIENT, None))
    if as_json:
        print_json(record.result)
    else:
        said = "no digit" if update.label == "none" else update.label
        say(f"Prediction {prediction_id} ({record.result.prediction}) is labelled {said} by {update.source or CLIENT}.")


def labels(prediction_id: Id, as_json: Json = False) -> None:
    """List what was said about a drawing. The newest, which counts, comes first.

    Example: python -m app labels 12
    """
    from app.services.labels import list_labels

    history = context.read(lambda session: list_labels(session, prediction_id))
    if as_json:
        print_json(history)
    else:
        print_table(
            ("label", "source", "time (UTC)"), [(said.label, said.source, said.created_at) for said in history.labels]
        )
