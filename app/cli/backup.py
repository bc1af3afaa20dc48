from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli import context
from app.cli.options import Json, parse_path, parser_of
from app.cli.tables import format_prediction_count
from app.cli.terminal import print_json, progress_bar, say
from app.schemas.types import PositiveInteger

DEFAULT_KEEP: Final = "7"


def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            parser=parse_path,
            help="The folder for backups; created if missing. Default: PIXELWISE_BACKUP_FOLDER in .env, or backups.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="<int>",
            parser=parser_of(PositiveInteger),
            help="How many backups to keep; older ones are deleted. Default: PIXELWISE_BACKUPS_KEPT in .env, or 7.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Back up the database, beside a running service.

    The file is checked, and described by FILE.manifest.json. PostgreSQL needs pg_dump.

    Every night: python -m app backup /var/backups/pixelwise --keep 30
    """
    from app.config import DEFAULT_BACKUP_FOLDER, deployment_setting
    from app.services.backup import back_up

    folder = folder or Path(deployment_setting("PIXELWISE_BACKUP_FOLDER", DEFAULT_BACKUP_FOLDER))
    keep = keep or int(deployment_setting("PIXELWISE_BACKUPS_KEPT", DEFAULT_KEEP))
    with progress_bar("Opening") as progress, context.open_database(at_any_revision=True) as database:
        file, manifest = back_up(database, folder, keep, progress)
    if as_json:
        print_json(manifest)
        return
    say(f"Wrote {file}: {format_prediction_count(manifest)}, {manifest.size:,} bytes.")
    if manifest.orphans:
        say(f"{manifest.orphans} rows refer to deleted rows; they were deleted without PRAGMA foreign_keys=ON.")
