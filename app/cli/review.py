from typing import TYPE_CHECKING, Final

import typer

from app.analysis.number_texts import format_share
from app.cli import context
from app.cli.context import CLIENT
from app.cli.drawing import print_drawing
from app.cli.exit_codes import CommandError
from app.cli.keyboard import Keyboard, open_keyboard
from app.cli.options import Json, query_options
from app.cli.tables import format_top_scores
from app.cli.terminal import is_interactive, print_json, say
from app.drawings.shape import DIGITS, LABELS, NOT_A_DIGIT, says_not_a_digit
from app.logs.printable import printable
from app.schemas.labels import LabelUpdate
from app.schemas.review import ReviewItem, ReviewQuery
from app.services.errors import NotFound

if TYPE_CHECKING:
    from app.database import Database

NONE, SKIP, QUIT, CONFIRM = "n", "s", "q", "\n"
KEYS: Final = f"0 to 9: label as this digit. Enter: confirm. {NONE}: not a digit. {SKIP}: skip. {QUIT}: quit."


@query_options(ReviewQuery)
def review(query: ReviewQuery, as_json: Json = False) -> None:
    """Label the drawings that most need a label, one key each.

    These are the digits with the smallest margin, and one drawing in five at random; with --queue not_a_digit those
    that the model takes for no digit. They are reserved for ten minutes. Each label is on disk before the next drawing
    is shown.

    Example: python -m app review --limit 20 --reviewer anna
    """
    import asyncio

    from app.services.review import offer_page

    if not as_json and not is_interactive():
        raise CommandError("review needs a terminal; --json lists the drawings instead")
    with context.open_database() as database:
        page = asyncio.run(offer_page(database, query, context.actor()))
        if as_json:
            print_json(page)
        elif not page.results:
            say("There is nothing to review.")
        else:
            _review_all(database, page.results, query.reviewer or CLIENT)


def _review_all(database: "Database", items: list[ReviewItem], reviewer: str) -> None:
    labelled = 0
    say(KEYS)
    with open_keyboard() as keyboard:
        for number, item in enumerate(items, 1):
            keyboard.discard_input()
            _show(database, item, f"{number} of {len(items)}")
            key = _read_answer(keyboard, item)
            if key == QUIT:
                break
            if key != SKIP:
                labelled += _label(database, item, key, reviewer)
    say(f"Labelled {labelled} of {len(items)} drawings.")


def _show(database: "Database", item: ReviewItem, position: str) -> None:
    from app.services.results import find_drawing

    with database.snapshot() as session:
        pixels = find_drawing(session, item.id)
    if pixels is not None:
        print_drawing(pixels)
    prediction, scores = printable(item.prediction), format_top_scores(item.scores or {})
    if _claim(item) == NOT_A_DIGIT:
        prediction = f"not a digit, best guess {prediction}"
    if item.not_a_digit is not None:
        scores += f"  not a digit {format_share(item.not_a_digit)}"
    typer.echo(f"{position}: prediction {item.id} ({item.reason}) was read as {prediction}.  {scores}")


def _claim(item: ReviewItem) -> str:
    """Return the label that agrees with the model."""
    return NOT_A_DIGIT if says_not_a_digit(item.not_a_digit) else item.prediction


def _read_answer(keyboard: Keyboard, item: ReviewItem) -> str:
    valid = {*DIGITS, NONE, SKIP, QUIT}
    if _claim(item) in LABELS:
        valid.add(CONFIRM)
    while (key := keyboard.read_key()) not in valid:
        say(KEYS)
    return key


def _label(database: "Database", item: ReviewItem, key: str, reviewer: str) -> bool:
    """Store the label; return False if the prediction is gone."""
    from app.services.labels import set_label

    label = {NONE: NOT_A_DIGIT, CONFIRM: _claim(item)}.get(key, key)
    update = LabelUpdate(label=label, source=reviewer)
    try:
        with database.transaction() as session:
            set_label(session, item.id, update, context.actor(), None)
    except NotFound as error:
        say(str(error))
        return False
    typer.echo(f"Labelled prediction {item.id} as {label}.\n")
    return True
