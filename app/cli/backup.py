"""`backup` and `restore`: a copy of everything, and the way back to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from app.cli import resources
from app.cli.status import Failure, Status
from app.cli.terminal import Json, is_interactive, print_json, progress, say
from app.schemas.backup import BackupManifest
from app.schemas.restore import Restored

FOLDER: Final = Path("backups")
KEPT: Final = 7


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made if it is not there.")] = FOLDER,
    keep: Annotated[int, typer.Option(min=1, metavar="<int>", help="The oldest of more are deleted.")] = KEPT,
    as_json: Json = False,
) -> None:
    """Copy the database into a file, beside a running service.

    The file is checked before it gets its name. FILE.manifest.json, beside it, says what it holds. PostgreSQL's
    pg_dump must be installed where that is the database.

    Every night: python -m app backup /var/backups/pixelwise --keep 30
    """
    # Imported in the commands because what lies behind it takes longer to load than `--help` may.
    from app.services.backup import back_up

    with _copying(), progress() as bars, resources.opened(at_any_revision=True) as database:
        file, manifest = back_up(database, folder, keep, _Steps(bars).show)
    if as_json:
        print_json(manifest)
        return
    say(f"Wrote {file}: {_held(manifest)}, {manifest.size:,} bytes.")
    if manifest.orphans:
        say(f"{manifest.orphans} rows refer to rows that are gone, deleted without PRAGMA foreign_keys=ON.")


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

    with _copying(), resources.database_errors():
        url = resources.database_url()
        manifest = read_manifest(file)
        if not yes:
            _ask(manifest)
        with progress() as bars:
            done = put_back(url, file, _Steps(bars).show)
    if as_json:
        print_json(done)
    else:
        _tell(done)


def _ask(manifest: BackupManifest) -> None:
    if not is_interactive():
        raise Failure("nobody can be asked here; add --yes to replace the database")
    question = f"Replace the database by the backup of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, {_held(manifest)}?"
    if not typer.confirm(question, err=True):
        raise Failure("nothing was changed")


def _tell(done: Restored) -> None:
    say(f"The database is that of {done.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC: {_held(done.manifest)}.")
    for old, now in done.kept.items():
        say(f"{old} is kept as {now}.")
    if done.kept:
        say("To go back, stop the service, delete the database that is there now, and give these their names again.")
    if done.problem:
        say(f"Before the service starts: {done.problem}.")


def _held(manifest: BackupManifest) -> str:
    return f"{manifest.rows.get('predictions', 0):,} predictions"


@contextmanager
def _copying() -> Iterator[None]:
    from app.database.sqlite.copies import CopyError

    try:
        yield
    except CopyError as error:
        raise Failure(str(error), Status.NOT_DONE) from error


class _Steps:
    """One bar after the other, each for what is being done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("Opening", total=None)

    def show(self, step: str, done: int, total: int | None) -> None:
        self._bars.update(self._task, description=step, completed=done, total=total)
