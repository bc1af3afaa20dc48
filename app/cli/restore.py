from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json, Yes
from app.cli.tables import format_prediction_count, format_value
from app.cli.terminal import confirm, print_json, progress_bar, say
from app.schemas.backup import BackupManifest
from app.schemas.restore import Restored


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, with its manifest beside it.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Replace the database with a backup.

    Stop the service first. The backup is checked, and the old file is kept under another name. PostgreSQL needs an
    empty database and pg_restore.

    Example: python -m app restore backups/pixelwise-20261120T031500.000000Z.db
    """
    from app.config import get_settings
    from app.services.restore import read_manifest
    from app.services.restore import restore as restore_backup

    database_url = get_settings().database_url
    manifest = read_manifest(file)
    if not yes:
        confirm(f"Replace the database with the {_describe(manifest)}?")
    with progress_bar("Opening") as progress:
        restored = restore_backup(database_url, file, progress)
    if as_json:
        print_json(restored)
    else:
        _print_restored(restored)


def _describe(manifest: BackupManifest) -> str:
    return f"backup of {format_value(manifest.created_at)} UTC with {format_prediction_count(manifest)}"


def _print_restored(restored: Restored) -> None:
    say(f"Restored the {_describe(restored.manifest)}.")
    for old_name, new_name in restored.kept.items():
        say(f"The old {old_name} is now {new_name}.")
    if restored.kept:
        say("To go back, stop the service, delete the restored database and give the old files their names again.")
    if restored.problem:
        say(f"Before you start the service: {restored.problem}.")
