"""Invalid and hostile bodies: refused with a clear error, never repeated, never stored."""

import json
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.http.bodies import parse_drawing
from app.http.edge import MAX_BODY
from app.http.errors import InvalidRequest
from app.schemas.classify import ClassifyRequest
from tests.support.service import DRAWING, assert_problem, stored

# Part of most bodies, and of no response.
MARKER = "hostile-marker"
VALID = json.dumps(DRAWING)
ROWS = DRAWING["pixels"]


def with_pixel(text: str) -> str:
    """A drawing with this text as its first pixel."""
    return VALID.replace("[[0", f"[[{text}", 1)


def with_member(text: str) -> str:
    """A drawing with another member."""
    return f"{VALID[:-1]}, {text}}}"


def of_rows(rows: Any) -> str:
    return json.dumps({"pixels": rows})


class Hostile(NamedTuple):
    """A body, and part of the error for it."""

    body: bytes
    word: str
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY


def case(name: str, body: str | bytes, word: str, **more: Any) -> Any:
    return pytest.param(Hostile(body if isinstance(body, bytes) else body.encode(), word, **more), id=name)


CASES = [
    case("no rows", of_rows([]), "28 items"),
    case("27 rows", of_rows(ROWS[:27]), "28 items"),
    case("29 rows", of_rows([*ROWS, ROWS[0]]), "28 items"),
    case("short first row", of_rows([ROWS[0][:27], *ROWS[1:]]), "pixels.0: "),
    case("short last row", of_rows([*ROWS[:27], ROWS[27][:27]]), "pixels.27: "),
    case("long row", of_rows([*ROWS[:5], [0] * 29, *ROWS[6:]]), "pixels.5: "),
    case("empty rows", of_rows([[]] * 28), "pixels.0: "),
    case("flat", of_rows([0] * 784), "pixels"),
    case("three-dimensional", of_rows([[[0]] * 28] * 28), "pixels.0.0: "),
    case("rows of text", of_rows([MARKER * 2] * 28), "valid array"),
    case("pixels as text", of_rows(MARKER * 2), "valid array"),
    case("pixels as an object", of_rows({MARKER: 1}), "valid array"),
    case("pixels as null", of_rows(None), "valid array"),
    case("no pixels", "{}", "required"),
    case("-1", with_pixel("-1"), "greater than or equal to 0"),
    case("256", with_pixel("256"), "less than or equal to 255"),
    case("1.0", with_pixel("1.0"), "valid integer"),
    case("1.5", with_pixel("1.5"), "valid integer"),
    case("1e2", with_pixel("1e2"), "valid integer"),
    case("1e309", with_pixel("1e309"), "pixels.0.0: "),
    case("text for a number", with_pixel('"7"'), "valid integer"),
    case("text for a pixel", with_pixel(f'"{MARKER}"'), "valid integer"),
    case("true", with_pixel("true"), "valid integer"),
    case("null", with_pixel("null"), "valid integer"),
    case("NaN", with_pixel("NaN"), "body"),
    case("Infinity", with_pixel("Infinity"), "body"),
    case("-Infinity", with_pixel("-Infinity"), "body"),
    case("2 to the 63rd", with_pixel(str(2**63)), "less than or equal to 255"),
    case("300 digits", with_pixel("7" * 300), "less than or equal to 255"),
    case("5000 digits", with_pixel("7" * 5000), "number out of range"),
    case("-5000 digits", with_pixel("-" + "7" * 5000), "number out of range"),
    case("leading zero", with_pixel("007"), "invalid number"),
    case("plus sign", with_pixel("+7"), "Invalid JSON"),
    case("hexadecimal", with_pixel("0x10"), "Invalid JSON"),
    case("array for a pixel", with_pixel("[]"), "valid integer"),
    case("object for a pixel", with_pixel(f'{{"{MARKER}": 1}}'), "valid integer"),
    case("deep arrays", "[" * 60_000, "recursion"),
    case("deep pixels", with_pixel("[" * 50_000), "recursion"),
    case("deep objects", '{"a":' * 12_000, "recursion"),
    case("100,000 deep", "[" * 100_000, "larger than", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    case("duplicate key", with_member(f'"pixels": {json.dumps(ROWS)}'), "more than once"),
    case("duplicate key, first one wrong", f'{{"pixels": "{MARKER}", {VALID[1:]}', "more than once"),
    case("duplicate key, escaped", with_member(rf'"\u0070ixels": {json.dumps(ROWS)}'), "more than once"),
    case("unknown key", with_member(f'"{MARKER}": 1'), "Unknown name"),
    case("unknown key with a secret", with_member(f'"notes": "{MARKER}"'), "Unknown name"),
    case("empty key", with_member('"": 1'), "Unknown name"),
    case("lone surrogate as a key", with_member(rf'"\ud800{MARKER}": 1'), "Invalid JSON"),
    case("lone surrogate as a pixel", with_pixel(rf'"\udfff{MARKER}"'), "body"),
    case("lone surrogate in UTF-8", with_member(f'"{MARKER}').encode() + b'\xed\xa0\x80": 1}', "Invalid JSON"),
    case("NUL in a key", with_member(rf'"{MARKER}\u0000": 1'), "Unknown name"),
    case("NUL after the end", f"{VALID}\0{MARKER}", "trailing characters"),
    case("NUL before the start", f"\0{VALID}", "Invalid JSON"),
    case("BOM", f"\ufeff{VALID}", "Invalid JSON"),
    case("UTF-16", VALID.encode("utf-16"), "Invalid JSON"),
    case("UTF-16 without BOM", VALID.encode("utf-16-le"), "Invalid JSON"),
    case("UTF-32", VALID.encode("utf-32"), "Invalid JSON"),
    case("invalid UTF-8", b'{"' + MARKER.encode() + b'\xff": 1}', "Invalid JSON"),
    case("overlong UTF-8", b'{"pixels\xc0\x80": 1}', "Invalid JSON"),
    case("bytes", bytes(784), "Invalid JSON"),
    case("empty", b"", "Invalid JSON"),
    case("blank", b" \n", "Invalid JSON"),
    case("white space without end", b" " * MAX_BODY + VALID.encode(), "larger", status=HTTPStatus(413)),
    case("array", "[]", "object"),
    case("null document", "null", "object"),
    case("text document", f'"{MARKER}"', "object"),
    case("number document", "7", "object"),
    case("bare pixels", json.dumps(ROWS), "object"),
    case("pixels as a form", f"pixels={MARKER}", "Invalid JSON"),
    case("trailing garbage", f"{VALID} {MARKER}", "trailing characters"),
    case("trailing quotes", f'{VALID} "{MARKER}"', "trailing characters"),
    case("two documents", VALID + VALID, "trailing characters"),
    case("cut off", VALID[:-1], "EOF"),
    case("trailing comma", f"{VALID[:-1]},}}", "trailing comma"),
    case("single quotes", VALID.replace('"', "'"), "Invalid JSON"),
    case("comment", f"{VALID} // {MARKER}", "trailing characters"),
    case("log injection", with_member(rf'"\r\n{MARKER} INFO: all is well": 1'), "Unknown name"),
    case("markup", with_member(f'"<script>{MARKER}</script>": 1'), "Unknown name"),
]


def test_invalid_body_is_refused_with_a_clear_error_that_does_not_repeat_it(
    sqlite_client: TestClient, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    caplog.set_level("DEBUG", "pixelwise")
    for param in CASES:
        with subtests.test(param.id):
            caplog.clear()
            hostile: Hostile = param.values[0]
            response = sqlite_client.post("/classify", content=hostile.body)
            invalid = hostile.status == HTTPStatus.UNPROCESSABLE_ENTITY
            problem = assert_problem(response, hostile.status, *(["errors"] if invalid else []))
            assert hostile.word in problem["detail"]
            assert problem["detail"].isprintable()
            for error in problem.get("errors", []):
                assert set(error) == {"loc", "msg", "type"}
                assert error["loc"][0] == "body"
            for output in (response.text, str(response.headers), caplog.text):
                assert MARKER not in output
                assert "7" * 20 not in output


def test_invalid_bodies_store_nothing(client: TestClient, database_url: str) -> None:
    statuses = [client.post("/classify", content=param.values[0].body).status_code for param in CASES]
    assert statuses == [param.values[0].status for param in CASES]
    assert stored(database_url) == (0, 0)
    assert client.post("/classify", json=DRAWING).status_code == 200


def test_error_for_784_invalid_pixels_stays_short(sqlite_client: TestClient) -> None:
    response = sqlite_client.post("/classify", json={"pixels": [[-1] * 28] * 28})
    assert len(response.content) < 1000


def expected(body: bytes) -> bytes | None:
    """Parse a body with Python's JSON parser as documented; return the 784 bytes, or None."""

    def members(pairs: list[tuple[str, Any]]) -> Any:
        assert [name for name, _ in pairs] == ["pixels"]
        return pairs[0][1]

    def no_number(_text: str) -> None:
        raise AssertionError

    try:
        rows = json.loads(body.decode(), object_pairs_hook=members, parse_constant=no_number, parse_float=no_number)
        assert body.strip()[:1] == b"{"
        assert [len(row) for row in rows] == [28] * 28
        assert all(type(row) is list and {type(pixel) for pixel in row} == {int} for row in rows)
        return bytes(pixel for row in rows for pixel in row)
    except (AssertionError, TypeError, ValueError, RecursionError):
        return None


def mutated(random: Random) -> bytes:
    """A drawing with a few bytes changed, removed, repeated or inserted."""
    body = bytearray(json.dumps({"pixels": [[0] * 28] * 28}, separators=(",", ":")).encode())
    for _ in range(random.randint(1, 3)):
        at = random.choice((random.randrange(16), random.randrange(len(body)), len(body) - 1 - random.randrange(8)))
        piece = random.choice(
            (b"", b"0", b"9", b"-", b"[", b"]", b",", b"{", b"}", b'"', b" ", b"\\", b"\0", b"\xff", b"255", b"256")
        )
        body[at : at + random.randrange(3)] = piece * random.randint(1, 2)
    return bytes(body)


def accepted_by_the_documented_shape(body: bytes) -> bool:
    """Whether the schema accepts a body; it uses the last of repeated keys."""
    try:
        ClassifyRequest.model_validate_json(body)
    except ValidationError:
        return False
    return body.count(b'"') == 2


def test_parser_accepts_exactly_what_the_schema_allows() -> None:
    random = Random(7)
    accepted = 0
    for body in (*(param.values[0].body for param in CASES), *(mutated(random) for _ in range(3000))):
        try:
            pixels = parse_drawing(body)
        except InvalidRequest:
            pixels = None
        if len(body) <= MAX_BODY:
            assert pixels == expected(body), body
            assert (pixels is not None) == accepted_by_the_documented_shape(body), body
        accepted += pixels is not None
    assert accepted > 50
