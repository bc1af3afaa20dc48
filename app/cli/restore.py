"""`restore`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import context
from app.cli.backup import Steps, copy_errors, size_of
from app.cli.exit_codes import Failure
from app.cli.terminal import Json, is_interactive, print_json, progress, say
from app.schemas.backup import BackupManifest
from app.schemas.restore import Restored


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, with its manifest beside it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be.")] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the database.

    Checks the backup first, and refuses while anybody uses the database. The old file is kept under another name. On
    PostgreSQL the database must be empty, and pg_restore installed.

    Example: python -m app restore backups/pixelwise-20261120T031500.000000Z.db
    """
    from app.services.restore import read_manifest
    from app.services.restore import restore as put_back

    with copy_errors(), context.database_errors():
        url = context.database_url()
        manifest = read_manifest(file)
        if not yes:
            _ask(manifest)
        with progress() as bars:
            done = put_back(url, file, Steps(bars).show)
    if as_json:
        print_json(done)
    else:
        _tell(done)


def _ask(manifest: BackupManifest) -> None:
    if not is_interactive():
        raise Failure("nobody can be asked here; add --yes to replace the database")
    question = (
        f"Replace the database by the backup of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, {size_of(manifest)}?"
    )
    if not typer.confirm(question, err=True):
        raise Failure("nothing was changed")


def _tell(done: Restored) -> None:
    say(f"The database is that of {done.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC: {size_of(done.manifest)}.")
    for old, now in done.kept.items():
        say(f"{old} is kept as {now}.")
    if done.kept:
        say("To go back, stop the service, delete the database that is there now, and give these their names again.")
    if done.problem:
        say(f"Before the service starts: {done.problem}.")
