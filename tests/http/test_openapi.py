"""OpenAPI: complete, correct, and readable without the Internet."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any
from unittest.mock import ANY
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient

from app import __version__
from app.main import app
from app.schemas.classify import SEVEN
from app.schemas.inference import InferenceError
from app.schemas.problems import Problem
from tests.support.contract import CONTRACT, INFERENCE, drawn_as_png
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING

SCHEMA: dict[str, Any] = app.openapi()
SHAPES = SCHEMA["components"]["schemas"]
OPERATIONS = [(method, path) for path, methods in SCHEMA["paths"].items() for method in methods]


PUBLIC = {
    ("get", path)
    for path in (
        *("/results", "/results/{id}", "/results/{id}/labels", "/models"),
        *("/stats", "/stats/timeline", "/stats/calibration", "/stats/drift"),
    )
}


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


@pytest.mark.parametrize(("method", "path"), sorted(INFERENCE))
def test_every_error_of_the_inference_protocol_is_documented_with_an_example(method: str, path: str) -> None:
    errors = {status: one for status, one in responses_of(method, path).items() if status != "200"}
    assert "400" in errors
    assert "422" not in errors
    for response in errors.values():
        assert response["description"]
        content = response["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/InferenceError"}
        assert InferenceError.model_validate(content["example"]).error == response["description"]


@pytest.mark.parametrize(("method", "path"), sorted(set(OPERATIONS) - INFERENCE))
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


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_routes_with_a_key_document_401_and_429(method: str, path: str) -> None:
    # Wrong keys are limited, so 401 and 429 occur together.
    assert ("401" in responses_of(method, path)) == ("429" in responses_of(method, path))


def test_routes_that_run_the_model_document_500() -> None:
    assert {path for method, path in OPERATIONS if "500" in responses_of(method, path)} == {
        *("/classify", "/classify/preview", "/classify/batch", "/classify/image"),
        "/v2/models/digits/infer",
    }


@pytest.mark.parametrize("path", ["/classify", "/classify/preview", "/classify/batch", "/v2/models/digits/infer"])
def test_documented_request_is_accepted(sqlite_client: TestClient, path: str) -> None:
    body = SCHEMA["paths"][path]["post"]["requestBody"]
    assert body["required"] is True
    example = example_of(body["content"]["application/json"]["schema"])
    assert sqlite_client.post(path, json=example).status_code == 200


def test_documented_responses_have_the_fields_of_real_ones(sqlite_client: TestClient) -> None:
    real = {("post", "/classify"): sqlite_client.post("/classify", json=DRAWING)}
    real["post", "/classify/preview"] = sqlite_client.post("/classify/preview", json=DRAWING)
    infer = "/v2/models/digits/infer"
    real["post", infer] = sqlite_client.post(infer, json=example_of(SHAPES["InferRequest"]))
    real["post", "/classify/batch"] = sqlite_client.post("/classify/batch", json={"images": [SEVEN]})
    picture = drawn_as_png(SEVEN)
    real["post", "/classify/image"] = sqlite_client.post("/classify/image", files={"file": picture})
    real["put", "/results/{id}/label"] = sqlite_client.put("/results/1/label", json={"label": "7"})
    real["patch", "/results/{id}"] = sqlite_client.patch("/results/1", json={"notes": "with a bar"})
    for path in (path for method, path in OPERATIONS if method == "get"):
        real["get", path] = sqlite_client.get(path.replace("{id}", "1"))
    assert {response.status_code for response in real.values()} == {200}
    assert real.pop(("get", "/results/{id}/drawing.png")).headers["content-type"] == "image/png"
    assert real.pop(("get", "/metrics")).headers["content-type"].startswith("text/plain")
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
    (name, scheme), (bearer, other) = SCHEMA["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    assert (other["type"], other["scheme"]) == ("http", "bearer")
    for method, path in OPERATIONS:
        asks = "401" in responses_of(method, path)
        optional = [{}] if (method, path) in PUBLIC else []
        # tests/http/test_scopes.py says which.
        scopes = [ANY] if "403" in responses_of(method, path) else []
        assert SCHEMA["paths"][path][method].get("security") == (
            [{name: scopes}, {bearer: scopes}, *optional] if asks else None
        )


def test_key_is_required_everywhere_if_results_are_private(start: Start, sqlite_url: str) -> None:
    schema = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false").get("/openapi.json").json()
    for method, path in OPERATIONS:
        assert {} not in schema["paths"][path][method].get("security", [])


def test_parameters_have_their_bounds_and_are_never_null() -> None:
    parameters = {
        parameter["name"]: parameter["schema"]
        for method, path in OPERATIONS
        for parameter in SCHEMA["paths"][path][method].get("parameters", [])
    }
    assert parameters["id"].items() >= {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}.items()
    for name in ("since", "until", "reference_since", "reference_until"):
        assert parameters[name]["format"] == "date-time"
        for time, matches in (("1899-12-31T23:59:59Z", False), ("9000-01-01", True), ("9001-01-01", False)):
            assert bool(re.search(parameters[name]["pattern"], time)) is matches
    for schema in parameters.values():
        assert "anyOf" not in schema
        if schema.get("type") == "integer":
            assert {type(schema[bound]) for bound in ("minimum", "maximum")} == {int}


class Addresses(HTMLParser):
    """Collects the URLs that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/api/docs", "/api/redoc"])
def test_docs_load_only_files_beside_them(sqlite_client: TestClient, page: str) -> None:
    response = sqlite_client.get(page)
    addresses = Addresses()
    addresses.feed(response.text)
    assert any(address.endswith(".js") for address in addresses.found)
    assert "//" not in response.text
    for address in addresses.found:
        assert not address.startswith("/"), address
        assert sqlite_client.get(urljoin(page, address)).status_code == 200, address
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert sqlite_client.get(urljoin(page, "openapi.json")).json() == SCHEMA
