"""A model's answers in a folder, so that an interrupted replay can continue."""

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from app.atomic_file import UNFINISHED, atomic_file

RECORD: Final = np.dtype(
    [("id", "<i8"), ("created_at", "<i8"), ("prediction", "u1"), ("confidence", "<f4"), ("not_a_digit", "<f4")]
)
"""Prediction id and time (microseconds), class index, confidence, and the probability of no digit or NaN: 25 bytes."""

DESCRIPTION: Final = "replay.json"
ANSWERS: Final = "answers.bin"

_READ_BATCH_SIZE: Final = 65_536


class FolderRefused(Exception):
    """The folder is unusable. The text is one line."""


class FolderInUse(Exception):
    """Another replay is using the folder."""


class Description(BaseModel):
    """The model and database whose answers a folder holds."""

    model_config = ConfigDict(frozen=True)

    model_sha256: str
    model_version: str
    classes: list[str]
    database: str
    only_model_version: str | None
    # The default is that of earlier releases.
    record_bytes: int = 13


class Answers:
    """The answers in a file by id; only the ids are in memory."""

    def __init__(self, file: BinaryIO, ids: npt.NDArray[np.int64]) -> None:
        self._file, self._ids = file, ids
        self._order: npt.NDArray[np.int64] | None = None
        # PostgreSQL may commit a lower id later.
        if (ids[1:] < ids[:-1]).any():
            self._order = np.argsort(ids)
            self._ids = ids[self._order]

    def has(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        places = np.searchsorted(self._ids, ids)
        found = places < self._ids.size
        found[found] = self._ids[places[found]] == ids[found]
        return found

    def read(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        """Return the answers for these ids, which must exist, as RECORD (N,)."""
        if not ids.size:
            return np.empty(0, RECORD)
        places = np.searchsorted(self._ids, ids)
        if self._order is not None:
            places = self._order[places]
        first, last = int(places.min()), int(places.max())
        self._file.seek(first * RECORD.itemsize)
        between = np.frombuffer(self._file.read((last + 1 - first) * RECORD.itemsize), RECORD)
        return between[places - first]


class AnswersFile:
    def __init__(self, folder: Path, description: Description) -> None:
        """Open a folder private to its owner; raise FolderRefused, FolderInUse or OSError."""
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        _describe(folder, description)
        flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(folder / ANSWERS, flags, mode=stat.S_IRUSR | stat.S_IWUSR), "a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise FolderInUse(f"another replay is using {folder}; wait for it or choose another folder") from None
        # Left by a killed replay.
        for leftover in folder.glob(f".*{UNFINISHED}"):
            leftover.unlink()
        # A killed replay may leave part of a record.
        self._file.truncate(self._size() // RECORD.itemsize * RECORD.itemsize)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def append(self, records: npt.NDArray[np.void]) -> None:
        """Append records; they are on disk when this returns."""
        self._file.write(records.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())

    def answers(self) -> Answers:
        count = self._size() // RECORD.itemsize
        ids = np.empty(count, np.int64)
        self._file.seek(0)
        for start in range(0, count, _READ_BATCH_SIZE):
            piece = np.frombuffer(self._file.read(RECORD.itemsize * min(_READ_BATCH_SIZE, count - start)), RECORD)
            ids[start : start + len(piece)] = piece["id"]
        return Answers(self._file, ids)


def _describe(folder: Path, description: Description) -> None:
    path = folder / DESCRIPTION
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if any(not found.name.endswith(UNFINISHED) for found in folder.iterdir()):
            raise FolderRefused(f"{folder} holds other files; choose an empty folder") from None
        with atomic_file(path) as file:
            file.write(description.model_dump_json(indent=2).encode() + b"\n")
        return
    try:
        found = Description.model_validate_json(text)
    except ValidationError:
        raise FolderRefused(f"{path} is damaged; choose another folder") from None
    if found == description:
        return
    if (found.model_sha256, found.classes) != (description.model_sha256, description.classes):
        held = f"another model, {found.model_version!r}"
    elif found.record_bytes != description.record_bytes:
        held = "an earlier release"
    elif found.database != description.database:
        held = f"another database, {found.database!r}"
    else:
        held = "the drawings of all model versions"
        if found.only_model_version is not None:
            held = f"the drawings of model version {found.only_model_version!r}"
    raise FolderRefused(f"{folder} holds a replay of {held}; choose another folder")


def folder_name(version: str, sha256: str) -> str:
    """Return a name without path separators, which a version may contain."""
    harmless = re.sub(r"[^\w.]+", "-", version)[:40]
    return f"replay-{harmless}-{sha256[:8]}"
