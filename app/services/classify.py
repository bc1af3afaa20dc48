from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain, islice
from time import perf_counter
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.orm import Session

from app.classifier import Classification, Classifier
from app.classifier.probabilities import are_probabilities
from app.database import Database
from app.drawings.arrays import Images, images_of
from app.drawings.shape import rows_of, says_not_a_digit
from app.loop_round import LoopRound
from app.metrics.instruments import BATCH_SIZE, CONFIDENCE, INFERENCE_SECONDS, NOT_DIGITS, prediction_counter
from app.repository.classify import NewPrediction, add_predictions
from app.schemas.classify import PreviewResponse
from app.services.errors import ModelFailed
from app.services.idempotency import IdempotentRequest, RequestsInProgress, StoredResponse, respond_once
from app.services.pack import PackingPermission
from app.services.shadow import Shadow
from app.services.threads import in_thread

# Takes 10 MB, which fits into the processor's cache.
MODEL_BATCH_SIZE: Final = 100
# One part of a large batch is normalised while the network runs on another.
BATCH_THREADS: Final = 2

_FAILED: Final = "The model answered with numbers that are not probabilities; nothing was stored."

Map = Callable[[Callable[[Images], list[Classification]], Sequence[Images]], Iterable[list[Classification]]]


class ClassifyCall(NamedTuple):
    """Drawings of 784 bytes, row by row, 0 = background and 255 = ink."""

    drawings: Sequence[bytes]
    request_id: str
    client: str
    idempotent: IdempotentRequest | None = None
    is_batch: bool = False
    trace_id: str | None = None


class ClassifyService:
    def __init__(self, classifier: Classifier, database: Database, shadow: Shadow | None) -> None:
        self._classifier = classifier
        self._database = database
        self._shadow = shadow
        self._batcher = database.batcher(self._prepare, self._count_and_offer)
        self._stored = LoopRound(_count)
        self._packing = PackingPermission()
        self._threads = ThreadPoolExecutor(BATCH_THREADS, "classify")
        self.in_progress = RequestsInProgress()

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def classify(self, call: ClassifyCall) -> StoredResponse:
        """Return the response once all predictions are stored; raise DatabaseError or ServiceError."""
        if call.idempotent is None:
            return await self._write(call)
        with self.in_progress.exclusive(call.idempotent):
            return await self._write(call)

    def preview(self, pixels: bytes) -> PreviewResponse:
        """Classify one drawing of 784 bytes; store nothing, and raise ModelFailed."""
        (answer,) = self._classifier.classify_batch(images_of([pixels]))
        if not are_probabilities(answer):
            raise ModelFailed(_FAILED)
        normalised = rows_of(self.normalise(pixels))
        return PreviewResponse(**answer, model_version=self._classifier.version, normalised=normalised)

    def normalise(self, pixels: bytes) -> bytes:
        """Return a drawing of 784 bytes as the network gets it."""
        return self._classifier.normalise(images_of([pixels])).tobytes()

    async def _write(self, call: ClassifyCall) -> StoredResponse:
        if len(call.drawings) == 1:
            return await self._batcher.write(call)
        work = await in_thread(self._prepare, [call], self._threads.map)
        (outcome,) = await self._database.write(work, self._count_and_offer_all)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _count_and_offer_all(self, outcomes: Sequence[StoredResponse | Exception]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, StoredResponse):
                self._count_and_offer(outcome)

    def _count_and_offer(self, response: StoredResponse) -> None:
        if self._shadow is not None and response.ids:
            self._shadow.offer(response.ids, [one.pixels for one in response.predictions])
        self._stored.add(response.predictions)

    def _prepare(
        self, calls: Sequence[ClassifyCall], run: Map = map
    ) -> Callable[[Session], list[StoredResponse | Exception]]:
        return partial(store, calls, classify_drawings(self._classifier, calls, run), packing=self._packing)


def classify_drawings(
    classifier: Classifier, calls: Sequence[ClassifyCall], run: Map = map
) -> list[list[NewPrediction] | ModelFailed]:
    """Classify the drawings of all calls together; `run` may run parts in parallel."""
    images = images_of([pixels for call in calls for pixels in call.drawings])
    parts = [images[start : start + MODEL_BATCH_SIZE] for start in range(0, len(images), MODEL_BATCH_SIZE)]
    started = perf_counter()
    answers = iter([answer for part in run(classifier.classify_batch, parts) for answer in part])
    INFERENCE_SECONDS.observe(perf_counter() - started)
    BATCH_SIZE.observe(len(images))
    return [_predictions(call, list(islice(answers, len(call.drawings))), classifier.version) for call in calls]


def _predictions(
    call: ClassifyCall, answers: Sequence[Classification], version: str
) -> list[NewPrediction] | ModelFailed:
    if not all(map(are_probabilities, answers)):
        return ModelFailed(_FAILED)
    return [
        NewPrediction(
            **answer,
            model_version=version,
            request_id=call.request_id,
            client=call.client,
            pixels=one,
            trace_id=call.trace_id,
        )
        for one, answer in zip(call.drawings, answers, strict=True)
    ]


def store(
    calls: Sequence[ClassifyCall],
    new: Sequence[list[NewPrediction] | ModelFailed],
    session: Session,
    *,
    packing: PackingPermission,
) -> list[StoredResponse | Exception]:
    """See `respond_once`; calls that the model failed keep their exception."""
    valid = [(call, one) for call, one in zip(calls, new, strict=True) if not isinstance(one, ModelFailed)]

    def respond(numbers: Sequence[int]) -> list[StoredResponse]:
        chosen = [valid[number] for number in numbers]
        many = list(chain.from_iterable(new for _, new in chosen))
        ids, created_at = add_predictions(session, many, packed=packing.is_allowed(session))
        mine = iter(ids)
        return [_response(call, list(islice(mine, len(new))), new, created_at) for call, new in chosen]

    responses = iter(respond_once(session, [call.idempotent for call, _ in valid], respond))
    return [one if isinstance(one, ModelFailed) else next(responses) for one in new]


def _response(
    call: ClassifyCall, ids: Sequence[int], new: Sequence[NewPrediction], created_at: datetime
) -> StoredResponse:
    results = [
        {
            # In the order of `ClassifyResponse`.
            "id": id_,
            "prediction": one.prediction,
            "confidence": one.confidence,
            "not_a_digit": one.not_a_digit,
            "scores": one.scores,
            "model_version": one.model_version,
            "created_at": created_at,
        }
        for id_, one in zip(ids, new, strict=True)
    ]
    return StoredResponse(msgspec.json.encode({"results": results} if call.is_batch else results[0]), ids, new)


def _count(stored: Sequence[Sequence[NewPrediction]]) -> None:
    predictions = list(chain.from_iterable(stored))
    for (version, digit), number in Counter((one.model_version, one.prediction) for one in predictions).items():
        prediction_counter(version, digit).inc(number)
    CONFIDENCE.observe_all([one.confidence for one in predictions])
    NOT_DIGITS.inc(sum(says_not_a_digit(one.not_a_digit) is True for one in predictions))
