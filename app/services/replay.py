"""Replay stored drawings with another model, in short reads, beside the service."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row

from app.analysis.export_files import is_test
from app.analysis.replay import page
from app.analysis.replay.answer_store import (
    RECORD,
    Answers,
    AnswersFile,
    Description,
    FolderInUse,
    FolderRefused,
    folder_name,
)
from app.analysis.replay.flips import COLUMNS, ComparedDrawing, TopFlips, csv_line
from app.analysis.replay.latency import BATCH_SIZE, speeds
from app.analysis.replay.totals import Membership, ReplayTotals
from app.analysis.replay.verdict import verdict, verdict_on_part
from app.atomic_file import atomic_file
from app.classifier import Classifier, ModelError
from app.classifier.onnx_model import DECIMALS
from app.classifier.probabilities import are_probabilities
from app.database import Database
from app.database.url import sqlite_path
from app.drawings.arrays import images_of
from app.progress import Progress, no_progress
from app.repository import replay as repository
from app.repository.drawings import list_newest_pixels, list_pixels
from app.schemas.export import ExportQuery
from app.schemas.replay import Latency, ModelFile, ReplayReport
from app.services.errors import InvalidInput, ServiceError

# An interrupted replay loses at most one batch: 1/20 s of work.
SCORE_BATCH_SIZE: Final = 1000
MAX_SHOWN_FLIPS: Final = 1000

# The test split of exports with the default seed.
_SPLIT: Final = ExportQuery()


class Replayed(NamedTuple):
    report: ReplayReport
    report_file: Path
    page_file: Path
    table_file: Path


def replay(
    database: Database,
    model: Classifier,
    loaded: Classifier,
    *,
    folder: Path | None = None,
    model_version: str | None = None,
    progress: Progress = no_progress,
) -> Replayed:
    """Classify every stored drawing with the model, compare, and write the report into the folder.

    `loaded` is timed for comparison. Raises InvalidInput or ServiceError for an unusable folder, ModelError when the
    model fails on a drawing, DatabaseError.
    """
    folder = folder or Path(folder_name(model.version, model.sha256))
    work = _Replay(database, model, model_version, progress)
    try:
        with AnswersFile(folder, work.description()) as file:
            work.score(file)
            return work.compare(file.answers(), loaded, folder)
    except FolderRefused as refused:
        raise InvalidInput("output", str(refused)) from refused
    except FolderInUse as error:
        raise ServiceError(str(error)) from error
    except OSError as error:
        raise ServiceError(f"cannot write {error.filename or folder}: {error.strerror}") from error


class _Replay:
    def __init__(self, database: Database, model: Classifier, model_version: str | None, progress: Progress) -> None:
        self._database = database
        self._model = model
        self._progress = progress
        with database.snapshot() as session:
            self._range = repository.find_range(session, model_version)
        self._without_drawing = 0
        self._done = 0

    def description(self) -> Description:
        return Description(
            model_sha256=self._model.sha256,
            model_version=self._model.version,
            classes=self._model.classes,
            database=database_name(self._database),
            only_model_version=self._range.model_version,
            record_bytes=RECORD.itemsize,
        )

    def score(self, file: AnswersFile) -> None:
        """Classify the drawings without an answer, among all ids: PostgreSQL may commit a lower id later."""
        stored = file.answers()
        after = None
        self._advance("Scoring", 0)
        while True:
            with self._database.snapshot() as session:
                rows = repository.list_times(session, self._range, after, SCORE_BATCH_SIZE)
                ids = np.array([row.id for row in rows], np.int64)
                times = _microseconds(row.created_at for row in rows)
                lacking = _find_lacking(stored, ids, times)
                drawings = list_pixels(session, ids.tolist()) if lacking else {}
            if not ids.size:
                return
            self._without_drawing += len(lacking - drawings.keys())
            if lacking & drawings.keys():
                # Classify the whole batch: another size may change the last digit of a confidence.
                answers = _answers(self._model, drawings, dict(zip(ids.tolist(), times.tolist(), strict=True)))
                file.append(answers[[id_ in lacking for id_ in drawings]])
            after = int(ids[-1])
            self._advance("Scoring", ids.size)

    def compare(self, answers: Answers, loaded: Classifier, folder: Path) -> Replayed:
        files = folder / "report.json", folder / "flips.html", folder / "flips.csv"
        report_file, page_file, table_file = files
        totals, top_flips = ReplayTotals(), TopFlips(MAX_SHOWN_FLIPS)
        with atomic_file(table_file) as file:
            file.write(csv_line(COLUMNS))
            for compared, membership in self._compared(answers):
                totals.add(compared, membership)
                if compared.stored != compared.new:
                    top_flips.add(compared)
                    file.write(csv_line(compared))
        report = self._report(totals, loaded)
        shown = top_flips.in_order()
        with self._database.snapshot() as session:
            drawings = list_pixels(session, [flip.id for flip in shown])
        with atomic_file(page_file) as file:
            file.write(page.render(report, shown, drawings).encode())
        with atomic_file(report_file) as file:
            file.write(report.model_dump_json(indent=2).encode() + b"\n")
        return Replayed(report, *files)

    def _advance(self, step: str, count: int) -> None:
        self._done += count
        # Every row is read twice.
        self._progress(step, self._done, 2 * self._range.size)

    def _compared(self, answers: Answers) -> Iterator[tuple[ComparedDrawing, Membership]]:
        after = None
        while True:
            rows, held_out = self._next_rows(after)
            if not rows:
                return
            ids = np.fromiter((row.id for row in rows), np.int64, len(rows))
            known = answers.has(ids)
            for row, answer in zip(compress(rows, known), answers.read(ids[known]), strict=True):
                yield self._side_by_side(row, answer), Membership(row.sampled, row.id in held_out)
            after = rows[-1].id
            self._advance("Comparing", len(rows))

    def _next_rows(self, after: int | None) -> tuple[list[Row[Any]], set[int]]:
        """Return the next stored predictions, and the labelled ids of the test split."""
        with self._database.snapshot() as session:
            rows = repository.list_predictions(session, self._range, after, SCORE_BATCH_SIZE)
            drawings = list_pixels(session, [row.id for row in rows if row.label is not None])
        return rows, {id_ for id_, pixels in drawings.items() if is_test(pixels, _SPLIT.seed, _SPLIT.test_share)}

    def _side_by_side(self, row: Row[Any], answer: np.void) -> ComparedDrawing:
        not_a_digit = round(float(answer["not_a_digit"]), DECIMALS)
        return ComparedDrawing(
            id=row.id,
            stored=row.prediction,
            stored_confidence=row.confidence,
            stored_version=row.model_version,
            new=self._model.classes[answer["prediction"]],
            new_confidence=round(float(answer["confidence"]), DECIMALS),
            label=row.label,
            stored_not_a_digit=row.not_a_digit,
            new_not_a_digit=None if math.isnan(not_a_digit) else not_a_digit,
        )

    def _report(self, totals: ReplayTotals, loaded: Classifier) -> ReplayReport:
        agreement, labelled = totals.agreement(), totals.labelled()
        at_random, held_out = totals.at_random(), totals.held_out()
        return ReplayReport(
            verdict=verdict(totals.drawings, agreement, labelled),
            verdict_at_random=verdict_on_part(labelled, at_random, "drawn at random"),
            verdict_held_out=verdict_on_part(labelled, held_out, "kept for testing"),
            model=ModelFile(version=self._model.version, sha256=self._model.sha256),
            loaded=ModelFile(version=loaded.version, sha256=loaded.sha256),
            database=database_name(self._database),
            only_model_version=self._range.model_version,
            created_at=datetime.now(UTC),
            drawings=totals.drawings,
            without_drawing=self._without_drawing,
            agreement=agreement,
            flips=totals.flips(),
            not_a_digit=totals.not_a_digit(),
            labelled=labelled,
            at_random=at_random,
            held_out=held_out,
            labels=totals.labels(),
            versions=totals.versions(),
            latency=self._latency(loaded),
        )

    def _latency(self, loaded: Classifier) -> Latency | None:
        with self._database.snapshot() as session:
            pixels = list_newest_pixels(session, BATCH_SIZE)
        if not pixels:
            return None
        new, old = speeds([self._model.classify_batch, loaded.classify_batch], images_of(pixels))
        return Latency(batch_size=BATCH_SIZE, new=new, loaded=old)


def database_name(database: Database) -> str:
    """Return the URL without password and parameters; for SQLite with an absolute path."""
    url = database.url
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{sqlite_path(url)}"
    return url.set(query={}).render_as_string(hide_password=True)


def _microseconds(times: Iterable[datetime | None]) -> npt.NDArray[np.int64]:
    naive = [None if time is None else time.replace(tzinfo=None) for time in times]
    return np.array(naive, "datetime64[us]").astype(np.int64)


def _find_lacking(stored: Answers, ids: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> set[int]:
    """Return the ids without an answer; raise FolderRefused for answers to other drawings with these ids."""
    known = stored.has(ids)
    if (stored.read(ids[known])["created_at"] != times[known]).any():
        raise FolderRefused("its answers are for drawings from before a restore; choose another folder")
    return set(ids[~known].tolist())


def _answers(model: Classifier, drawings: dict[int, bytes], times: dict[int, int]) -> npt.NDArray[np.void]:
    """Return the answers as RECORD (N,); raise ModelError if the model fails."""
    ids, places = list(drawings), {name: place for place, name in enumerate(model.classes)}
    images = images_of(list(drawings.values()))
    records = np.empty(len(ids), RECORD)
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        try:
            answers = model.classify_batch(images[start : start + BATCH_SIZE])
        except Exception as error:  # onnxruntime raises bare subclasses of Exception.
            raise ModelError(f"the model fails on some of the drawings {batch[0]} to {batch[-1]}") from error
        if not all(map(are_probabilities, answers)):
            raise ModelError(f"no probabilities for some of the drawings {batch[0]} to {batch[-1]}")
        records[start : start + len(batch)] = [
            (id_, times[id_], places[answer["prediction"]], answer["confidence"], answer["not_a_digit"])
            for id_, answer in zip(batch, answers, strict=True)
        ]
    return records
