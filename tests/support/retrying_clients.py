"""Clients that lose answers and ask again, with an Idempotency-Key for each request, until they have the answer."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.schemas.classify import SEVEN
from tests.support.callers import Callers
from tests.support.digit_images import encoded
from tests.support.ports import free_port
from tests.support.service import KEY
from tests.support.service_process import Answer, Reply, classify_body, drawing, serving, stored_answers
from tests.support.waiting import PATIENCE_S, wait_until

BOUNDARY = "a-line-that-is-in-no-image"
# Statuses after which clients try again.
RETRIED_STATUSES = {409, 503}
PAUSE_S = 0.02


class Request(NamedTuple):
    """A request and its drawings."""

    path: str
    kind: str
    body: bytes
    drawings: list[bytes]


def one(random: Random) -> Request:
    """A drawing of its own."""
    pixels = drawing(random)
    return Request("/classify", "application/json", classify_body(pixels), [pixels])


def batch(random: Random) -> Request:
    """Three drawings at once."""
    drawings = [drawing(random) for _ in range(3)]
    return Request("/classify/batch", "application/octet-stream", b"".join(drawings), drawings)


def image(random: Random) -> Request:
    """An image of 28 x 28 pixels, white on black, which is stored unchanged."""
    ink = np.array(SEVEN, np.uint8)
    pixels = np.where(ink > 0, np.frombuffer(drawing(random), np.uint8).reshape(28, 28) | 128, 0).astype(np.uint8)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="7.png"\r\n\r\n'.encode()
    body = head + encoded(Image.fromarray(pixels)) + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request("/classify/image", f"multipart/form-data; boundary={BOUNDARY}", body, [pixels.tobytes()])


@dataclass
class RetryingLoad(Callers):
    """Clients that repeat each request until it is answered.

    Every fourth time a client hangs up before it has read the answer, and every fourth answer is asked for again.
    """

    port: int
    clients: int
    seed: int = 0
    answered: dict[str, list[tuple[int, Answer]]] = field(default_factory=dict)
    """The acknowledged predictions of each key."""
    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Errors that no client should see."""

    @property
    def acknowledged(self) -> list[tuple[int, Answer]]:
        """All acknowledged predictions."""
        return [answer for answers in list(self.answered.values()) for answer in answers]

    def wait_for(self, count: int) -> None:
        """Wait for this many more answers."""
        target = len(self.answered) + count
        wait_until(lambda: len(self.answered) >= target, f"{target} requests are answered")

    def _run(self, number: int) -> None:
        random = Random(f"{self.seed} {number}")
        while not self.ended:
            request = random.choices((one, batch, image), (4, 1, 1))[0](random)
            key = f"{number} {random.random()}"
            text = self._ask(request, key, random)
            if text is None:
                return
            self.answered[key] = list(zip(*_parsed(text, request.drawings), strict=True))
            if random.random() < 0.25:
                self.events["asked for again"] += 1
                if self._ask(request, key, random) != text:
                    self.wrong.append(f"{key}: another answer than before")

    def _ask(self, request: Request, key: str, random: Random) -> str | None:
        """Send the request until it succeeds; return the body, or None."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                reply = self._send(request, key, hang_up=random.random() < 0.25)
            except (OSError, HTTPException):
                self.events["connection broken"] += 1
            else:
                if reply is not None and reply.status_code == 200:
                    return reply.text
                if reply is not None and reply.status_code not in RETRIED_STATUSES:
                    self.wrong.append(f"{key}: {reply.status_code} {reply.text}")
                    return None
                self.events["hung up" if reply is None else f"status {reply.status_code}"] += 1
            time.sleep(PAUSE_S)
        self.wrong.append(f"{key}: no answer in {PATIENCE_S} s")
        return None

    def _send(self, request: Request, key: str, *, hang_up: bool) -> Reply | None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            headers = {"X-API-Key": KEY, "Idempotency-Key": key, "Content-Type": request.kind}
            connection.request("POST", request.path, request.body, headers)
            if hang_up:
                return None
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()


def _parsed(text: str, drawings: list[bytes]) -> tuple[list[int], list[Answer]]:
    """The ids and predictions of a response."""
    said: Any = Reply(200, {}, text).json()
    answers = said.get("results", [said])
    return [answer["id"] for answer in answers], [
        Answer(answer["prediction"], answer["confidence"], tuple(answer["scores"].values()), pixels)
        for answer, pixels in zip(answers, drawings, strict=True)
    ]


def survive_kills(database_url: str, folder: Path, *, rounds: int, clients: int, workers: int = 1) -> RetryingLoad:
    """Kill and restart the service several times under load; then let all clients get their answers."""
    random = Random(rounds)
    port = free_port()
    with ExitStack() as running:
        service = running.enter_context(serving(database_url, folder, port=port, workers=workers))
        with RetryingLoad(port, clients) as load:
            for _ in range(rounds):
                load.wait_for(random.randint(20, 100))
                service.kill()
                service = running.enter_context(serving(database_url, folder, port=port, workers=workers))
            load.wait_for(clients)
    return load


class Outcome(NamedTuple):
    """The result; all but the first two must be empty."""

    answers: int
    rows: int
    lost: list[int]
    """Acknowledged predictions that are missing or different."""
    twice: list[int]
    """Stored predictions that no client knows; every client has its answer, so they are duplicates."""
    wrong: list[str]


def outcome(load: RetryingLoad, database_url: str) -> Outcome:
    """Compare the acknowledged predictions with the stored ones."""
    stored = stored_answers(database_url)
    acknowledged = load.acknowledged
    known = dict(acknowledged)
    lost = [id_ for id_, answer in acknowledged if stored.get(id_) != answer]
    return Outcome(len(acknowledged), len(stored), lost, sorted(stored.keys() - known.keys()), load.wrong)
