"""`results`, `show`, `notes` and `delete`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from app.cli import context
from app.cli.drawing import print_drawing
from app.cli.exit_codes import Failure
from app.cli.options import checked, takes
from app.cli.tables import print_facts, print_table, written
from app.cli.terminal import Json, is_interactive, print_json, say
from app.schemas.labels import LabelRead
from app.schemas.results import NotesUpdate, Result, ResultsPage, ResultsQuery, ResultSummary
from app.schemas.types import LAST_ID

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CLIENT = "command line"
PAGE = 1000
_COLUMNS = ("id", "prediction", "confidence", "label", "time (UTC)", "model version", "notes")

Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=LAST_ID, help="The id of a prediction.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", min=1, max=LAST_ID, help="The ids of predictions.")]


@takes(ResultsQuery)
def results(
    query: ResultsQuery,
    every: Annotated[bool, typer.Option("--all", help="Every page; JSON then has a line for each prediction.")] = False,
    as_json: Json = False,
) -> None:
    """Find predictions, the newest first; all conditions together.

    What the model was unsure of and people called a 7:

    python -m app results --max-confidence 0.8 --label 7 --since 2026-11-01
    """
    if every and "limit" in query.model_fields_set:
        raise typer.BadParameter("cannot be used together with --all", param_hint="--limit")
    asked = query.model_copy(update={"limit": PAGE}) if every else query
    for number, page in enumerate(_pages(asked, every=every)):
        if as_json:
            print_json(*(page.results if every else [page]))
            continue
        _print_results(page.results, with_headings=not number)
        if page.next is not None and not every:
            say(f"There are more: add --cursor {page.next}, or --all.")


def _pages(query: ResultsQuery, *, every: bool) -> Iterator[ResultsPage]:
    """Yield one page, or all of them, each read by itself: nothing stays open while a pager waits for its reader."""
    # Imported in the commands because what lies behind it, SQLAlchemy first, takes longer to load than `--help` may.
    from app.services.results import list_page

    with context.opened() as database:
        following: str | None = query.cursor
        while True:
            with database.snapshot() as session:
                page = list_page(session, query.model_copy(update={"cursor": following}))
            yield page
            following = page.next
            if following is None or not every:
                return


def _print_results(found: list[ResultSummary], *, with_headings: bool = True) -> None:
    rows = [
        (row.id, row.prediction, row.confidence, row.label, row.created_at, row.model_version, row.notes)
        for row in found
    ]
    print_table(_COLUMNS, rows, with_headings=with_headings)


def show(prediction_id: Id, as_json: Json = False) -> None:
    """Show one prediction: its drawing, scores, notes and labels.

    Example: python -m app show 12
    """
    from app.services.labels import list_labels
    from app.services.results import find_drawing, get

    result, said, pixels = context.read(
        lambda session: (
            get(session, prediction_id).result,
            list_labels(session, prediction_id).labels,
            find_drawing(session, prediction_id),
        )
    )
    if as_json:
        print_json(result)
        return
    if pixels is not None:
        print_drawing(pixels)
    print_facts(_known(result, said))


def _known(result: Result, said: list[LabelRead]) -> dict[str, object]:
    scores = sorted((result.scores or {}).items(), key=lambda score: -score[1])
    words = [f"{word.label} by {word.source}, {written(word.created_at)}" for word in said]
    return {
        "id": result.id,
        "prediction": result.prediction,
        "confidence": result.confidence,
        "label": result.label,
        "notes": result.notes,
        "scores": "  ".join(f"{digit} {score:.3f}" for digit, score in scores[:3]) or None,
        "time (UTC)": result.created_at,
        "model version": result.model_version,
        "request id": result.request_id,
        **({"labels": Text("\n".join(map(written, words)))} if words else {}),
    }


def notes(
    prediction_id: Id,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The new notes; they replace the old.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the notes away.")] = False,
    as_json: Json = False,
) -> None:
    """Write notes on a prediction, or take them away.

    Example: python -m app notes 12 "with a bar"
    """
    from app.services.results import set_notes

    if (text is None) != clear:
        raise typer.BadParameter("give either a text or --clear", param_hint="TEXT")
    update = NotesUpdate(notes=None) if text is None else checked(NotesUpdate, {"notes": text}, notes="TEXT")
    record = context.write(lambda session: set_notes(session, prediction_id, update.notes, None))
    if as_json:
        print_json(record.result)
    else:
        say(f"Prediction {prediction_id} has {'no' if clear else 'these'} notes.")


def delete(
    ids: Ids, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be.")] = False
) -> None:
    """Delete predictions with their drawings and labels.

    All of them, or none when one of them is not there.

    Example: python -m app delete 12 13 --yes
    """
    from app.services import results as service

    wanted = sorted(set(ids))
    many = f"{len(wanted)} predictions" if len(wanted) > 1 else f"prediction {wanted[0]}"
    if not yes:
        if not is_interactive():
            raise Failure(f"nobody can be asked here; add --yes to delete {many}")
        if not typer.confirm(f"Delete {many} with drawing and labels, for good?", err=True):
            raise Failure("nothing was deleted")

    def remove(session: "Session") -> None:
        for prediction_id in wanted:
            service.delete(session, prediction_id, None)

    context.write(remove)
    say(f"Deleted {many}.")
