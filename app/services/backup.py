"""Backups of one state of the database, made while the service writes."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from stat import S_IRWXU
from typing import Final, Literal

from sqlalchemy import URL
from sqlalchemy.orm import Session

from app import __version__
from app.atomic_file import UNFINISHED, atomic_file, create_private
from app.database import Database
from app.database.postgres.dumps import check_dump, dump_postgres, refuse_pooler
from app.database.schema_version import found_revision
from app.database.sqlite.copies import CopyError, check_sqlite, copy_sqlite, reading, size_of, sync
from app.progress import Progress
from app.repository.backup import count_rows, export_snapshot
from app.schemas.backup import BackupManifest

BLOCK_SIZE: Final = 1 << 23
MANIFEST: Final = ".manifest.json"
_TIME: Final = "%Y%m%dT%H%M%S.%f"
_OURS: Final = re.compile(r"pixelwise-\d{8}T\d{6}\.\d{6}Z\.(db|dump)")
_LOCK: Final = ".pixelwise-backup.lock"
_UNFINISHED: Final = f".pixelwise-backup{UNFINISHED}"


def back_up(database: Database, folder: Path, keep: int, progress: Progress) -> tuple[Path, BackupManifest]:
    """Write a checked backup, then delete the oldest of more than `keep`; raise CopyError before any is deleted."""
    with _locked(folder):
        unfinished = folder / _UNFINISHED
        # Left by a killed backup.
        for leftover in (unfinished, *folder.glob(f".pixelwise-*{MANIFEST}.*{UNFINISHED}")):
            leftover.unlink(missing_ok=True)
        create_private(unfinished).close()
        try:
            backup, manifest = _write(database, unfinished, progress)
            with atomic_file(manifest_of(backup)) as file:
                file.write(manifest.model_dump_json(indent=2).encode() + b"\n")
            unfinished.replace(backup)
            sync(folder)
        finally:
            unfinished.unlink(missing_ok=True)
        _delete_oldest(folder, keep, backup)
    return backup, manifest


def newest_backup(folder: Path) -> datetime | None:
    """Return the time of the newest complete backup that is not in the future, or None."""
    times = map(_time_of, _complete(folder) if folder.is_dir() else ())
    return max((time for time in times if time and time <= datetime.now(UTC)), default=None)


def manifest_of(backup: Path) -> Path:
    return backup.with_name(backup.name + MANIFEST)


def checksum(file: Path, step: str, progress: Progress) -> str:
    found, size, done = hashlib.sha256(), file.stat().st_size, 0
    with file.open("rb") as content:
        while piece := content.read(BLOCK_SIZE):
            found.update(piece)
            done += len(piece)
            progress(step, done, size)
    return found.hexdigest()


def check_copy(copy: Path, rows: dict[str, int], progress: Progress) -> int:
    """Check an SQLite copy and its row counts; return its orphaned rows, or raise CopyError."""
    orphans = check_sqlite(copy, rows, progress)
    with reading(copy) as session:
        found = count_rows(session, partial(progress, "Counting rows"))
    if found != rows:
        raise CopyError(f"{copy} has {found} rows instead of {rows}")
    return orphans


def _write(database: Database, unfinished: Path, progress: Progress) -> tuple[Path, BackupManifest]:
    """Fill and check the file; return its future name and the manifest."""
    now = datetime.now(UTC)
    with database.snapshot() as session:
        url = session.get_bind().engine.url
        kind: Literal["sqlite", "postgresql"] = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        if kind == "postgresql":
            refuse_pooler(session.connection())
        rows = count_rows(session, partial(progress, "Counting rows"))
        revision = found_revision(session.connection())
        if kind == "sqlite":
            _copy(session, unfinished, progress)
        else:
            _dump(session, url, unfinished, progress)
    orphans = 0
    if kind == "sqlite":
        orphans = check_copy(unfinished, rows, progress)
    else:
        progress("Checking", 0, None)
        check_dump(unfinished)
    sync(unfinished)
    backup = unfinished.with_name(f"{_name_at(now)}.{'db' if kind == 'sqlite' else 'dump'}")
    return backup, BackupManifest(
        file=backup.name,
        database=kind,
        created_at=now,
        pixelwise=__version__,
        revision=revision,
        rows=rows,
        orphans=orphans,
        size=unfinished.stat().st_size,
        sha256=checksum(unfinished, "Adding a checksum", progress),
    )


def _name_at(time: datetime) -> str:
    return f"pixelwise-{time:{_TIME}}Z"


def _copy(session: Session, unfinished: Path, progress: Progress) -> None:
    source = session.connection().connection.driver_connection
    assert source is not None
    size, free = size_of(source), shutil.disk_usage(unfinished.parent).free
    # Twice the size: a backup must not fill the service's disk.
    if free < 2 * size:
        raise CopyError(
            f"{unfinished.parent} has {free:,} bytes free and needs {2 * size:,}, twice the database's size;"
            " nothing was written"
        )
    copy_sqlite(source, unfinished, progress)


def _dump(session: Session, url: URL, unfinished: Path, progress: Progress) -> None:
    progress("Copying", 0, None)
    dump_postgres(url, unfinished, export_snapshot(session))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Create and lock the folder; raise CopyError if it is locked."""
    folder.mkdir(mode=S_IRWXU, exist_ok=True)
    if os.geteuid() == 0 and (owner := folder.stat().st_uid) != 0:
        raise CopyError(f"{folder} belongs to another user, who could replace files; run it with: sudo -u '#{owner}'")
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, mode=0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CopyError(f"another backup is being written into {folder}; try again when it is done") from None
        yield
    finally:
        os.close(lock)


def _delete_oldest(folder: Path, keep: int, made: Path) -> None:
    """Keep other files, incomplete backups, and the new one; later times count as the oldest."""
    others = _complete(folder) - {made}
    for backup in sorted(others, reverse=True, key=lambda path: (path.name < made.name, path.name))[keep - 1 :]:
        backup.unlink()
        manifest_of(backup).unlink()


def _complete(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if _time_of(path) and manifest_of(path).exists()}


def _time_of(backup: Path) -> datetime | None:
    """Return the time in the name of a backup of ours, or None."""
    if not _OURS.fullmatch(backup.name):
        return None
    try:
        return datetime.strptime(backup.stem, f"pixelwise-{_TIME}%z")
    except ValueError:
        return None
