"""OpenAPI: complete, correct, and readable without the Internet."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from app import __version__
from app.main import app
from app.schemas.classify import SEVEN
from app.schemas.problems import Problem
from tests.support.contract import CONTRACT, drawn_as_png
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, hidden

SCHEMA: dict[str, Any] = app.openapi()
SHAPES = SCHEMA["components"]["schemas"]
OPERATIONS = [(method, path) for path, methods in SCHEMA["paths"].items() for method in methods]


def responses_of(method: str, path: str) -> dict[str, Any]:
    documented: dict[str, Any] = SCHEMA["paths"][path][method]["responses"]
    return documented


def resolved(reference: str) -> Any:
    found: Any = SCHEMA
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def example_of(schema: dict[str, Any]) -> Any:
    """The example of a schema: its own, or made of its members' examples."""
    if "$ref" in schema:
        return example_of(resolved(schema["$ref"]))
    if "examples" in schema:
        return schema["examples"][0]
    return {name: example_of(member) for name, member in schema["properties"].items()}


def everything_in(node: Any) -> Iterator[tuple[str, Any]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in members:
        yield str(name), value
        yield from everything_in(value)


def fits(example: Any, real: Any) -> bool:
    """Whether an example has the names and types of a real response, whose values may be null or empty."""
    if real is None or real in ({}, []):
        return True
    if isinstance(real, dict):
        return example.keys() == real.keys() and all(fits(example[name], member) for name, member in real.items())
    if isinstance(real, list):
        return fits(example[0], real[0])
    return isinstance(example, str) == isinstance(real, str)


def test_openapi_has_exactly_the_routes_of_the_contract() -> None:
    assert set(OPERATIONS) == CONTRACT
    assert (SCHEMA["info"]["title"], SCHEMA["info"]["version"]) == ("PixelWise", __version__)


def test_every_route_has_a_summary_a_description_and_a_unique_id() -> None:
    operations = [SCHEMA["paths"][path][method] for method, path in OPERATIONS]
    assert all(operation["summary"] and operation["description"].endswith(".") for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_every_reference_resolves() -> None:
    references = [value for name, value in everything_in(SCHEMA) if name == "$ref"]
    assert len(references) > 10
    for reference in references:
        assert resolved(reference)


def test_every_schema_is_used() -> None:
    used = {value.rpartition("/")[2] for name, value in everything_in(SCHEMA) if name == "$ref"}
    assert used == set(SHAPES)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_error_is_documented_as_a_problem_with_an_example(method: str, path: str) -> None:
    for status, response in responses_of(method, path).items():
        assert response["description"]
        if int(status) < HTTPStatus.BAD_REQUEST:
            continue
        assert list(response["content"]) == ["application/problem+json"]
        content = response["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        example = Problem.model_validate(content["example"])
        assert (example.status, example.title) == (int(status), HTTPStatus(int(status)).phrase)


class Errors(NamedTuple):
    """A failing request, its route and its status."""

    status: int
    path: str
    request: dict[str, Any] = {}  # noqa: RUF012  # Nothing changes it.
    table: str | None = None
    method: str = "get"


WRONG_KEY = {"headers": {"X-API-Key": "wrong"}}
NOTES = {"json": {"notes": "with a bar"}}
LABEL = {"json": {"label": "7"}}
ERRORS = [
    Errors(401, "/classify", WRONG_KEY, method="post"),
    Errors(413, "/classify", {"content": b" " * 100_000}, method="post"),
    Errors(422, "/classify", {"content": b""}, method="post"),
    Errors(503, "/classify", {"json": DRAWING}, table="predictions", method="post"),
    Errors(401, "/classify/preview", WRONG_KEY, method="post"),
    Errors(413, "/classify/preview", {"content": b" " * 100_000}, method="post"),
    Errors(422, "/classify/preview", {"content": b""}, method="post"),
    Errors(401, "/classify/batch", WRONG_KEY, method="post"),
    Errors(413, "/classify/batch", {"content": bytes(8 * 1024 * 1024 + 1)}, method="post"),
    Errors(422, "/classify/batch", {"content": b""}, method="post"),
    Errors(503, "/classify/batch", {"json": {"images": [SEVEN]}}, table="predictions", method="post"),
    Errors(401, "/classify/image", WRONG_KEY, method="post"),
    Errors(413, "/classify/image", {"content": bytes(8 * 1024 * 1024 + 1)}, method="post"),
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
    Errors(422, "/results/{id}", {"json": {}}, method="patch"),
    Errors(503, "/results/{id}", NOTES, table="predictions", method="patch"),
    Errors(401, "/results/{id}/label", {**WRONG_KEY, **LABEL}, method="put"),
    Errors(404, "/results/{id}/label", LABEL, method="put"),
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
    Errors(503, "/stats/calibration", table="labels"),
    Errors(401, "/stats/drift", WRONG_KEY),
    Errors(422, "/stats/drift", {"params": {"last": 299}}),
    Errors(503, "/stats/drift", table="drawings"),
    Errors(401, "/models", WRONG_KEY),
    Errors(503, "/models", table="shadow_predictions"),
    Errors(401, "/export", WRONG_KEY),
    Errors(422, "/export", {"params": {"format": "xml"}}),
    Errors(503, "/export", table="labels"),
    Errors(503, "/health/ready", table="alembic_version"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.status} {error.method} {error.path}")
def test_every_error_has_the_fields_of_its_documented_example(start: Start, sqlite_url: str, error: Errors) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    method = error.method
    url = error.path.replace("{id}", "0" if error.status == 422 else "1")
    if error.table is None:
        response = client.request(method, url, **error.request)
    else:
        with hidden(sqlite_url, error.table):
            response = client.request(method, url, **error.request)
    assert response.status_code == error.status
    content = responses_of(method, error.path)[str(error.status)]["content"]
    assert set(content["application/problem+json"]["example"]) == set(response.json())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_routes_with_a_key_document_401_and_429(method: str, path: str) -> None:
    # Wrong keys are limited, so 401 and 429 occur together.
    assert ("401" in responses_of(method, path)) == ("429" in responses_of(method, path))


@pytest.mark.parametrize("path", ["/classify", "/classify/preview", "/classify/batch"])
def test_documented_request_is_accepted(sqlite_client: TestClient, path: str) -> None:
    body = SCHEMA["paths"][path]["post"]["requestBody"]
    assert body["required"] is True
    example = example_of(body["content"]["application/json"]["schema"])
    assert sqlite_client.post(path, json=example).status_code == 200


def test_documented_responses_have_the_fields_of_real_ones(sqlite_client: TestClient) -> None:
    real = {("post", "/classify"): sqlite_client.post("/classify", json=DRAWING)}
    real["post", "/classify/preview"] = sqlite_client.post("/classify/preview", json=DRAWING)
    real["post", "/classify/batch"] = sqlite_client.post("/classify/batch", json={"images": [SEVEN]})
    picture = drawn_as_png(SEVEN)
    real["post", "/classify/image"] = sqlite_client.post("/classify/image", files={"file": picture})
    real["put", "/results/{id}/label"] = sqlite_client.put("/results/1/label", json={"label": "7"})
    real["patch", "/results/{id}"] = sqlite_client.patch("/results/1", json={"notes": "with a bar"})
    for path in (path for method, path in OPERATIONS if method == "get"):
        real["get", path] = sqlite_client.get(path.replace("{id}", "1"))
    assert {response.status_code for response in real.values()} == {200}
    assert real.pop(("get", "/results/{id}/drawing.png")).headers["content-type"] == "image/png"
    assert real.pop(("get", "/export")).headers["content-type"] == "application/zip"
    for (method, path), response in real.items():
        content = responses_of(method, path)["200"]["content"]
        assert fits(example_of(content["application/json"]["schema"]), response.json()), path


def test_schema_of_the_request_has_every_bound() -> None:
    rows = SHAPES["ClassifyRequest"]["properties"]["pixels"]
    assert (rows["minItems"], rows["maxItems"]) == (28, 28)
    assert (rows["items"]["minItems"], rows["items"]["maxItems"]) == (28, 28)
    pixel = rows["items"]["items"]
    assert (pixel["type"], pixel["minimum"], pixel["maximum"]) == ("integer", 0, 255)
    assert SHAPES["ClassifyRequest"]["additionalProperties"] is False


def test_key_can_be_entered_once_for_all_routes_that_take_one() -> None:
    ((name, scheme),) = SCHEMA["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    for method, path in OPERATIONS:
        asks = "401" in responses_of(method, path)
        assert SCHEMA["paths"][path][method].get("security") == ([{name: []}] if asks else None)


class Addresses(HTMLParser):
    """Collects the URLs that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_docs_load_nothing_from_other_hosts(sqlite_client: TestClient, page: str) -> None:
    text = sqlite_client.get(page).text
    addresses = Addresses()
    addresses.feed(text)
    assert any(address.endswith(".js") for address in addresses.found)
    for address in addresses.found:
        assert re.match(r"/[^/]", address), address
        assert sqlite_client.get(address).status_code == 200, address
    assert "//" not in text.replace("<!DOCTYPE html>", "").replace("window.location.protocol + '//'", "")
    assert "/openapi.json" in text
    assert sqlite_client.get("/openapi.json").json() == SCHEMA
