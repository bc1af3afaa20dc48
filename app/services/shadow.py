"""The shadow model classifies stored drawings in the background; it skips what fails."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from app.classifier import Classifier
from app.classifier.probabilities import are_probabilities
from app.database import Database
from app.drawings.arrays import images_of
from app.logs.throttled import ThrottledLog
from app.repository.shadow import NewShadowPrediction, add_shadow_predictions

log = logging.getLogger("pixelwise")

# Some seconds of the heaviest traffic, in 2 MB.
QUEUE_SIZE: Final = 2000
BATCH_SIZE: Final = 64

# Drawings that arrive within this time share a transaction, for which requests wait too.
PAUSE_S: Final = 0.25

# Time to finish the queue when the service ends.
GRACE_S: Final = 2.0


class _Drawing(NamedTuple):
    prediction_id: int
    pixels: bytes


class Shadow:
    def __init__(self, classifier: Classifier, database: Database) -> None:
        """Start on the running event loop."""
        self.classifier = classifier
        self._database = database
        self._queue: asyncio.Queue[_Drawing] = asyncio.Queue(QUEUE_SIZE)
        self._log = ThrottledLog()
        self._skipped = 0
        self._reason = ""
        self._task = asyncio.create_task(self._work())

    def offer(self, ids: Sequence[int], pixels: Sequence[bytes]) -> None:
        """Queue drawings of 784 bytes, as far as there is room."""
        room = QUEUE_SIZE - self._queue.qsize()
        for drawing in map(_Drawing, ids[:room], pixels[:room]):
            self._queue.put_nowait(drawing)
        if len(ids) > room:
            self._skip(len(ids) - room, "more arrive than it can score")

    async def close(self) -> None:
        """Finish the queue, within GRACE_S."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), GRACE_S)
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._queue.empty():
            self._skip(self._queue.qsize(), "the service ended")
        self._log_skipped()

    async def _work(self) -> None:
        while True:
            drawings = [await self._queue.get()]
            try:
                if self._queue.qsize() < BATCH_SIZE:
                    await asyncio.sleep(PAUSE_S)
                while len(drawings) < BATCH_SIZE and not self._queue.empty():
                    drawings.append(self._queue.get_nowait())
                await self._classify(drawings)
            except asyncio.CancelledError:
                self._skip(len(drawings), "the service ended")
                raise
            except Exception as error:  # noqa: BLE001  # The next drawings may succeed.
                self._skip(len(drawings), f"{type(error).__name__}: {error}")
            finally:
                for _ in drawings:
                    self._queue.task_done()

    async def _classify(self, drawings: Sequence[_Drawing]) -> None:
        new = await asyncio.to_thread(self._predictions, drawings)
        model = self.classifier
        await self._database.write(lambda session: add_shadow_predictions(session, model.sha256, model.version, new))

    def _predictions(self, drawings: Sequence[_Drawing]) -> list[NewShadowPrediction]:
        images = images_of([drawing.pixels for drawing in drawings])
        answers = self.classifier.classify_batch(images)
        if not all(map(are_probabilities, answers)):
            raise ValueError("the model returns numbers that are not probabilities")
        return [
            NewShadowPrediction(
                drawing.prediction_id, answer["prediction"], answer["confidence"], answer["not_a_digit"]
            )
            for drawing, answer in zip(drawings, answers, strict=True)
        ]

    def _skip(self, count: int, reason: str) -> None:
        self._skipped += count
        self._reason = reason.partition("\n")[0]
        if self._log.is_due("skipped drawings"):
            self._log_skipped()

    def _log_skipped(self) -> None:
        if self._skipped:
            log.warning("the shadow model left out %d drawings: %s", self._skipped, self._reason)
            self._skipped = 0
