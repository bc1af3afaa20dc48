"""`prune`: what is older than a time is deleted."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from app.cli import context
from app.cli.tables import print_facts
from app.cli.terminal import Json, print_json, progress, say
from app.schemas.prune import Pruned

_AGE: Final = re.compile(r"([1-9]\d{0,3})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

COMPACT: Final = "PRAGMA auto_vacuum=INCREMENTAL; VACUUM"


def prune(
    older_than: Annotated[str, typer.Option(metavar="<age>", help="Such as 90d, 12w or 36h.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete. Without it nothing is changed.")] = False,
    labelled: Annotated[bool, typer.Option("--labelled", help="Delete what people labelled, too.")] = False,
    as_json: Json = False,
) -> None:
    """Delete old predictions, or count them.

    With their drawings and labels, some at a time, beside a running service. Without --yes they are only counted.
    Interrupted, it can be started again. Expired idempotency keys go too, and what gets free in an SQLite file is given
    back to the disk.

    Example: python -m app prune --older-than 90d
    """
    before = datetime.now(UTC) - _age(older_than)
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.prune import prune as delete

    # It writes as much as a service, so where no service runs it has to move SQLite's log into the file itself.
    with progress() as bars, context.opened(beside_service=False) as database:
        task = bars.add_task("Counting", total=None)
        pruned = delete(
            database,
            before,
            labelled=labelled,
            dry_run=not yes,
            progress=lambda step, done, total: bars.update(task, description=step, completed=done, total=total),
        )
    if as_json:
        print_json(pruned)
    else:
        _tell(pruned)


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise typer.BadParameter("write a number and h, d or w, such as 90d", param_hint="--older-than")
    return int(found[1]) * _UNITS[found[2]]


def _tell(pruned: Pruned) -> None:
    print_facts(
        {
            "older than (UTC)": pruned.before,
            "predictions to delete" if pruned.dry_run else "predictions deleted": pruned.predictions,
            "labelled, kept": pruned.labelled_kept,
            "idempotency keys, expired": pruned.idempotency_keys,
        }
    )
    if pruned.dry_run:
        say("Nothing was changed; add --yes to delete them.")
    elif pruned.free_bytes is None:
        say("PostgreSQL's autovacuum frees their room for new rows; VACUUM does so at once.")
    elif pruned.released_bytes:
        say(f"The file can be {pruned.released_bytes:,} bytes smaller, and is after the next write of the service.")
    elif pruned.free_bytes:
        say(
            f"{pruned.free_bytes:,} bytes of the file are free for new rows. To give them back to the disk, stop the"
            f' service once and run: sqlite3 FILE "{COMPACT}"'
        )
