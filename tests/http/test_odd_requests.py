"""Thousands of odd requests: never an unexpected error, and the same status on both engines."""

import asyncio
import json
import re
from collections import Counter
from functools import cache
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from app.main import app
from app.schemas.problems import Problem
from tests.support.odd_requests import MARKER, WITH_KEY, OddRequest, odd_requests
from tests.support.service import DRAWING, scope_of

pytestmark = pytest.mark.slow

statuses: dict[str, list[int]] = {}


@cache
def requests() -> list[OddRequest]:
    return odd_requests(app.openapi())


async def send(served: ASGIApp, request: OddRequest) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send a request as uvicorn would pass it on."""
    path, _, query = request.target.partition("?")
    headers = (*request.headers, *(WITH_KEY if request.with_key else ()))
    scope = scope_of(request.method.upper(), unquote(path), *headers)
    scope.update(raw_path=path.encode(), query_string=query.encode())
    received = iter([{"type": "http.request", "body": request.body, "more_body": False}])
    sent: list[Message] = []

    async def receive() -> Message:
        for message in received:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def collect(message: Message) -> None:
        sent.append(message)

    await served(scope, receive, collect)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent)


def complaint(request: OddRequest, status: int, headers: dict[bytes, bytes], body: bytes) -> str | None:
    """Return what is wrong with a response, or None."""
    if status >= 500:
        return "server error"
    if status < 400:
        return None
    is_inference = bool(re.match("/v2(/|[?]|$)", request.target))
    if headers[b"content-type"] != (b"application/json" if is_inference else b"application/problem+json"):
        return "not a problem"
    if is_inference and request.method != "HEAD" and list(json.loads(body)) != ["error"]:
        return "another shape"
    if not is_inference and request.method != "HEAD":
        problem = Problem.model_validate_json(body)
        if problem.status != status or (status == 422) != bool(problem.errors):
            return "another shape"
        if json.loads(body).keys() - {"errors"} != {"type", "title", "status", "detail", "request_id"}:
            return "other members"
    if MARKER in body.decode().replace(headers[b"x-request-id"].decode(), ""):
        return "repeats the input"
    return "long" if len(body) > 5000 else None


async def send_all(served: ASGIApp) -> list[tuple[int, str | None]]:
    answers = []
    for request in requests():
        status, headers, body = await send(served, request)
        answers.append((status, complaint(request, status, headers, body)))
    return answers


def test_no_odd_request_is_an_unexpected_error(client: TestClient, database_url: str) -> None:
    assert len(requests()) > 1500
    for notes in ("smudged", None, "plain"):
        response = client.post("/classify", json=DRAWING)
        client.patch(f"/results/{response.json()['id']}", json={"notes": notes})
    assert client.portal is not None
    answers = client.portal.call(send_all, client.app)
    wrong = [(request, answer) for request, answer in zip(requests(), answers, strict=True) if answer[1]]
    assert wrong == []
    counts = Counter(status for status, _ in answers)
    assert set(counts) <= {200, 204, 304, 307, 400, 401, 404, 405, 409, 412, 413, 415, 416, 422}, counts
    assert counts[422] > 1000
    engine = database_url.partition(":")[0]
    statuses[engine] = [status for status, _ in answers]


def test_odd_requests_have_the_same_status_on_both_engines() -> None:
    if len(statuses) < 2:
        pytest.skip("needs the answers of both engines")
    pairs = zip(requests(), *statuses.values(), strict=True)
    assert [(request, one, other) for request, one, other in pairs if one != other] == []
