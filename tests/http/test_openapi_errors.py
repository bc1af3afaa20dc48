"""Every documented error occurs, with the fields of its example."""

from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest

from app.main import app
from app.schemas.classify import SEVEN
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, hidden

SCHEMA: dict[str, Any] = app.openapi()


class Errors(NamedTuple):
    """A failing request, its route and its status."""

    status: int
    path: str
    request: dict[str, Any] = {}  # noqa: RUF012  # Nothing changes it.
    table: str | None = None
    method: str = "get"


WRONG_KEY = {"headers": {"X-API-Key": "wrong"}}
GZIP = {"content": b"", "headers": {"Content-Encoding": "gzip"}}
UNKNOWN = {"params": {"colour": "red"}}
NOTES = {"json": {"notes": "with a bar"}}
LABEL = {"json": {"label": "7"}}
INFER = "/v2/models/digits/infer"
ERRORS = [
    Errors(401, "/classify", WRONG_KEY, method="post"),
    Errors(413, "/classify", {"content": b" " * 100_000}, method="post"),
    Errors(415, "/classify", GZIP, method="post"),
    Errors(422, "/classify", {"content": b""}, method="post"),
    Errors(503, "/classify", {"json": DRAWING}, table="predictions", method="post"),
    Errors(401, "/classify/preview", WRONG_KEY, method="post"),
    Errors(413, "/classify/preview", {"content": b" " * 100_000}, method="post"),
    Errors(415, "/classify/preview", GZIP, method="post"),
    Errors(422, "/classify/preview", {"content": b""}, method="post"),
    Errors(401, "/classify/batch", WRONG_KEY, method="post"),
    Errors(413, "/classify/batch", {"content": bytes(8 * 1024 * 1024 + 1)}, method="post"),
    Errors(415, "/classify/batch", GZIP, method="post"),
    Errors(422, "/classify/batch", {"content": b""}, method="post"),
    Errors(503, "/classify/batch", {"json": {"images": [SEVEN]}}, table="predictions", method="post"),
    Errors(401, "/classify/image", WRONG_KEY, method="post"),
    Errors(413, "/classify/image", {"content": bytes(8 * 1024 * 1024 + 1)}, method="post"),
    Errors(415, "/classify/image", GZIP, method="post"),
    Errors(422, "/classify/image", {"files": {"file": b"no image"}}, method="post"),
    Errors(401, "/results", WRONG_KEY),
    Errors(422, "/results", {"params": {"limit": 0}}),
    Errors(503, "/results", table="predictions"),
    Errors(401, "/results/{id}", WRONG_KEY),
    Errors(404, "/results/{id}"),
    Errors(422, "/results/{id}"),
    Errors(503, "/results/{id}", table="predictions"),
    Errors(401, "/results/{id}", WRONG_KEY, method="delete"),
    Errors(404, "/results/{id}", method="delete"),
    Errors(422, "/results/{id}", method="delete"),
    Errors(503, "/results/{id}", table="predictions", method="delete"),
    Errors(401, "/results/{id}", {**WRONG_KEY, **NOTES}, method="patch"),
    Errors(404, "/results/{id}", NOTES, method="patch"),
    Errors(413, "/results/{id}", {"content": b" " * 100_000}, method="patch"),
    Errors(415, "/results/{id}", GZIP, method="patch"),
    Errors(422, "/results/{id}", {"json": {}}, method="patch"),
    Errors(503, "/results/{id}", NOTES, table="predictions", method="patch"),
    Errors(401, "/results/{id}/label", {**WRONG_KEY, **LABEL}, method="put"),
    Errors(404, "/results/{id}/label", LABEL, method="put"),
    Errors(415, "/results/{id}/label", GZIP, method="put"),
    Errors(422, "/results/{id}/label", {"json": {"label": "seven"}}, method="put"),
    Errors(503, "/results/{id}/label", LABEL, table="predictions", method="put"),
    Errors(401, "/results/{id}/labels", WRONG_KEY),
    Errors(404, "/results/{id}/labels"),
    Errors(422, "/results/{id}/labels"),
    Errors(503, "/results/{id}/labels", table="labels"),
    Errors(401, "/review", WRONG_KEY),
    Errors(422, "/review", {"params": {"limit": 0}}),
    Errors(503, "/review", table="reviews"),
    Errors(401, "/results/{id}/drawing.png", WRONG_KEY),
    Errors(404, "/results/{id}/drawing.png"),
    Errors(422, "/results/{id}/drawing.png"),
    Errors(503, "/results/{id}/drawing.png", table="drawings"),
    Errors(401, "/stats", WRONG_KEY),
    Errors(422, "/stats", {"params": {"last": 0}}),
    Errors(503, "/stats", table="predictions"),
    Errors(401, "/stats/timeline", WRONG_KEY),
    Errors(422, "/stats/timeline", {"params": {"bucket": "year"}}),
    Errors(503, "/stats/timeline", table="labels"),
    Errors(401, "/stats/calibration", WRONG_KEY),
    Errors(422, "/stats/calibration", {"params": {"sample": "some"}}),
    Errors(503, "/stats/calibration", table="uncounted_predictions"),
    Errors(401, "/stats/drift", WRONG_KEY),
    Errors(422, "/stats/drift", {"params": {"last": 299}}),
    Errors(503, "/stats/drift", table="drawings"),
    Errors(401, "/models", WRONG_KEY),
    Errors(422, "/models", UNKNOWN),
    Errors(503, "/models", table="shadow_predictions"),
    Errors(401, "/export", WRONG_KEY),
    Errors(422, "/export", {"params": {"format": "xml"}}),
    Errors(503, "/export", table="labels"),
    Errors(422, "/health", UNKNOWN),
    Errors(422, "/health/live", UNKNOWN),
    Errors(422, "/health/ready", UNKNOWN),
    Errors(503, "/health/ready", table="alembic_version"),
    Errors(400, "/v2", UNKNOWN),
    Errors(400, "/v2/health/live", UNKNOWN),
    Errors(400, "/v2/health/ready", UNKNOWN),
    Errors(503, "/v2/health/ready", table="alembic_version"),
    Errors(400, "/v2/models/digits", UNKNOWN),
    Errors(400, "/v2/models/digits/ready", UNKNOWN),
    Errors(503, "/v2/models/digits/ready", table="alembic_version"),
    Errors(400, INFER, {"content": b""}, method="post"),
    Errors(401, INFER, WRONG_KEY, method="post"),
    Errors(413, INFER, {"content": bytes(8 * 1024 * 1024 + 1)}, method="post"),
    Errors(415, INFER, GZIP, method="post"),
    Errors(503, INFER, {"json": SCHEMA["components"]["schemas"]["InferRequest"]["examples"][0]}, "predictions", "post"),
]


def test_every_error_has_the_fields_of_its_documented_example(
    start: Start, sqlite_url: str, subtests: pytest.Subtests
) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    for error in ERRORS:
        with subtests.test(f"{error.status} {error.method} {error.path}"):
            url = error.path.replace("{id}", "0" if error.status == 422 else "1")
            with nullcontext() if error.table is None else hidden(sqlite_url, error.table):
                response = client.request(error.method, url, **error.request)
            assert response.status_code == error.status
            content = SCHEMA["paths"][error.path][error.method]["responses"][str(error.status)]["content"]
            (media_type,) = content
            assert response.headers["content-type"] == media_type
            assert set(content[media_type]["example"]) == set(response.json())
