"""If-Match and If-None-Match are ETags or `*`, in one header."""

from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from tests.support.service import DRAWING, assert_problem

MALFORMED = (
    "",
    "nonsense",
    "33a64df5",
    "'33a64df5'",
    '"33a64df5',
    '33a64df5"',
    '"a" "b"',
    '"a",b',
    '*, "a"',
    "**",
    "W/*",
    'w/"a"',
    '"a b"',
)


@pytest.fixture
def stored(sqlite_client: TestClient) -> TestClient:
    """The service with one prediction."""
    sqlite_client.post("/classify", json=DRAWING)
    return sqlite_client


REQUESTS = [
    ("If-None-Match", "GET", "/results/1", None),
    ("If-Match", "PATCH", "/results/1", {"notes": "smudged"}),
    ("If-Match", "PUT", "/results/1/label", {"label": "7"}),
    ("If-Match", "DELETE", "/results/1", None),
]


@pytest.mark.parametrize(("header", "method", "path", "body"), REQUESTS)
def test_malformed_condition_is_a_422(stored: TestClient, header: str, method: str, path: str, body: object) -> None:
    for value in MALFORMED:
        response = stored.request(method, path, json=body, headers={header: value})
        problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
        assert problem["errors"][0]["loc"] == ["header", header]
    assert stored.get("/results/1").json()["notes"] is None


@pytest.mark.parametrize(("header", "method", "path", "body"), REQUESTS)
def test_repeated_condition_is_a_422(stored: TestClient, header: str, method: str, path: str, body: object) -> None:
    response = stored.request(method, path, json=body, headers=[(header, "*"), (header, "*")])
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert "more than once" in problem["detail"]
    assert stored.get("/results/1").json()["notes"] is None


def test_white_space_around_a_condition_is_no_part_of_it(stored: TestClient) -> None:
    tag = stored.get("/results/1").headers["etag"]
    for value in (f"{tag} ", f'\t"other" , {tag}', " * "):
        assert stored.get("/results/1", headers={"If-None-Match": value}).status_code == 304
        assert stored.patch("/results/1", json={"notes": None}, headers={"If-Match": value}).status_code == 200


def test_quoted_star_is_an_ordinary_tag(stored: TestClient) -> None:
    assert stored.get("/results/1", headers={"If-None-Match": '"*"'}).status_code == 200
    response = stored.patch("/results/1", json={"notes": "smudged"}, headers={"If-Match": '"*"'})
    assert_problem(response, HTTPStatus.PRECONDITION_FAILED)
