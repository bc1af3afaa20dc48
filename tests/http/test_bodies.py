"""All JSON bodies are read by the same rules, and only with the right key."""

import gzip
import json
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from app.drawings.shape import PIXELS
from app.http.bodies import parse_json
from app.http.errors import InvalidRequest
from app.schemas.classify import SEVEN, BatchRequest, ClassifyRequest
from app.schemas.inference import InferRequest
from app.schemas.keys import KeyCreate
from app.schemas.results import MAX_NOTES
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem


class Route(NamedTuple):
    method: str
    path: str
    body: dict[str, Any]


ROUTES = [
    Route("POST", "/classify", DRAWING),
    Route("POST", "/classify/preview", DRAWING),
    Route("POST", "/classify/batch", {"images": [SEVEN]}),
    Route("PATCH", "/results/1", {"notes": "with a bär"}),
    Route("PUT", "/results/1/label", {"label": "7", "source": "anna"}),
]
every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")

READ_AS_JSON = (
    *(None, "", "application/json", "application/json; charset=utf-8", 'application/json;CHARSET="UTF-8"'),
    *("application/x-www-form-urlencoded", "text/plain", "text/plain;charset=UTF-8", "application/problem+json"),
    *("text/plain; charset=us-ascii", "multipart/form-data", "nonsense"),
)


@pytest.fixture
def stored(sqlite_client: TestClient) -> TestClient:
    """The service with one prediction."""
    sqlite_client.post("/classify", json=DRAWING)
    return sqlite_client


@pytest.mark.parametrize("value", [b"0", b"[]", b"{}", b"[" * 100 + b"]" * 100])
@pytest.mark.parametrize("path", ["/classify/batch", "/v2/models/digits/infer"])
def test_body_of_millions_of_values_is_not_parsed(sqlite_client: TestClient, path: str, value: bytes) -> None:
    values = b",".join([value] * (4_000_000 // len(value)))
    response = sqlite_client.post(path, content=b'{"images":[' + values + b'],"inputs":[]}')
    assert response.status_code in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST)
    assert "more lists, objects or values than 1000 drawings" in response.text


@pytest.mark.parametrize("path", ["/classify/batch", "/v2/models/digits/infer"])
def test_body_of_thousands_of_members_is_not_parsed(sqlite_client: TestClient, path: str) -> None:
    response = sqlite_client.post(path, json={str(number): 0 for number in range(20_000)})
    assert response.status_code in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST)
    assert "more lists, objects or values than 1000 drawings" in response.text


@every_route
def test_unknown_members_are_one_error(stored: TestClient, route: Route) -> None:
    response = stored.request(route.method, route.path, json=route.body | dict.fromkeys("abcdef", 0))
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [(error["loc"], error["type"]) for error in problem["errors"]] == [(["body"], "extra_forbidden")]


