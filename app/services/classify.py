from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from app.classifier import Classifier
from app.database import Database
from app.drawings.arrays import images_of
from app.drawings.shape import rows_of
from app.repository.classify import NewPrediction, add_predictions
from app.schemas.classify import ClassifyResponse, PreviewResponse
from app.services.idempotency import Answer, IdempotentRequest, RequestsInProgress, answer_once
from app.services.shadow import Shadow
from app.services.threads import in_thread

# Takes 10 MB, which fits into the processor's cache.
MODEL_BATCH_SIZE: Final = 100


class ClassifyService:
    def __init__(self, classifier: Classifier, database: Database, shadow: Shadow | None) -> None:
        self._classifier = classifier
        self._database = database
        self._shadow = shadow
        self.in_progress = RequestsInProgress()

    async def classify(
        self,
        drawings: list[bytes],
        render: Callable[[list[ClassifyResponse]], str],
        *,
        request_id: str,
        client: str,
        idempotent: IdempotentRequest | None = None,
    ) -> str:
        """Classify drawings of 784 bytes; return the rendered answer once all predictions are stored.

        Raises DatabaseError, InProgress and KeyReused.
        """
        if idempotent is None:
            new = await self._classify(drawings, request_id, client)
            stored = await self._database.write(lambda session: store_predictions(session, new), rows=len(new))
            answer = _answer(stored, render)
        else:
            with self.in_progress.exclusive(idempotent):
                new = await self._classify(drawings, request_id, client)
                answer = await self._database.write(
                    lambda session: answer_once(
                        session, idempotent, lambda: _answer(store_predictions(session, new), render)
                    ),
                    rows=len(new),
                )
        if self._shadow is not None and answer.ids:
            self._shadow.offer(answer.ids, drawings)
        return answer.body

    def preview(self, pixels: bytes) -> PreviewResponse:
        """Classify one drawing of 784 bytes; store nothing."""
        (answer,) = self._classifier.classify_batch(images_of([pixels]))
        normalised = rows_of(self.normalise(pixels))
        return PreviewResponse(**answer, model_version=self._classifier.version, normalised=normalised)

    def normalise(self, pixels: bytes) -> bytes:
        """Return a drawing of 784 bytes as the network gets it."""
        return self._classifier.normalise(images_of([pixels])).tobytes()

    async def _classify(self, drawings: list[bytes], request_id: str, client: str) -> list[NewPrediction]:
        if len(drawings) == 1:
            # On the event loop, because it takes 0.1 ms.
            return classify_drawings(self._classifier, drawings, request_id=request_id, client=client)
        return await in_thread(
            partial(classify_drawings, self._classifier, drawings, request_id=request_id, client=client)
        )


def classify_drawings(
    classifier: Classifier, drawings: Sequence[bytes], *, request_id: str, client: str
) -> list[NewPrediction]:
    """Classify drawings of 784 bytes, row by row, 0 = background and 255 = ink."""
    images = images_of(drawings)
    answers = [
        answer
        for start in range(0, len(images), MODEL_BATCH_SIZE)
        for answer in classifier.classify_batch(images[start : start + MODEL_BATCH_SIZE])
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


def store_predictions(session: Session, predictions: Sequence[NewPrediction]) -> list[ClassifyResponse]:
    """Store at least one prediction; return the answers in the same order."""
    ids, created_at = add_predictions(session, predictions)
    return [
        ClassifyResponse(
            id=id_,
            prediction=new.prediction,
            confidence=new.confidence,
            scores=new.scores,
            model_version=new.model_version,
            created_at=created_at,
        )
        for id_, new in zip(ids, predictions, strict=True)
    ]


def _answer(stored: list[ClassifyResponse], render: Callable[[list[ClassifyResponse]], str]) -> Answer:
    return Answer(render(stored), [response.id for response in stored])
