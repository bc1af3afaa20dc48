"""Exports for training or reading, from one snapshot of the database."""

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app import __version__
from app.analysis import export_files
from app.analysis.export_files import Array, ExportRow
from app.database.schema_version import schema_revision
from app.drawings.shape import DIGITS, LABELS, NOT_A_DIGIT, SIDE
from app.progress import Progress, no_progress
from app.repository.drawings import list_pixels
from app.repository.export import iterate_selected, list_rows
from app.schemas.export import ExportCounts, ExportFormat, ExportManifest, ExportQuery, ExportSplit
from app.services.errors import InvalidInput
from app.services.scores import scores_of

READ_BATCH_SIZE: Final = 600
# The manifest is sent in a header.
MAX_VERSIONS: Final = 20

_CODES: Final = {label: code for code, label in enumerate(LABELS)}
_DIGIT_CODES: Final = {label: code for label, code in _CODES.items() if label in DIGITS}
_NONE: Final = _CODES[NOT_A_DIGIT]
_UNKNOWN: Final = len(LABELS)
_TRAIN, _TEST, _NO_DRAWING = range(3)
_SPLITS: Final = ("train", "test", None)

_INSTALL_PARQUET: Final = "pip install -r deploy/parquet/requirements.txt"

# Indices of rows, ascending.
Chosen = npt.NDArray[np.int32]

_Selected = tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.float32]]


def audit_text(manifest: ExportManifest) -> str:
    query = " ".join(f"{name}={value}" for name, value in manifest.query.items())
    return f"{manifest.counts.rows} predictions {query}".rstrip()


