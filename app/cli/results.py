from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from app.cli import context
from app.cli.drawing import print_drawing
from app.cli.options import Json, PredictionId, PredictionIds, Yes, query_options, validate
from app.cli.tables import Share, format_top_scores, format_value, print_facts, print_table, share
from app.cli.terminal import confirm, print_json, say
from app.schemas.audit import Action
from app.schemas.labels import LabelRead
from app.schemas.results import NotesUpdate, Result, ResultsPage, ResultsQuery, ResultSummary

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_PAGE_SIZE_OF_ALL: Final = 1000
_HEADINGS: Final = ("id", "prediction", "confidence", "not a digit", "label", "time (UTC)", "model version", "notes")


@query_options(ResultsQuery)
def results(
    query: ResultsQuery,
    every: Annotated[bool, typer.Option("--all", help="All pages; with --json one line for each prediction.")] = False,
    as_json: Json = False,
) -> None:
    """List predictions, the newest first.

    Example: python -m app results --max-confidence 0.8 --label 7 --since 2026-11-01
    """
    if every and "limit" in query.model_fields_set:
        raise typer.BadParameter("cannot be combined with --all", param_hint="--limit")
    if every:
        query = query.model_copy(update={"limit": _PAGE_SIZE_OF_ALL})
    for number, page in enumerate(_pages(query, every=every)):
        if as_json:
            print_json(*(page.results if every else [page]))
            continue
        _print_results(page.results, with_headings=not number)
        if page.next is not None and not every:
            say(f"There are more predictions: add --cursor {page.next}, or --all.")


def _pages(query: ResultsQuery, *, every: bool) -> Iterator[ResultsPage]:
    """Yield one page or all, each from its own snapshot."""
    from app.services.results import list_page

    with context.open_database() as database:
        cursor: str | None = query.cursor
        while True:
            with database.snapshot() as session:
                page = list_page(session, query.model_copy(update={"cursor": cursor}))
            yield page
            cursor = page.next
            if cursor is None or not every:
                return


def _print_results(results: list[ResultSummary], *, with_headings: bool) -> None:
    rows = [
        (
            result.id,
            result.prediction,
            Share(result.confidence),
            share(result.not_a_digit),
            result.label,
            result.created_at,
            result.model_version,
            result.notes,
        )
        for result in results
    ]
    print_table(_HEADINGS, rows, with_headings=with_headings)


def show(prediction_id: PredictionId, as_json: Json = False) -> None:
    """Show one prediction: its drawing, scores, notes and labels.

    Example: python -m app show 12
    """
    from app.services.labels import list_labels
    from app.services.results import find_drawing, get_result

    result, labels, pixels = context.read(
        lambda session: (
            get_result(session, prediction_id).result,
            list_labels(session, prediction_id).labels,
            find_drawing(session, prediction_id),
        )
    )
    if as_json:
        print_json(result)
        return
    if pixels is not None:
        context.record_read(Action.DRAWING, f"prediction {prediction_id}")
        print_drawing(pixels)
    print_facts(_facts(result, labels))


def _facts(result: Result, labels: list[LabelRead]) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": result.id,
        "prediction": result.prediction,
        "confidence": Share(result.confidence),
        "not a digit": share(result.not_a_digit),
        "label": result.label,
        "notes": result.notes,
        "scores": format_top_scores(result.scores) if result.scores else None,
        "time (UTC)": result.created_at,
        "model version": result.model_version,
        "request id": result.request_id,
    }
    if result.trace_id:
        facts["trace id"] = result.trace_id
    if result.hint:
        facts["hint"] = result.hint
    if labels:
        lines = [f"{label.label} by {label.source}, {format_value(label.created_at)}" for label in labels]
        facts["labels"] = Text("\n".join(map(format_value, lines)))
    return facts


def notes(
    prediction_id: PredictionId,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The new notes; they replace the old.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the notes.")] = False,
    as_json: Json = False,
) -> None:
    """Write or remove the notes of a prediction.

    Example: python -m app notes 12 "with a bar"
    """
    from app.services.results import set_notes

    if (text is None) != clear:
        raise typer.BadParameter("give either a text or --clear", param_hint="TEXT")
    update = NotesUpdate(notes=None) if text is None else validate(NotesUpdate, {"notes": text}, notes="TEXT")
    updated = context.write(lambda session: set_notes(session, prediction_id, update.notes, context.actor(), None))
    if as_json:
        print_json(updated.result)
    else:
        say(f"{'Removed' if clear else 'Wrote'} the notes of prediction {prediction_id}.")


def delete(ids: PredictionIds, yes: Yes = False) -> None:
    """Delete predictions with their drawings and labels.

    If one of them does not exist, none is deleted.

    Example: python -m app delete 12 13 --yes
    """
    from app.services import results as service

    unique_ids = sorted(set(ids))
    subject = f"{len(unique_ids)} predictions" if len(unique_ids) > 1 else f"prediction {unique_ids[0]}"
    if not yes:
        confirm(f"Delete {subject} with drawings and labels? This cannot be undone.")

    def delete_all(session: "Session") -> None:
        for prediction_id in unique_ids:
            service.delete_result(session, prediction_id, context.actor(), None)

    context.write(delete_all)
    say(f"Deleted {subject}.")
