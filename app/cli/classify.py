from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import BaseModel

from app.cli import context
from app.cli.exit_codes import CommandError
from app.cli.options import Json
from app.cli.tables import Share, print_table, share
from app.cli.terminal import print_json, progress_bar
from app.drawings.formats import FORMAT_NAMES
from app.schemas.classify import BatchResponse, ClassifyResponse


class ClassifiedFile(BaseModel):
    """A prediction; `id` and `created_at` are None if it is not stored."""

    file: str
    id: int | None
    prediction: str
    confidence: float
    not_a_digit: float | None
    scores: dict[str, float]
    model_version: str
    created_at: datetime | None


def classify(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help=f"{FORMAT_NAMES}; dark on light or light on dark."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Classify, but store nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Classify the digits in pictures and store the predictions.

    If one file cannot be read, nothing is stored. --json prints one line for each file.

    Example: python -m app classify seven.png --dry-run
    """
    classified = _classify_files(files, dry_run=dry_run)
    if as_json:
        print_json(*classified)
    else:
        rows = [(one.file, one.prediction, Share(one.confidence), share(one.not_a_digit), one.id) for one in classified]
        print_table(("file", "prediction", "confidence", "not a digit", "id"), rows)


def _classify_files(files: list[Path], *, dry_run: bool) -> list[ClassifiedFile]:
    from app.classifier import get_classifier
    from app.services.classify import ClassifyCall, classify_drawings, store
    from app.services.idempotency import StoredResponse
    from app.services.pack import PackingPermission

    drawings = _read_drawings(files)
    calls = [ClassifyCall(drawings, uuid4().hex, context.CLIENT, is_batch=True)]
    (new,) = classify_drawings(get_classifier(), calls)
    if isinstance(new, Exception):
        raise new
    stored: Sequence[ClassifyResponse | None] = [None] * len(drawings)
    if not dry_run:
        (response,) = context.write(partial(store, calls, [new], packing=PackingPermission()))
        assert isinstance(response, StoredResponse)
        stored = BatchResponse.model_validate_json(response.body).results
    return [
        ClassifiedFile(
            file=_printable_name(file),
            id=row and row.id,
            prediction=one.prediction,
            confidence=one.confidence,
            not_a_digit=one.not_a_digit,
            scores=one.scores,
            model_version=one.model_version,
            created_at=row and row.created_at,
        )
        for file, one, row in zip(files, new, stored, strict=True)
    ]


def _read_drawings(files: list[Path]) -> list[bytes]:
    """Return the 784 pixels of each file; raise CommandError unless all are images."""
    from app.drawings.containers import ImageError
    from app.drawings.image_files import read_image

    drawings = []
    with progress_bar("Reading") as progress:
        for done, file in enumerate(files):
            progress("Reading", done, len(files))
            try:
                drawings.append(read_image(file.read_bytes()).tobytes())
            except ImageError as error:
                raise CommandError(f"{file}: {error} Nothing was stored.") from error
    return drawings


def _printable_name(file: Path) -> str:
    """Escape bytes that are not UTF-8."""
    return str(file).encode(errors="backslashreplace").decode()
