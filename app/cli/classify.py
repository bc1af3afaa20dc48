"""`classify`: digits are read from pictures in files, and the answers are remembered."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import BaseModel

from app.cli import context
from app.cli.exit_codes import Failure
from app.cli.results import CLIENT
from app.cli.tables import print_table
from app.cli.terminal import Json, print_json, progress
from app.drawings.formats import FORMAT_NAMES
from app.schemas.classify import ClassifyResponse


class Classified(BaseModel):
    """What was read from one file; without an id and a time when it was not remembered."""

    file: str
    id: int | None
    prediction: str
    confidence: float
    scores: dict[str, float]
    model_version: str
    created_at: datetime | None


def classify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=f"{FORMAT_NAMES}, of any size.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, and remember nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read the digit in each picture, and remember the answers.

    Dark on light or light on dark, of any size and anywhere in the picture. All are remembered, or none when one of the
    files cannot be read. With --json there is a line for each.

    Example: python -m app classify seven.png --dry-run
    """
    found = _classified(files, dry_run=dry_run)
    if as_json:
        print_json(*found)
    else:
        rows = [(one.file, one.prediction, one.confidence, one.id) for one in found]
        print_table(("file", "prediction", "confidence", "id"), rows)


def _classified(files: list[Path], *, dry_run: bool) -> list[Classified]:
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.classify import classify_drawings, store_predictions

    with progress() as bars:
        drawings = [_drawing(file) for file in bars.track(files, description="Reading")]
    # One run is one request.
    answers = classify_drawings(context.loaded_model(), drawings, request_id=uuid4().hex, client=CLIENT)
    kept: Sequence[ClassifyResponse | None] = [None] * len(answers)
    if not dry_run:
        kept = context.write(lambda session: store_predictions(session, answers))
    return [
        Classified(
            file=_name(file),
            id=stored and stored.id,
            prediction=new.prediction,
            confidence=new.confidence,
            scores=new.scores,
            model_version=new.model_version,
            created_at=stored and stored.created_at,
        )
        for file, new, stored in zip(files, answers, kept, strict=True)
    ]


def _drawing(file: Path) -> bytes:
    """Return the 784 pixels in a file; raise Failure when there is no image in it, OSError when it cannot be read."""
    from app.drawings.image_files import ImageError, read_image

    try:
        return read_image(file.read_bytes()).tobytes()
    except ImageError as error:
        raise Failure(f"{file}: {error} Nothing was remembered.") from error


def _name(file: Path) -> str:
    """Return a file's name; bytes of it that are no UTF-8 by their numbers."""
    return str(file).encode(errors="backslashreplace").decode()
