import os
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError
from sqlalchemy import URL

from app.atomic_file import UNFINISHED, create_private
from app.database import Database
from app.database.postgres.dumps import check_dump, refuse_pooler, restore_postgres
from app.database.schema_version import schema_problem, schema_revision
from app.database.sqlite.copies import CopyError, give_to_owner_of, reading, replace, used_by_nobody
from app.database.url import parse_database_url, sqlite_path
from app.progress import Progress
from app.repository.backup import count_rows
from app.schemas.backup import BackupManifest
from app.schemas.restore import Restored
from app.services.backup import BLOCK_SIZE, check_copy, checksum, manifest_of

_UNFINISHED: Final = f".pixelwise-restore{UNFINISHED}"


def restore(database_url: str, backup: Path, progress: Progress) -> Restored:
    """Check a backup and replace the database with it; raise ConfigurationError, DatabaseError or CopyError."""
    url, manifest = parse_database_url(database_url), read_manifest(backup)
    if manifest.database != url.get_backend_name():
        raise CopyError(f"{backup} is a backup of {manifest.database}, but DATABASE_URL names {url.get_backend_name()}")
    if manifest.database == "sqlite":
        return _replace_file(sqlite_path(url), backup, manifest, progress)
    return _fill_empty_database(url, backup, manifest, progress)


def read_manifest(backup: Path) -> BackupManifest:
    """Return the manifest; raise CopyError if it is missing or invalid."""
    if not backup.is_file():
        raise CopyError(f"there is no backup {backup}")
    described = manifest_of(backup)
    try:
        return BackupManifest.model_validate_json(described.read_bytes())
    except FileNotFoundError:
        raise CopyError(f"{described} is missing; {backup} cannot be checked without it") from None
    except ValidationError:
        raise CopyError(f"{described} is not the manifest of a backup") from None


def _replace_file(database: Path, backup: Path, manifest: BackupManifest, progress: Progress) -> Restored:
    folder = database.parent
    with used_by_nobody(database):
        # Check a copy in the same folder, so that a rename installs exactly the checked bytes.
        new = folder / _UNFINISHED
        # Left by a killed restore.
        new.unlink(missing_ok=True)
        if shutil.disk_usage(folder).free < manifest.size:
            raise CopyError(f"{folder} needs {manifest.size:,} bytes free for the copy; nothing was changed")
        with create_private(new) as copy:
            try:
                _copy_file(backup, copy, progress)
                _compare(new, backup, manifest, progress)
                check_copy(new, manifest.rows, progress)
                with reading(new) as session:
                    problem = schema_problem(session.connection())
                if problem and (manifest.revision or "") > schema_revision():
                    raise CopyError(f"{backup} cannot be used: {problem}")
                kept = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
                give_to_owner_of(database, copy.fileno(), backup)
                renamed = replace(database, new, kept)
            finally:
                new.unlink(missing_ok=True)
    return Restored(manifest=manifest, kept={str(old): str(now) for old, now in renamed}, problem=problem)


def _copy_file(source: Path, copy: BinaryIO, progress: Progress) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as original:
        while piece := original.read(BLOCK_SIZE):
            copy.write(piece)
            done += len(piece)
            progress("Copying", done, size)
        copy.flush()
        os.fsync(copy.fileno())


def _compare(copy: Path, backup: Path, manifest: BackupManifest, progress: Progress) -> None:
    if copy.stat().st_size != manifest.size or checksum(copy, "Comparing", progress) != manifest.sha256:
        raise CopyError(f"{backup} is not the file that its manifest describes; nothing was changed")


def _fill_empty_database(url: URL, backup: Path, manifest: BackupManifest, progress: Progress) -> Restored:
    database = Database(url.render_as_string(hide_password=False))
    try:
        with database.snapshot() as session:
            refuse_pooler(session.connection())
            there = count_rows(session)
        if there:
            raise CopyError(f"the database has tables ({', '.join(there)}); restore into an empty one")
        if (manifest.revision or "") > schema_revision():
            raise CopyError(f"{backup} is of a newer PixelWise (revision {manifest.revision}); update this one first")
        _compare(backup, backup, manifest, progress)
        check_dump(backup)
        progress("Restoring", 0, None)
        restore_postgres(url, backup)
        with database.snapshot() as session:
            found = count_rows(session, partial(progress, "Counting rows"))
        if found != manifest.rows:
            raise CopyError(
                f"the restored database has {found} rows instead of {manifest.rows}; make the"
                " database empty again before the next try"
            )
        return Restored(manifest=manifest, kept={}, problem=database.schema_problem())
    finally:
        database.close()
