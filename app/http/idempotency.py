"""`Idempotency-Key`: its form, and which requests that have one are under way in this process."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.requests import Request

from app.http.problems import IDEMPOTENCY_KEY, Conflict, InvalidInput

MAX_LENGTH: Final = 255
_KEY: Final = re.compile(rf"[ -~]{{1,{MAX_LENGTH}}}")

_under_way: set[tuple[str, str]] = set()

PARAMETER: Final[dict[str, Any]] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "A text of your own for this request. Sent again within 24 hours with the same key it gets the same "
    "answer and stores nothing, so after a broken connection it is safe to try again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"},
}
"""The header in OpenAPI."""


def key_of(request: Request) -> str | None:
    """Return the key, or None when there is none; raise InvalidInput for anything but 1 to 255 printable characters."""
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        message = f"This must be one header of 1 to {MAX_LENGTH} printable ASCII characters"
        raise InvalidInput([{"loc": [IDEMPOTENCY_KEY], "msg": message, "type": "value_error"}], under=["header"])
    return keys[0]


@contextmanager
def alone(client: str, key: str) -> Iterator[None]:
    """Let no other request of this client with this key run meanwhile; raise Conflict when one does."""
    mine = (client, key)
    if mine in _under_way:
        raise Conflict("The request with this key is being answered; try again")
    _under_way.add(mine)
    try:
        yield
    finally:
        _under_way.remove(mine)
