import json
import random
from itertools import chain

import pytest

from app.http.bodies import parse_json
from app.http.errors import InvalidRequest
from app.http.pixel_text import read_batch
from app.schemas.classify import MAX_BATCH, BatchRequest

INK = random.Random(5)


def some_drawing() -> list[list[int]]:
    return [[INK.choice([0, 0, INK.randrange(256)]) for _ in range(28)] for _ in range(28)]


def written(count: int, **style: object) -> bytes:
    return json.dumps({"images": [some_drawing() for _ in range(count)]}, **style).encode()  # type: ignore[arg-type]


def parsed(body: bytes) -> list[bytes]:
    return [bytes(chain.from_iterable(rows)) for rows in parse_json(BatchRequest, body).images]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 65])
@pytest.mark.parametrize(
    "style", [{"separators": (",", ":")}, {}, {"indent": 1}, {"indent": "\t", "separators": (" ,", ": ")}]
)
def test_a_batch_is_read_however_it_is_spaced(count: int, style: dict[str, object]) -> None:
    body = written(count, **style)
    assert read_batch(body) == parsed(body)


def test_every_number_of_a_pixel_is_read() -> None:
    rows = [list(range(start, start + 28)) for start in range(0, 252, 28)]
    drawing = [*rows, list(range(228, 256)), *[[0] * 28] * 18]
    assert read_batch(json.dumps({"images": [drawing]}).encode()) == [bytes(chain.from_iterable(drawing))]


# What a JSON parser refuses, or takes in another way.
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"7", b"256"),
        (b"7", b"1000"),
        (b"7", b"07"),
        (b"7", b"00"),
        (b"7", b"007"),
        (b"7", b"-7"),
        (b"7", b"7.0"),
        (b"7", b"7e0"),
        (b"7", b"1 7"),
        (b"7", b"1\n7"),
        (b"7", b"1\x007"),
        (b"7", b"\xa07"),
        (b"7", b""),
        (b"7,", b"7,,"),
        (b"7,", b"7,7,"),
        (b"[7,", b"["),
        (b"[7", b"7["),
        (b"7", b"[7]"),
        (b"7", b"true"),
        (b"images", b"image"),
        (b"images", b"ima ges"),
        (b'"images"', b'"images" '),
        (b'"images"', b'"pixels":1,"images"'),
        (b"}", b"} 7"),
        (b"}", b"}}"),
        (b"{", b"\xef\xbb\xbf{"),
    ],
)
def test_a_changed_body_is_read_as_a_json_parser_does_or_left_to_it(old: bytes, new: bytes) -> None:
    drawing = [[7] + [0] * 27] + [[0] * 28] * 27
    body = json.dumps({"images": [drawing, drawing]}, separators=(",", ":")).encode()
    changed = body.replace(old, new, 1)
    assert changed != body
    try:
        expected = parsed(changed)
    except InvalidRequest:
        assert read_batch(changed) is None
    else:
        assert read_batch(changed) == expected


def test_random_changes_never_give_another_drawing_than_a_json_parser() -> None:
    chance = random.Random(8)
    body = written(3)
    unread = 0
    for _ in range(3000):
        place, length = chance.randrange(len(body)), chance.choice([0, 1, 1, 2, 3])
        piece = bytes(chance.choice(b'0123456789, []{}:"\n-.e') for _ in range(chance.choice([0, 1, 1, 2])))
        changed = body[:place] + piece + body[place + length :]
        read = read_batch(changed)
        if read is None:
            unread += 1
        else:
            assert read == parsed(changed)
    assert 0 < unread < 3000


def test_a_batch_of_too_many_drawings_is_left_to_the_parser() -> None:
    drawing = json.dumps([[0] * 28] * 28)
    for count, is_read in ((MAX_BATCH, True), (MAX_BATCH + 1, False)):
        body = f'{{"images": [{",".join([drawing] * count)}]}}'.encode()
        assert (read_batch(body) is not None) is is_read


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"{}", b'{"images":[]}', b'{"images":[[]]}', b'{"images":[[[]]]}'])
def test_a_body_without_a_drawing_is_left_to_the_parser(body: bytes) -> None:
    assert read_batch(body) is None
