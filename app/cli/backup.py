"""`backup`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from app.cli import context
from app.cli.exit_codes import Failure, Status
from app.cli.terminal import Json, print_json, progress, say
from app.schemas.backup import BackupManifest

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

    with copy_errors(), progress() as bars, context.opened(at_any_revision=True) as database:
        file, manifest = back_up(database, folder, keep, Steps(bars).show)
    if as_json:
        print_json(manifest)
        return
    say(f"Wrote {file}: {size_of(manifest)}, {manifest.size:,} bytes.")
    if manifest.orphans:
        say(f"{manifest.orphans} rows refer to rows that are gone, deleted without PRAGMA foreign_keys=ON.")


def size_of(manifest: BackupManifest) -> str:
    return f"{manifest.rows.get('predictions', 0):,} predictions"


@contextmanager
def copy_errors() -> Iterator[None]:
    from app.database.sqlite.copies import CopyError

    try:
        yield
    except CopyError as error:
        raise Failure(str(error), Status.NOT_DONE) from error


class Steps:
    """One bar after the other, each for what is being done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("Opening", total=None)

    def show(self, step: str, done: int, total: int | None) -> None:
        self._bars.update(self._task, description=step, completed=done, total=total)
