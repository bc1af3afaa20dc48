"""A model's answers in a folder: a file that only grows, so that whoever was interrupted goes on where it broke off.

`answers.bin` holds one record for each drawing, `replay.json` says which model gave them and to which drawings.
"""

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from app.atomic_file import UNFINISHED, atomic_file

RECORD: Final = np.dtype([("id", "<i8"), ("prediction", "u1"), ("confidence", "<f4")])
"""A prediction's id, the index of the new answer in the model's classes, and its confidence: 13 bytes."""

DESCRIPTION: Final = "replay.json"
ANSWERS: Final = "answers.bin"

# Read at once: what is read is divided into columns, and both together take memory.
_READ_BATCH_SIZE: Final = 65_536


class FolderRefused(Exception):
    """The folder holds something else. The text is one line and says what to do."""


class Description(BaseModel):
    """Whose answers the folder holds. Answers are added only by the same model, on the same drawings."""

    model_config = ConfigDict(frozen=True)

    model_sha256: str
    model_version: str
    classes: list[str]
    database: str
    only_model_version: str | None


class Answers(NamedTuple):
    """A model's answers in ascending order of ids: int64 (N,), uint8 (N,) into its classes, float32 (N,)."""

    ids: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.uint8]
    confidences: npt.NDArray[np.float32]

    def places(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where the answers to these predictions are, -1 for those that have none."""
        if not self.ids.size:
            return np.full(ids.shape, -1)
        places = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        return np.where(self.ids[places] == ids, places, -1)


class AnswersFile:
    """The answers in one folder, for one process at a time; a context manager."""

    def __init__(self, folder: Path, description: Description) -> None:
        """Make the folder or take it up; raise FolderRefused when it is another's, or OSError.

        Nobody but its owner may read it, because the report shows drawings.
        """
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        _describe(folder, description)
        self._file = (folder / ANSWERS).open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise FolderRefused(
                f"another replay is at work in {folder}; wait for it or choose another folder"
            ) from None
        # Left by a killed replay.
        for leftover in folder.glob(f".*{UNFINISHED}"):
            leftover.unlink()
        # A record that was being written when the power or the process failed.
        whole = self._size() - self._size() % RECORD.itemsize
        self._file.truncate(whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def append(self, records: npt.NDArray[np.void]) -> None:
        """Add records of the type RECORD; they are on disk when this returns."""
        self._file.write(records.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self) -> Answers:
        """Return all answers. Takes 13 bytes for each, and some more where ids came out of order."""
        count = self._size() // RECORD.itemsize
        answers = Answers(np.empty(count, np.int64), np.empty(count, np.uint8), np.empty(count, np.float32))
        ids, predictions, confidences = answers
        self._file.seek(0)
        for start in range(0, count, _READ_BATCH_SIZE):
            piece = np.frombuffer(self._file.read(RECORD.itemsize * min(_READ_BATCH_SIZE, count - start)), RECORD)
            place = slice(start, start + len(piece))
            ids[place], predictions[place], confidences[place] = piece["id"], piece["prediction"], piece["confidence"]
        # PostgreSQL gives ids out before it commits, so a row may come to light after one that has a higher id.
        if (ids[1:] < ids[:-1]).any():
            order = np.argsort(ids)
            return Answers(ids[order], predictions[order], confidences[order])
        return answers


def _describe(folder: Path, description: Description) -> None:
    """Write the description into an empty folder, or compare it with what is there."""
    path = folder / DESCRIPTION
    try:
        text = path.read_text(encoding="utf-8")
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
    elif found.database != description.database:
        held = f"another database, {found.database!r}"
    else:
        held = "the drawings of all model versions"
        if found.only_model_version is not None:
            held = f"the drawings of model version {found.only_model_version!r}"
    raise FolderRefused(f"{folder} holds a replay of {held}; choose another folder")


def folder_name(version: str, sha256: str) -> str:
    """Return the name of a folder for a model's answers. A version is any text and may hold what a path means."""
    harmless = re.sub(r"[^\w.]+", "-", version)[:40]
    return f"replay-{harmless}-{sha256[:8]}"
