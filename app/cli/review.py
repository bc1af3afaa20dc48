"""`review`: a person looks at the drawings that are most worth it, one after the other."""

from typing import TYPE_CHECKING, Final

import typer

from app.cli import context
from app.cli.drawing import print_drawing
from app.cli.exit_codes import Failure
from app.cli.options import takes
from app.cli.results import CLIENT
from app.cli.terminal import Json, is_interactive, plain, print_json, say
from app.drawings.shape import DIGITS
from app.schemas.labels import LabelUpdate
from app.schemas.review import ReviewItem, ReviewQuery
from app.services.errors import NotFound

if TYPE_CHECKING:
    from app.cli.keyboard import Keyboard
    from app.database import Database

NONE, SKIP, QUIT = "n", "s", "q"
ENTER: Final = "\n"
KEYS: Final = f"0 to 9: it is this digit. Enter: it was read right. {NONE}: no digit. {SKIP}: skip. {QUIT}: quit."


@takes(ReviewQuery)
def review(query: ReviewQuery, as_json: Json = False) -> None:
    """Label the drawings that are most worth it, with one key each.

    Those the model was least sure of, and one in five at random. Each label is on disk before the next drawing is
    shown. What is shown, or listed with --json, is reserved for ten minutes.

    Example: python -m app review --limit 20 --reviewer anna
    """
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.review import offer

    if not as_json and not is_interactive():
        raise Failure("a person is asked, and there is no terminal here; --json lists what would be shown")
    with context.opened() as database:
        with database.transaction() as session:
            page = offer(session, query)
        if as_json:
            print_json(page)
        elif not page.results:
            say("There is nothing to review.")
        else:
            _go_through(database, page.results, query.reviewer or CLIENT)


def _go_through(database: "Database", items: list[ReviewItem], reviewer: str) -> None:
    # Imported here because not every system has such terminals.
    from app.cli.keyboard import keyboard

    labelled = 0
    say(KEYS)
    with keyboard() as keys:
        for number, item in enumerate(items, 1):
            keys.forget()
            _show(database, item, f"{number} of {len(items)}")
            key = _answer(keys, item)
            if key == QUIT:
                break
            if key != SKIP:
                labelled += _label(database, item, key, reviewer)
    say(f"Labelled {labelled} of {len(items)} drawings.")


def _show(database: "Database", item: ReviewItem, place: str) -> None:
    from app.services.results import find_drawing

    with database.snapshot() as session:
        pixels = find_drawing(session, item.id)
    if pixels is not None:
        print_drawing(pixels)
    likeliest = sorted(item.scores.items(), key=lambda scored: -scored[1])[:3]
    scores = "  ".join(f"{name} {score:.3f}" for name, score in likeliest)
    typer.echo(f"{place}: prediction {item.id} ({item.reason}) was read as {plain(item.prediction)}.  {scores}")


def _answer(keys: "Keyboard", item: ReviewItem) -> str:
    """Wait for a key that means something here."""
    meaningful = {*DIGITS, NONE, SKIP, QUIT}
    if item.prediction in DIGITS:
        meaningful |= {ENTER}
    while (key := keys.wait()) not in meaningful:
        say(KEYS)
    return key


def _label(database: "Database", item: ReviewItem, key: str, reviewer: str) -> bool:
    """Store what a key says about a drawing; return whether the drawing was still there."""
    from app.services.labels import set_label

    word = "none" if key == NONE else item.prediction if key == ENTER else key
    update = LabelUpdate(label=word, source=reviewer)
    try:
        with database.transaction() as session:
            set_label(session, item.id, update, CLIENT, None)
    except NotFound as gone:
        say(str(gone))
        return False
    typer.echo(f"Prediction {item.id} is {'no digit' if word == 'none' else word}.\n")
    return True
