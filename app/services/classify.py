"""Classifying drawings and remembering the answers, one or many."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.classifier import Classifier
from app.classifier.normalise import normalise_pixels
from app.drawings.arrays import images_of
from app.drawings.shape import rows_of
from app.repository.classify import NewPrediction, add_predictions
from app.schemas.classify import ClassifyResponse, PreviewResponse

# Drawings a run of the network: what it needs for a hundred is ten megabytes, which the processor's cache still serves.
TOGETHER = 100


def classify(classifier: Classifier, drawings: Sequence[bytes], *, request_id: str, client: str) -> list[NewPrediction]:
    """Classify drawings of 784 bytes each, row by row, 0 = background and 255 = ink; no database is needed for it."""
    images = images_of(drawings)
    answers = [
        answer
        for start in range(0, len(images), TOGETHER)
        for answer in classifier.classify_batch(images[start : start + TOGETHER])
    ]
    return [
        NewPrediction(
            prediction=answer["prediction"],
            confidence=answer["confidence"],
            model_version=classifier.version,
            request_id=request_id,
            client=client,
            pixels=pixels,
            scores=answer["scores"],
        )
        for pixels, answer in zip(drawings, answers, strict=True)
    ]


def preview(classifier: Classifier, pixels: bytes) -> PreviewResponse:
    """Classify one drawing of 784 bytes and say what the network saw; nothing is stored."""
    (answer,) = classifier.classify_batch(images_of([pixels]))
    normalised = rows_of(normalise_pixels(pixels))
    return PreviewResponse(**answer, model_version=classifier.version, normalised=normalised)


def remember(session: Session, many: Sequence[NewPrediction]) -> list[ClassifyResponse]:
    """Store at least one answer, each with its drawing; return them as the caller gets them, in the same order."""
    ids, created_at = add_predictions(session, many)
    return [
        ClassifyResponse(
            id=id_,
            prediction=new.prediction,
            confidence=new.confidence,
            scores=new.scores,
            model_version=new.model_version,
            created_at=created_at,
        )
        for id_, new in zip(ids, many, strict=True)
    ]