TENSOR = {"name": "drawings", "shape": [1, PIXELS], "datatype": "UINT8"}


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (BatchRequest, {"images": [0, 0]}),
        (ClassifyRequest, {"pixels": [0, 0]}),
        (ClassifyRequest, {"pixels": [["", ""]]}),
        (InferRequest, {"inputs": [0, 0]}),
        (InferRequest, {"inputs": [{**TENSOR, "shape": ["", ""]}]}),
        (InferRequest, {"inputs": [TENSOR], "outputs": [0, 0]}),
        (KeyCreate, {"name": "phone", "scopes": ["", ""]}),
    ],
    ids=str,
)
def test_only_the_first_wrong_item_of_a_list_is_an_error(shape: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(shape, json.dumps(body).encode())
    assert len(refused.value.errors) == 1


def test_longest_notes_may_be_colons(stored: TestClient) -> None:
    assert stored.patch("/results/1", json={"notes": ":" * MAX_NOTES}).status_code == HTTPStatus.OK


@every_route
def test_body_with_any_content_type_is_read_as_json(stored: TestClient, route: Route) -> None:
    body = json.dumps(route.body, ensure_ascii=False).encode()
    for kind in READ_AS_JSON:
        headers = {} if kind is None else {"Content-Type": kind}
        assert stored.request(route.method, route.path, content=body, headers=headers).status_code == 200, kind


@pytest.mark.parametrize("route", [*ROUTES, Route("POST", "/classify/image", {})], ids=lambda route: str(route[:2]))
def test_compressed_body_is_a_415_that_names_the_compression(stored: TestClient, route: Route) -> None:
    body = gzip.compress(json.dumps(route.body).encode())
    for encoding, name in (
        ("gzip", "gzip"),
        ("X-GZIP", "GZIP"),
        ("deflate, br", "deflate"),
        ("zstd", "zstd"),
        ("rot13", ""),
    ):
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        response = stored.request(route.method, route.path, content=body, headers=headers)
        problem = assert_problem(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        assert name in problem["detail"]
        assert "rot13" not in problem["detail"]
        assert response.headers["accept-encoding"] == "identity"


@every_route
def test_compressed_transfer_is_a_415(stored: TestClient, route: Route) -> None:
    body = gzip.compress(json.dumps(route.body).encode())
    headers = {"Transfer-Encoding": "gzip, chunked"}
    response = stored.request(route.method, route.path, content=body, headers=headers)
    assert "gzip" in assert_problem(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)["detail"]


@every_route
def test_identity_is_no_compression(stored: TestClient, route: Route) -> None:
    headers = {"Content-Encoding": " Identity ", "Transfer-Encoding": "Chunked"}
    assert stored.request(route.method, route.path, json=route.body, headers=headers).status_code == 200


@every_route
def test_other_charset_is_a_415(stored: TestClient, route: Route) -> None:
    for charset in ("utf-16", "iso-8859-1", '"latin1"', "utf-8x", ""):
        headers = {"Content-Type": f"application/json; charset={charset}"}
        response = stored.request(route.method, route.path, content=json.dumps(route.body), headers=headers)
        problem = assert_problem(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        assert "UTF-8" in problem["detail"]


@pytest.mark.parametrize(
    "route",
    [
        *(*ROUTES, Route("POST", "/classify/image", {}), Route("POST", "/v2/models/digits/infer", {})),
        Route("POST", "/keys", {}),
    ],
    ids=lambda route: str(route[:2]),
)
def test_content_type_with_thousands_of_parameters_is_not_parsed(stored: TestClient, route: Route) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind + ";" * 60_000}
        response = stored.request(route.method, route.path, content=json.dumps(route.body), headers=headers)
        assert response.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        assert "more than 16 parameters" in response.text


def invalid_bodies(valid: str) -> dict[str, bytes]:
    name = valid.split('"')[1]
    escaped = rf"\u{ord(name[0]):04x}{name[1:]}"
    return {
        "byte order mark": valid.encode("utf-8-sig"),
        "UTF-16": valid.encode("utf-16"),
        "UTF-16 without mark": valid.encode("utf-16-be"),
        "UTF-32": valid.encode("utf-32"),
        "Latin-1": valid[:-1].encode() + b', "\xe4": 1}',
        "repeated key": f"{valid[:-1]}, {valid[1:]}".encode(),
        "repeated key, escaped": f"{valid[:-1]}, {valid[1:].replace(name, escaped, 1)}".encode(),
        "repeated key, the first is wrong": (f'{{"{name}": 1, ' + valid[1:]).encode(),
        "repeated key below": b'{"%s": {"a": 1, "a": 1}}' % name.encode(),
        "unknown key": f'{valid[:-1]}, "colour": 1}}'.encode(),
        "lone surrogate": rf'{{"{name}": "\ud800"}}'.encode(),
        "NUL": rf'{{"{name}": "\u0000"}}'.encode(),
        "NaN": f'{{"{name}": NaN}}'.encode(),
        "Infinity": f'{{"{name}": -Infinity}}'.encode(),
        "1e999": f'{{"{name}": 1e999}}'.encode(),
        "huge number": f'{{"{name}": {"9" * 5000}}}'.encode(),
        "deep array": f'{{"{name}": {"[" * 20_000}{"]" * 20_000}}}'.encode(),
        "deep object": b'{"%s": ' % name.encode() + b'{"a":' * 5000,
        "trailing text": f"{valid} {valid}".encode(),
        "trailing NUL": f"{valid}\0".encode(),
        "comment": f"{valid} // {valid}".encode(),
        "single quotes": valid.replace('"', "'").encode(),
        "form": f"{name}=7".encode(),
        "array": f"[{valid}]".encode(),
        "text": json.dumps(valid).encode(),
        "null": b"null",
        "number": b"7",
        "empty": b"",
        "blank": b" \r\n\t",
        "cut off": valid[:-1].encode(),
    }


@every_route
def test_invalid_json_is_a_422_on_every_route(stored: TestClient, route: Route) -> None:
    before = stored.get("/results/1").headers["etag"]
    for name, body in invalid_bodies(json.dumps(route.body)).items():
        response = stored.request(route.method, route.path, content=body)
        problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
        assert problem["errors"][0]["loc"][0] == "body", name
        assert "colour" not in response.text
        assert ("more than once" in problem["detail"]) >= (name in ("repeated key", "repeated key, escaped")), name
        assert ("byte order mark" in problem["detail"]) >= (name == "byte order mark")
    assert len(stored.get("/results").json()["results"]) == 1
    assert stored.get("/results/1").headers["etag"] == before


@every_route
def test_key_is_checked_and_counted_before_the_body_is_read(start: Start, sqlite_url: str, route: Route) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day")
    bodies = [*invalid_bodies(json.dumps(route.body)).values()][:4]
    statuses = [
        client.request(
            route.method, route.path, content=body, headers={"X-API-Key": "wrong", "Content-Encoding": encoding}
        )
        for body in bodies
        for encoding in ("gzip", "identity")
    ]
    assert [response.status_code for response in statuses] == [401] * 5 + [429] * 3


def test_body_of_a_get_or_delete_is_ignored(stored: TestClient) -> None:
    for method, path in (("GET", "/results"), ("GET", "/results/1"), ("GET", "/health"), ("DELETE", "/results/1")):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json; charset=utf-16"}
        assert stored.request(method, path, content=b"\xff", headers=headers).status_code in (200, 204)


def test_repeated_content_type_is_refused(stored: TestClient) -> None:
    for route in ROUTES:
        headers = [("Content-Type", "application/json"), ("Content-Type", "application/octet-stream")]
        response = stored.request(route.method, route.path, content=json.dumps(route.body), headers=headers)
        problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
        assert problem["errors"][0]["loc"] == ["header", "Content-Type"]
