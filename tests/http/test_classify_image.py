"""POST /classify/image: the drawing found in an image file is classified and stored."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.drawings.formats import FORMAT_NAMES
from app.drawings.image_files import read_image
from app.http.edge import MAX_BODIES
from app.main import app
from app.schemas.classify import SEVEN
from tests.support.digit_images import FORMATS, encoded, picture
from tests.support.http_fixtures import Start
from tests.support.service import (
    DRAWING,
    KEY,
    assert_problem,
    assert_storage_problem,
    exchange,
    hidden,
    rows,
    scope_of,
    stored,
)

URL = "/classify/image"
FOUR = encoded(picture("4"))
AUTHORISED = (b"x-api-key", KEY.encode())


def send(client: TestClient, data: bytes = FOUR, name: str = "four.png", kind: str = "image/png") -> Any:
    return client.post(URL, files={"file": (name, data, kind)})


def assert_refused(client: TestClient, word: str, **request: Any) -> None:
    """Check for a 422 with this text that repeats nothing of the request."""
    problem = assert_problem(client.post(URL, **request), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert word in problem["detail"], problem["detail"]
    assert [error["loc"] for error in problem["errors"]] == [["body", "file"]]
    assert "marker" not in str(problem)


@pytest.mark.parametrize("name", FORMATS)
def test_image_is_classified_and_stored_like_a_drawing(client: TestClient, database_url: str, name: str) -> None:
    data = encoded(picture("4"), name)
    response = send(client, data)
    assert response.status_code == 200, response.text
    answer = response.json()
    found = read_image(data)
    drawn = client.post("/classify", json={"pixels": found.tolist()}).json()
    changing = {"id", "created_at"}
    assert answer["prediction"] == "4"
    assert answer.keys() == drawn.keys()
    assert all(answer[key] == drawn[key] for key in answer.keys() - changing)
    record = client.get(f"/results/{answer['id']}").json()
    more = {"label": None, "notes": None, "request_id": response.headers["x-request-id"], "trace_id": None}
    assert record == answer | more
    pixels = [
        bytes(row["pixels"]) for row in rows(database_url, "SELECT pixels FROM v_drawings ORDER BY prediction_id")
    ]
    assert pixels == [found.tobytes()] * 2


def test_saved_drawing_gets_the_same_prediction(sqlite_client: TestClient) -> None:
    first = sqlite_client.post("/classify", json=DRAWING).json()
    saved = sqlite_client.get(f"/results/{first['id']}/drawing.png").content
    second = send(sqlite_client, saved).json()
    assert (second["prediction"], second["scores"]) == (first["prediction"], first["scores"])
    assert sqlite_client.get(f"/results/{second['id']}/drawing.png").content == saved


def test_blank_image_is_classified_and_stored_like_a_blank_drawing(sqlite_client: TestClient, sqlite_url: str) -> None:
    answer = send(sqlite_client, encoded(Image.new("L", (300, 200), 255))).json()
    blank = sqlite_client.post("/classify", json={"pixels": np.zeros((28, 28), int).tolist()}).json()
    assert answer["scores"] == blank["scores"]
    assert stored(sqlite_url) == (2, 2)


@pytest.mark.parametrize("name", ["four.exe", "../../four", "a\"b;c='d", "vier-\u00e4\U0001f600.gif", "x" * 2000])
@pytest.mark.parametrize("kind", ["image/png", "text/plain", "application/x-msdownload", "nonsense"])
def test_filename_and_content_type_are_ignored(sqlite_client: TestClient, name: str, kind: str) -> None:
    answer = sqlite_client.post(URL, files={"file": (name, FOUR, kind)})
    assert answer.json()["prediction"] == "4"


def test_large_file_is_read_without_temporary_files(sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no-such-folder")
    # Bytes after the end of a PNG are ignored.
    assert send(sqlite_client, FOUR.ljust(8_000_000, b"\0")).json()["prediction"] == "4"


def test_body_over_8_mib_is_refused(sqlite_client: TestClient, sqlite_url: str) -> None:
    limit = MAX_BODIES[URL]
    for content in (bytes(limit + 1), iter([b"--x\r\n", *[bytes(1_000_000)] * 9])):
        response = sqlite_client.post(URL, content=content, headers={"Content-Type": "multipart/form-data; boundary=x"})
        problem = assert_problem(response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        assert str(limit) in problem["detail"]
    assert stored(sqlite_url) == (0, 0)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"marker", f"not a {FORMAT_NAMES} image"),
        (encoded(picture("4"), "TIFF"), f"not a {FORMAT_NAMES} image"),
        (FOUR[: len(FOUR) // 2], "cut off"),
        (encoded(Image.new("1", (5001, 5000))), "25 megapixels"),
    ],
    ids=["empty", "text", "TIFF", "cut off", "too large"],
)
def test_unreadable_image_is_refused_and_not_stored(
    sqlite_client: TestClient, sqlite_url: str, data: bytes, word: str
) -> None:
    assert_refused(sqlite_client, word, files={"file": ("marker.png", data)})
    assert stored(sqlite_url) == (0, 0)


FILE = ("marker.png", FOUR)


@pytest.mark.parametrize(
    "request_",
    [
        {"files": {"image": FILE}},
        {"files": [("file", FILE), ("file", FILE)]},
        {"files": [("file", FILE), ("other", FILE)]},
        {"files": {"file": FILE}, "data": {"marker": "marker"}},
        {"files": {"file": FILE}, "data": {"file": "marker"}},
        {"files": {"file": (None, FOUR)}},
        {"files": {"file": FILE}, "data": {f"marker{n}": "marker" for n in range(100)}},
        {"files": [(f"marker{n}", FILE) for n in range(100)]},
    ],
    ids=["other name", "two files", "another file", "text too", "text of that name", "text", "100 texts", "100 files"],
)
def test_form_must_have_exactly_one_file(sqlite_client: TestClient, sqlite_url: str, request_: dict[str, Any]) -> None:
    assert_refused(sqlite_client, "file", **request_)
    assert stored(sqlite_url) == (0, 0)


AS_FILE = 'form-data; name="file"; filename="marker.png"'


def part(head: str = AS_FILE, end: bytes = b"\r\n--x--\r\n") -> bytes:
    """A form with one part."""
    return b"--x\r\nContent-Disposition: " + head.encode("latin-1") + b"\r\n\r\n" + FOUR + end


def test_file_named_only_in_the_extended_form_is_refused_by_that_name(sqlite_client: TestClient) -> None:
    content = part("form-data; name=\"file\"; filename*=UTF-8''marker.png")
    assert_refused(sqlite_client, "`filename*` alone is not read", content=content, headers={"Content-Type": FORM})


FORM = "multipart/form-data; boundary=x"
BROKEN = {
    "no body": (FORM, b""),
    "no form": (FORM, b"marker"),
    "no part": (FORM, b"--x--\r\n"),
    "no end": (FORM, part(end=b"")),
    "no boundary": ("multipart/form-data", part()),
    "empty boundary": ("multipart/form-data; boundary=", part()),
    "other boundary": ("multipart/form-data; boundary=y", part()),
    "long boundary": (f"multipart/form-data; boundary={'y' * 5000}", part()),
    "no name": (FORM, part('form-data; filename="marker.png"')),
    "no disposition": (FORM, b"--x\r\n\r\nmarker\r\n--x--\r\n"),
    "bare line ends": (FORM, part().replace(b"\r\n", b"\n")),
    "long head": (FORM, part(f'form-data; name="{"marker" * 20_000}"')),
    "many heads": (FORM, part('form-data; name="file"' + "\r\nX: marker" * 5000)),
    "NUL in the head": (FORM, part('form-data; name="fi\0le"; filename="x"')),
    "mixed": ("multipart/mixed; boundary=x", part()),
    "form in the address": ("application/x-www-form-urlencoded", b"file=marker"),
    "JSON": ("application/json", b'{"file": "marker"}'),
    "the file itself": ("image/png", FOUR),
    "nonsense": (";;;=", part()),
}


# Starlette leaves the in-memory file of an incomplete part to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_broken_form_is_refused(sqlite_client: TestClient, sqlite_url: str, name: str) -> None:
    content_type, content = BROKEN[name]
    assert_refused(sqlite_client, "form", content=content, headers={"Content-Type": content_type})
    assert stored(sqlite_url) == (0, 0)


@pytest.mark.parametrize("charset", ["marker", "undefined", "idna", "rot13", "utf-16"])
def test_form_in_another_charset_is_a_415(sqlite_client: TestClient, charset: str) -> None:
    headers = {"Content-Type": f"{FORM}; charset={charset}"}
    response = sqlite_client.post(URL, content=part('form-data; name="\xff"'), headers=headers)
    assert "marker" not in str(assert_problem(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE))


@pytest.mark.parametrize(
    "charset", ["utf-8; charset=undefined", "utf-8; x=1;charset=punycode", "utf-8; CHARSET=utf-16"]
)
def test_form_with_two_charsets_is_a_415(sqlite_client: TestClient, charset: str) -> None:
    headers = {"Content-Type": f"{FORM}; charset={charset}"}
    response = sqlite_client.post(URL, content=part('form-data; name="\xff"'), headers=headers)
    assert_problem(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def test_other_parameters_are_no_charset(sqlite_client: TestClient) -> None:
    headers = {"Content-Type": f"{FORM}; x-charset=utf-16"}
    assert sqlite_client.post(URL, content=part(), headers=headers).json()["prediction"] == "4"


def test_body_without_a_content_type_is_refused(sqlite_client: TestClient) -> None:
    assert_refused(sqlite_client, "multipart/form-data", content=part())


@pytest.mark.parametrize("declared", [1, 10, 100_000])
def test_wrong_length_of_a_part_is_ignored(sqlite_client: TestClient, declared: int) -> None:
    length, kind = (b"content-length", str(declared).encode()), (b"content-type", FORM.encode())
    message = {"type": "http.request", "body": part(), "more_body": False}
    sent = exchange(sqlite_client.app, scope_of("POST", URL, AUTHORISED, length, kind), message)
    assert sent[0]["status"] == HTTPStatus.OK


def test_form_in_small_pieces_is_read(sqlite_client: TestClient) -> None:
    body = part()
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    response = sqlite_client.post(URL, content=pieces, headers={"Content-Type": FORM})
    assert response.json()["prediction"] == "4"


def test_disconnected_client_leaves_nothing_behind(sqlite_client: TestClient, sqlite_url: str) -> None:
    half = {"type": "http.request", "body": part()[:300], "more_body": True}
    scope = scope_of("POST", URL, AUTHORISED, (b"content-type", FORM.encode()))
    assert exchange(sqlite_client.app, scope, half, {"type": "http.disconnect"}) == []
    assert stored(sqlite_url) == (0, 0)
    assert send(sqlite_client).status_code == 200


def test_body_is_not_read_without_a_valid_key(sqlite_client: TestClient) -> None:
    # There is no body, so reading it would fail.
    sent = exchange(sqlite_client.app, scope_of("POST", URL, (b"x-api-key", b"wrong")))
    assert sent[0]["status"] == HTTPStatus.UNAUTHORIZED


def test_every_image_counts_towards_the_limit_even_if_refused(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/day")
    codes = [send(client).status_code, send(client, b"no image").status_code, client.post(URL).status_code]
    assert codes == [200, 422, 422]
    assert_problem(client.post("/classify", json=DRAWING), HTTPStatus.TOO_MANY_REQUESTS)
    # There is no body, so reading it would fail.
    sent = exchange(client.app, scope_of("POST", URL, AUTHORISED))
    assert sent[0]["status"] == HTTPStatus.TOO_MANY_REQUESTS


def test_image_that_cannot_be_stored_is_an_error(client: TestClient, database_url: str) -> None:
    with hidden(database_url, "drawings"):
        assert_storage_problem(send(client))
    assert stored(database_url) == (0, 0)
    assert send(client).status_code == 200


def test_concurrent_images_are_all_answered(start: Start, sqlite_url: str) -> None:
    # Twice, because locks and semaphores belong to one run of the service.
    for expected in (24, 48):
        client = start(DATABASE_URL=sqlite_url)
        with ThreadPoolExecutor(24) as callers:
            answers = list(callers.map(lambda _, client=client: send(client), range(24)))  # type: ignore[misc]
        assert {answer.status_code for answer in answers} == {200}
        assert stored(sqlite_url) == (expected, expected)


def test_openapi_has_a_file_for_images_and_both_bodies_of_a_batch() -> None:
    paths = app.openapi()["paths"]
    image = paths[URL]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    file = {"type": "string", "format": "binary", "description": f"{FORMAT_NAMES}."}
    assert (image["required"], image["properties"]) == (["file"], {"file": file})
    batch = paths["/classify/batch"]["post"]["requestBody"]
    assert batch["required"] is True
    assert batch["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/BatchRequest"}
    assert batch["content"]["application/octet-stream"]["schema"] == {"type": "string", "format": "binary"}


def test_image_of_the_documented_drawing_is_a_seven(sqlite_client: TestClient) -> None:
    drawing = Image.fromarray(np.array(SEVEN, np.uint8))
    assert send(sqlite_client, encoded(drawing)).json()["prediction"] == "7"