class Export:
    """The manifest and content of an export; takes about 20 bytes of memory a row."""

    manifest: ExportManifest

    def __init__(self, session: Session, query: ExportQuery, progress: Progress = no_progress) -> None:
        self._session = session
        self._query = query
        self._progress = progress
        self._done = 0
        self._versions: Counter[str] = Counter()

    def pieces(self) -> Iterator[ExportManifest | bytes | None]:
        """Return the manifest and the file, after None for each batch that is read; raise InvalidInput."""
        _check(self._query)
        self._ids, self._labels, self._answers, self._not_a_digit = yield from self._read_selected()
        self._splits = np.empty(len(self._ids), np.int8)
        sha256 = yield from self._read_drawings()
        self.manifest = self._describe(sha256)
        yield self.manifest
        yield from self._content()

    def _content(self) -> Iterator[bytes]:
        match self._query.format:
            case ExportFormat.NPZ:
                yield from export_files.npz(self.manifest.one_line().encode(), self._arrays())
            case ExportFormat.JSONL:
                usable = (self._splits != _NO_DRAWING) & (self._answers != _UNKNOWN)
                yield from export_files.jsonl(self._rows(_where(usable)), _line_of(self._query))
            case ExportFormat.CSV:
                yield from export_files.csv_table(self._rows(self._all))
            case ExportFormat.PARQUET:
                from app.analysis.export_parquet import parquet

                with_pixels = not self._query.without_pixels
                rows = self._rows(self._all, with_pixels=with_pixels)
                yield from parquet(self.manifest.one_line().encode(), rows, with_pixels=with_pixels)
        self._progress("Exporting", 2 * len(self._ids), 2 * len(self._ids))

    @property
    def _all(self) -> Chosen:
        return np.arange(len(self._ids), dtype=np.int32)

    def _read_selected(self) -> Generator[None, None, _Selected]:
        """Return ids, labels, answers (the label, or else the prediction) and probabilities of no digit."""
        ids, labels, answers, not_a_digit = array("q"), array("b"), array("b"), array("f")
        query = self._query
        labelled_only = not query.include_unlabelled or query.label is not None or query.labelled is True
        for part in iterate_selected(self._session, query, labelled_only=labelled_only, size=READ_BATCH_SIZE):
            for id_, prediction, probability, version, label in part:
                ids.append(id_)
                labels.append(_UNKNOWN if label is None else _CODES[label])
                answers.append(_DIGIT_CODES.get(prediction, _UNKNOWN) if label is None else _CODES[label])
                not_a_digit.append(math.nan if probability is None else probability)
                self._versions[version] += 1
            yield
        codes = np.frombuffer(labels, np.int8), np.frombuffer(answers, np.int8)
        return np.frombuffer(ids, np.int64), *codes, np.frombuffer(not_a_digit, np.float32)

    def _read_drawings(self) -> Generator[None, None, str]:
        """Split the drawings; return the checksum of all rows."""
        content = hashlib.sha256()
        for batch in self._batches(self._all):
            ids = self._ids[batch].tolist()
            drawings = list_pixels(self._session, ids)
            for i, id_ in zip(batch.tolist(), ids, strict=True):
                pixels = drawings.get(id_)
                self._splits[i] = _NO_DRAWING if pixels is None else self._split(pixels)
                drawing = "" if pixels is None else hashlib.sha256(pixels).hexdigest()
                content.update(f"{id_},{drawing},{self._label(i) or ''}\n".encode())
            yield
        return content.hexdigest()

    def _split(self, pixels: bytes) -> int:
        return _TEST if export_files.is_test(pixels, self._query.seed, self._query.test_share) else _TRAIN

    def _label(self, i: int) -> str | None:
        code = self._labels[i]
        return None if code == _UNKNOWN else LABELS[code]

    def _batches(self, chosen: Chosen) -> Iterator[Chosen]:
        for start in range(0, len(chosen), READ_BATCH_SIZE):
            batch = chosen[start : start + READ_BATCH_SIZE]
            yield batch
            self._done += len(batch)
            self._progress("Exporting", self._done, 2 * len(self._ids))

    def _describe(self, sha256: str) -> ExportManifest:
        has_drawing, digit = self._splits != _NO_DRAWING, self._answers < _NONE
        answers = self._answers[has_drawing & digit]
        counts = ExportCounts(
            rows=len(self._ids),
            train=int((digit & (self._splits == _TRAIN)).sum()),
            test=int((digit & (self._splits == _TEST)).sum()),
            none=int((has_drawing & (self._answers == _NONE)).sum()),
            without_drawing=int((~has_drawing).sum()),
            without_digit=int((has_drawing & (self._answers == _UNKNOWN)).sum()),
            unlabelled=int((has_drawing & digit & (self._labels == _UNKNOWN)).sum()),
            per_digit={name: int((answers == code).sum()) for name, code in _DIGIT_CODES.items()},
        )
        versions = dict(self._versions.most_common(MAX_VERSIONS))
        query = self._query
        return ExportManifest(
            format=query.format,
            created_at=datetime.now(UTC),
            app_version=__version__,
            schema_revision=schema_revision(),
            query=query.model_dump(mode="json", exclude_none=True),
            split=ExportSplit(rule=export_files.SPLIT_RULE, seed=query.seed, test_share=query.test_share),
            counts=counts,
            model_versions=versions,
            rows_of_other_versions=self._versions.total() - sum(versions.values()),
            sha256=sha256,
        )

    def _arrays(self) -> Iterator[Array]:
        for split, name in ((_TRAIN, "train"), (_TEST, "test")):
            chosen = _where((self._answers < _NONE) & (self._splits == split))
            if not self._query.without_pixels:
                yield self._images(f"x_{name}", chosen)
            yield _array(f"y_{name}", self._answers.view(np.uint8), chosen)
            yield _array(f"ids_{name}", self._ids, chosen)
            yield _array(f"not_a_digit_{name}", self._not_a_digit, chosen)
            if self._query.include_unlabelled:
                yield _array(f"labelled_{name}", self._labels != _UNKNOWN, chosen)
        none = _where((self._answers == _NONE) & (self._splits != _NO_DRAWING))
        if not self._query.without_pixels:
            yield self._images("x_none", none)
        yield _array("ids_none", self._ids, none)
        yield _array("not_a_digit_none", self._not_a_digit, none)
        yield _array("test_none", self._splits == _TEST, none)

    def _images(self, name: str, chosen: Chosen) -> Array:
        batches = self._batches(chosen)
        parts = (b"".join(list_pixels(self._session, self._ids[batch].tolist()).values()) for batch in batches)
        return Array(name, np.uint8, (len(chosen), SIDE, SIDE), parts)

    def _rows(self, chosen: Chosen, *, with_pixels: bool = True) -> Iterator[ExportRow]:
        for batch in self._batches(chosen):
            rows = list_rows(self._session, self._ids[batch].tolist(), with_pixels=with_pixels)
            for i, found in zip(batch.tolist(), rows, strict=True):
                yield self._row(i, found)

    def _row(self, i: int, found: Row[Any]) -> ExportRow:
        answer = int(self._answers[i])
        columns = dict(found._mapping)
        return ExportRow(
            pixels=columns.pop("pixels"),
            scores=scores_of(columns.pop("scores")),
            columns=columns,
            label=self._label(i),
            y=answer if answer < _NONE else None,
            split=_SPLITS[self._splits[i]],
        )


def _check(query: ExportQuery) -> None:
    if query.labelled is False and not query.include_unlabelled:
        raise InvalidInput("labelled", "labelled=false leaves nothing to export unless include_unlabelled=true")
    if query.labelled is False and query.label is not None:
        raise InvalidInput("label", "labelled=false excludes every label")
    if query.packed_pixels and (query.format is not ExportFormat.JSONL or query.without_pixels):
        raise InvalidInput("packed_pixels", "only a JSONL export with pixels can have them packed")
    # An optional package.
    if query.format is ExportFormat.PARQUET and find_spec("pyarrow") is None:
        raise InvalidInput("format", f"Parquet needs the package pyarrow; run: {_INSTALL_PARQUET}")


def _line_of(query: ExportQuery) -> Callable[[ExportRow], dict[str, Any]]:
    if query.without_pixels:
        return export_files.line_without_pixels
    return export_files.line_with_packed_pixels if query.packed_pixels else export_files.line_with_pixels


def _where(condition: npt.NDArray[np.bool_]) -> Chosen:
    # Half the memory of int64.
    return np.flatnonzero(condition).astype(np.int32)


def _array(name: str, values: npt.NDArray[Any], chosen: Chosen) -> Array:
    parts = (
        values[chosen[start : start + READ_BATCH_SIZE]].tobytes() for start in range(0, len(chosen), READ_BATCH_SIZE)
    )
    return Array(name, values.dtype, (len(chosen),), parts)
