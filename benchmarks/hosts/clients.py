"""Clients that store a drawing, read it back, and note what failed."""

import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from tests.support.callers import Callers
from tests.support.service import KEY
from tests.support.service_process import Answer, classify_body, drawing
from tests.support.waiting import wait_until

TIMEOUT_S = 20
PAUSE_S = 0.05


class Failure(NamedTuple):
    """A request that was not answered 200."""

    began_at: float
    request_id: str
    key: str
    """Its Idempotency-Key, empty for a read."""
    outcome: str


@dataclass
class Clients(Callers):
    """Each client opens a connection for each request, and repeats a failed one with the same Idempotency-Key."""

    address: str
    clients: int
    answers: list[tuple[int, Answer]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """The seconds until each drawing was acknowledged, with all repetitions."""
    failures: list[Failure] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)
    """Predictions that could not be read after they were acknowledged."""

    def __post_init__(self) -> None:
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def wait_for(self, count: int) -> None:
        """Wait until this many more drawings are acknowledged."""
        target = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= target, f"{target} drawings are acknowledged")

    def _run(self, number: int) -> None:
        random = Random(number)
        while not self.ended:
            pixels, began = drawing(random), time.monotonic()
            stored = self._ask("POST", "/api/classify", classify_body(pixels), key=uuid4().hex)
            self.waits.append(time.monotonic() - began)
            answer = Answer(stored["prediction"], stored["confidence"], tuple(stored["scores"].values()), pixels)
            self.answers.append((stored["id"], answer))
            read = self._ask("GET", f"/api/results/{stored['id']}")
            if read.get("prediction") != answer.prediction:
                self.unseen.append(stored["id"])

    def _ask(self, method: str, path: str, body: bytes | None = None, key: str = "") -> Any:
        """Return the answer, or that there is no such record."""
        while True:
            request_id, began = uuid4().hex, time.monotonic()
            connection = http.client.HTTPSConnection(self.address, timeout=TIMEOUT_S, context=self._tls)
            headers = {"X-API-Key": KEY, "X-Request-ID": request_id, "Connection": "close"}
            headers |= {"Idempotency-Key": key} if key else {}
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                text = response.read()
                if response.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
                    return json.loads(text)
                outcome = f"{response.status} {response.reason}"
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
            finally:
                connection.close()
            self.failures.append(Failure(began, request_id, key, outcome))
            time.sleep(PAUSE_S)
