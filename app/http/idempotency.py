"""The `Idempotency-Key` header."""

import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request

from app.http.errors import IDEMPOTENCY_KEY, Advice, invalid
from app.http.headers import single_header
from app.services.idempotency import IdempotentRequest

MAX_LENGTH: Final = 255
_REPEAT: Final = Advice(
    f"Send the request again with the same {IDEMPOTENCY_KEY}; it is then stored once.", may_repeat=True
)
_KEY: Final = re.compile(rf"[ -~]{{1,{MAX_LENGTH}}}")

PARAMETER: Final[dict[str, Any]] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "A text that you choose for this request, such as a UUID. If you send the request again with the "
    "same key within 24 hours, you get the same answer and nothing is stored twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"},
}


def idempotent_request(request: Request, client: str, drawings: Sequence[bytes]) -> IdempotentRequest | None:
    """Return None without a key; raise InvalidRequest."""
    key = single_header(request, IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise invalid("header", IDEMPOTENCY_KEY, f"This must be 1 to {MAX_LENGTH} printable ASCII characters")
    request.state.advice = _REPEAT
    # The routes with and without a version are one.
    route = request.scope["route"].path.replace("/versions/{version}", "")
    return IdempotentRequest.of(client, key, route, drawings)
