"""The `Idempotency-Key` header."""

import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request

from app.http.problems import IDEMPOTENCY_KEY, InvalidRequest
from app.services.idempotency import IdempotentRequest

MAX_LENGTH: Final = 255
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
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        message = f"This must be one header of 1 to {MAX_LENGTH} printable ASCII characters"
        raise InvalidRequest([{"loc": [IDEMPOTENCY_KEY], "msg": message, "type": "value_error"}], under=["header"])
    return IdempotentRequest.of(client, keys[0], request.scope["route"].path, drawings)
