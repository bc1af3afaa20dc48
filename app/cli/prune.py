import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from app.cli import context
from app.cli.options import Json
from app.cli.tables import print_facts
from app.cli.terminal import print_json, progress_bar, say
from app.schemas.prune import Pruned

_AGE: Final = re.compile("([1-9][0-9]{0,3})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

COMPACT: Final = "PRAGMA auto_vacuum=INCREMENTAL; VACUUM"


def prune(
    older_than: Annotated[str, typer.Option(metavar="<age>", help="The age in hours, days or weeks: 36h, 90d or 12w.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete; without it predictions are only counted.")] = False,
    labelled: Annotated[bool, typer.Option("--labelled", help="Delete labelled predictions, too.")] = False,
    audit_older_than: Annotated[
        str | None, typer.Option(metavar="<age>", help="Delete older entries of the audit log, too. Default: keep all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count or delete old predictions, beside a running service.

    Deletes their drawings and labels, and expired idempotency keys, too. It can be interrupted and run again.
    An SQLite file becomes smaller.

    Example: python -m app prune --older-than 90d
    """
    from app.services.prune import PruneQuery
    from app.services.prune import prune as delete_old

    now = datetime.now(UTC)
    audit_before = None if audit_older_than is None else now - _parse_age(audit_older_than, "--audit-older-than")
    query = PruneQuery(now - _parse_age(older_than, "--older-than"), labelled, audit_before)
    # Without a service, nothing else would checkpoint the WAL.
    with progress_bar("Counting") as progress, context.open_database(beside_service=False) as database:
        pruned = delete_old(database, query, context.actor(), dry_run=not yes, progress=progress)
    if as_json:
        print_json(pruned)
    else:
        _print_pruned(pruned)


def _parse_age(text: str, option: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise typer.BadParameter("must be a number and h, d or w, such as 90d", param_hint=option)
    return int(match[1]) * _UNITS[match[2]]


def _print_pruned(pruned: Pruned) -> None:
    print_facts(
        {
            "older than (UTC)": pruned.before,
            "predictions to delete" if pruned.dry_run else "predictions deleted": pruned.predictions,
            "labelled, kept": pruned.labelled_kept,
            "idempotency keys, expired": pruned.idempotency_keys,
            "audit log entries": pruned.audit_entries,
        }
    )
    if pruned.dry_run:
        say("Nothing was changed. Add --yes to delete.")
    elif pruned.free_bytes is None:
        say("PostgreSQL's autovacuum will free the space for new rows; VACUUM does so immediately.")
    elif pruned.released_bytes:
        say(f"The file will be {pruned.released_bytes:,} bytes smaller after the next write of the service.")
    elif pruned.free_bytes:
        say(
            f"{pruned.free_bytes:,} bytes of the file are free for new rows. To make the file smaller, stop the service"
            f' and run: sqlite3 FILE "{COMPACT}"'
        )
