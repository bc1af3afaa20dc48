"""Only a cursor that a page has returned is accepted."""

import base64
import json
from datetime import UTC, datetime

import pytest

from app.repository.results import Position
from app.services.cursors import cursor_of, position_of
from app.services.errors import InvalidInput

TIMES = (
    None,
    datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, UTC),
    datetime.max.replace(tzinfo=UTC),
)
GENUINE = cursor_of(Position(12, TIMES[1]))


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("id_", [1, 2**63 - 1])
def test_own_cursor_is_read(id_: int, time: datetime | None) -> None:
    assert position_of(cursor_of(Position(id_, time))) == Position(id_, time)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORGED = [
    *(
        "[0,null]",
        "[-1,null]",
        "[9223372036854775808,null]",
        "[1e1,null]",
        "[1.0,null]",
        "[true,null]",
        '["1",null]',
        "[null,null]",
    ),
    *("[1]", "[1,null,1]", "[]", "{}", '{"1":null}', "1", "null", '"12"', "", "[1, null]", "[1,null]\n", "[01,null]"),
    *("[1,0]", "[1,1795000000]", '[1,""]', '[1,"yesterday"]', '[1,"2026-11-20"]', '[1,"2026-11-20T09:30:00"]'),
    *('[1,"2026-11-20T09:30:00Z"]', '[1,"2026-11-20T09:30:00+01:00"]', '[1,"2026-11-20T09:30:00-00:00"]'),
    *('[1,"2026-11-20T09:30:00.000000+00:00"]', '[1,"20261120T093000+00:00"]', '[1,"2026-W47-5T09:30:00+00:00"]'),
    *('[1,"9999-12-31T23:59:59-12:00"]', '[1,"0001-01-01T00:00:00+14:00"]', '[1,"10000-01-01T00:00:00+00:00"]'),
    *(
        "[NaN,null]",
        "[Infinity,null]",
        "[" * 100,
        "[" + "9" * 90 + ",null]",
        "[1,[]]",
        "[1,{}]",
        "[[],null]",
        "[1,false]",
    ),
]


@pytest.mark.parametrize(
    "cursor",
    [
        *map(encoded, FORGED),
        *(GENUINE + "=", GENUINE + "==", GENUINE + "\n", " " + GENUINE, GENUINE[:-1], "!" + GENUINE, GENUINE + "!"),
        *(
            "",
            "é",
            "12",
            "null",
            GENUINE.lower(),
            GENUINE * 2,
            base64.b85encode(json.dumps([1, None]).encode()).decode(),
        ),
        base64.urlsafe_b64encode("[1,null]".encode("utf-16")).decode(),
        base64.urlsafe_b64encode(b"\xef\xbb\xbf[1,null]").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_other_cursor_is_invalid(cursor: str) -> None:
    with pytest.raises(InvalidInput) as error:
        position_of(cursor)
    assert error.value.place == "cursor"
