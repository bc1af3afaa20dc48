"""The shadow: a second model scores what the first one answered, after the answer was sent.

Nothing that goes wrong here reaches a client: what cannot be scored or stored is left out, and the log says so.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from app.classifier import Classifier, get_shadow_classifier
from app.database import Database, get_database
from app.drawings.arrays import images_of
from app.repository.shadow import ShadowAnswer, add_shadow_predictions

log = logging.getLogger("pixelwise")

# Drawings: some seconds of the heaviest traffic, in less than two megabytes.
ROOM: Final = 2000
TOGETHER: Final = 64

# Requests wait for the shadow's commits as for any other, so it makes few: what arrives meanwhile shares one.
PAUSE_S: Final = 0.25

# How long the end of the service waits for what was not scored yet.
GRACE_S: Final = 2.0

# Between two lines of the log.
SILENCE_S: Final = 60.0


class _Drawing(NamedTuple):
    prediction_id: int
    pixels: bytes


class Shadow:
    """Drawings that wait for the second model, and the one task that scores and stores them."""

    def __init__(self, classifier: Classifier, database: Database) -> None:
        """Begin to work on the running event loop."""
        self._classifier = classifier
        self._database = database
        self._waiting: asyncio.Queue[_Drawing] = asyncio.Queue(ROOM)
        self._losses = _Losses()
        self._task = asyncio.create_task(self._work())

    async def offer(self, ids: Sequence[int], pixels: Sequence[bytes]) -> None:
        """Let drawings of 784 bytes wait to be scored. Those for which there is no room are left out."""
        room = ROOM - self._waiting.qsize()
        for drawing in map(_Drawing, ids[:room], pixels[:room]):
            self._waiting.put_nowait(drawing)
        if len(ids) > room:
            self._losses.add(len(ids) - room, "more arrive than it can score")

    async def end(self) -> None:
        """Score and store what waits, for two seconds at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), GRACE_S)
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._waiting.empty():
            self._losses.add(self._waiting.qsize(), "the service ended")
        self._losses.tell()

    async def _work(self) -> None:
        while True:
            drawings = [await self._waiting.get()]
            try:
                if self._waiting.qsize() < TOGETHER:
                    await asyncio.sleep(PAUSE_S)
                while len(drawings) < TOGETHER and not self._waiting.empty():
                    drawings.append(self._waiting.get_nowait())
                await self._score(drawings)
            except asyncio.CancelledError:
                self._losses.add(len(drawings), "the service ended")
                raise
            except Exception as error:  # noqa: BLE001  # Whatever it is, the drawings after these are scored.
                self._losses.add(len(drawings), f"{type(error).__name__}: {error}")
            finally:
                for _ in drawings:
                    self._waiting.task_done()

    async def _score(self, drawings: Sequence[_Drawing]) -> None:
        answers = await asyncio.to_thread(self._answers, drawings)
        model = self._classifier
        await self._database.write(
            lambda session: add_shadow_predictions(session, model.sha256, model.version, answers)
        )

    def _answers(self, drawings: Sequence[_Drawing]) -> list[ShadowAnswer]:
        images = images_of([drawing.pixels for drawing in drawings])
        answers = [
            ShadowAnswer(drawing.prediction_id, answer["prediction"], answer["confidence"])
            for drawing, answer in zip(drawings, self._classifier.classify_batch(images), strict=True)
        ]
        if not all(0 <= answer.confidence <= 1 for answer in answers):
            raise ValueError("the model gives no probabilities")
        return answers


class _Losses:
    """Counts the drawings that were left out and tells of them, once a minute at most."""

    def __init__(self) -> None:
        self._count = 0
        self._reason = ""
        self._told_at = -SILENCE_S

    def add(self, count: int, reason: str) -> None:
        self._count += count
        self._reason = reason.partition("\n")[0]
        if time.monotonic() - self._told_at >= SILENCE_S:
            self.tell()

    def tell(self) -> None:
        if self._count:
            log.warning("the shadow model left out %d drawings: %s", self._count, self._reason)
            self._count, self._told_at = 0, time.monotonic()


_shadow: Shadow | None = None


def is_running() -> bool:
    """Return whether the settings name a shadow model."""
    return _shadow is not None


async def offer(ids: Sequence[int], pixels: Sequence[bytes]) -> None:
    """Queue drawings of 784 bytes for the shadow model, if there is one."""
    if _shadow is not None:
        await _shadow.offer(ids, pixels)


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Let the second model listen, if the settings name one, until the block ends."""
    global _shadow
    classifier = get_shadow_classifier()
    if classifier is None:
        yield
        return
    shadow = _shadow = Shadow(classifier, get_database())
    try:
        yield
    finally:
        _shadow = None
        await shadow.end()
