"""Request bodies."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from app.drawings.shape import PIXELS, SIDE
from app.http.errors import InvalidRequest, UnsupportedBody
from app.http.headers import single_header
from app.http.pixel_text import read_batch
from app.schemas.classify import MAX_BATCH, BatchRequest, ClassifyRequest

JSON: Final = "application/json"
RAW: Final = "application/octet-stream"
FORM: Final = "multipart/form-data"

_BODY_HEADERS: Final = (b"content-type", b"content-encoding", b"transfer-encoding")
# Headers that need no further check.
_USUAL: Final[tuple[list[tuple[bytes, bytes]], ...]] = (
    [],
    [(b"content-type", b"application/json")],
    [(b"content-type", b"application/x-www-form-urlencoded")],
)
# More than MAX_BATCH drawings have. Millions of empty lists would take a hundred times the memory of the body.
_MOST: Final = {b"[": 2**16, b"{": 2**16, b",": 2**20, b":": 2**14}
_COMPRESSION: Final = re.compile("gzip|deflate|br|zstd|compress", re.IGNORECASE)
_MAX_PARAMETERS: Final = 16
_CHARSETS: Final = (b"utf-8", b"utf8", b"us-ascii")

M = TypeVar("M", bound=BaseModel)


_Row = Annotated[list[int], msgspec.Meta(min_length=SIDE, max_length=SIDE)]
_Rows = Annotated[list[_Row], msgspec.Meta(min_length=SIDE, max_length=SIDE)]


# The shape of the pydantic model, parsed three times as fast.
class _Drawing(msgspec.Struct, forbid_unknown_fields=True):
    pixels: _Rows


_decode_drawing = msgspec.json.Decoder(_Drawing).decode


def json_body(shape: type[M]) -> Callable[[Request], Coroutine[Any, Any, M]]:
    """Return a dependency that reads a body; FastAPI would read it before the key."""

    async def read(request: Request) -> M:
        return parse_json(shape, await read_body(request))

    return read


async def read_body(request: Request) -> bytes:
    """Return the body; raise UnsupportedBody, or ClientDisconnect."""
    check_body_headers(request)
    # Starlette's `body()` takes twice as long.
    pieces = []
    while (message := await request.receive())["type"] == "http.request":
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
    raise ClientDisconnect


def check_body_headers(request: Request) -> None:
    """Raise UnsupportedBody unless the body is UTF-8 or bytes, uncompressed."""
    given = [header for header in request.scope["headers"] if header[0] in _BODY_HEADERS]
    if given in _USUAL:
        return
    for name, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        encoding = single_header(request, name)
        if encoding and encoding.lower() != plain:
            (used,) = _COMPRESSION.findall(encoding)[:1] or [f"another encoding than {plain}"]
            raise UnsupportedBody(
                f"The body is compressed ({used}); send it uncompressed.", headers={"Accept-Encoding": "identity"}
            )
    content_type = single_header(request, "Content-Type") or ""
    if content_type.count(";") > _MAX_PARAMETERS:
        raise UnsupportedBody(f"The Content-Type has more than {_MAX_PARAMETERS} parameters; leave out the others.")
    # As the parser of forms reads it.
    _, options = parse_options_header(content_type)
    if media_type(request) != RAW and options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise UnsupportedBody("The body is in another charset; send it in UTF-8.")


def parse_json(shape: type[M], body: bytes) -> M:
    """Return the body of any Content-Type, read as JSON; raise InvalidRequest."""
    if json.detect_encoding(body) != "utf-8":
        raise _invalid("Invalid JSON: the body must be UTF-8 without a byte order mark", "json_invalid")
    if any(body.count(sign) > most for sign, most in _MOST.items()):
        raise _invalid(f"The body has more lists, objects or values than {MAX_BATCH} drawings", "too_long")
    try:
        parsed = shape.model_validate_json(body)
        # pydantic takes the last of repeated keys.
        json.loads(body, object_pairs_hook=_members)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise InvalidRequest(errors, under=["body"]) from None
    except _RepeatedKey:
        raise _invalid("A key appears more than once", "duplicate_key") from None
    return parsed


class _RepeatedKey(Exception):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _RepeatedKey
    return members


def parse_drawing(body: bytes) -> bytes:
    """Return 784 bytes; raise InvalidRequest."""
    return _parse_quickly(body) or _bytes_of(parse_json(ClassifyRequest, body).pixels)


def parse_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing; raise InvalidRequest."""
    return read_batch(body) or [_bytes_of(rows) for rows in parse_json(BatchRequest, body).images]


def _parse_quickly(body: bytes) -> bytes | None:
    """Return None unless the body is certainly valid."""
    try:
        # `bytes` refuses numbers below 0 and above 255.
        drawing = _bytes_of(_decode_drawing(body).pixels)
    except ValueError:
        return None
    # A valid body has one key and no other string.
    return drawing if body.count(b'"') == 2 else None


def _bytes_of(rows: list[list[int]]) -> bytes:
    return b"".join(map(bytes, rows))


def split_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing; raise InvalidRequest."""
    count, rest = divmod(len(body), PIXELS)
    if rest or not 1 <= count <= MAX_BATCH:
        expected = f"{PIXELS} bytes for each of 1 to {MAX_BATCH} drawings"
        raise _invalid(f"The body has {len(body)} bytes instead of {expected}", "bytes_length")
    return [body[start : start + PIXELS] for start in range(0, len(body), PIXELS)]


def media_type(request: Request) -> str:
    return (single_header(request, "Content-Type") or "").partition(";")[0].strip().lower()


class _InMemory(MultiPartParser):
    """A parser without temporary files, which a full disk would break."""

    # 0 means no limit.
    spool_max_size = 0


async def read_file(request: Request) -> bytes:
    """Return the form's only field, `file`; raise InvalidRequest or UnsupportedBody."""
    check_body_headers(request)
    if media_type(request) != FORM:
        raise _invalid_form(f"The body must be {FORM} with one file named `file`")
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=1).parse()
    except MultiPartException:
        raise _invalid_form("The form cannot be read or has more than one file") from None
    try:
        if [name for name, _ in form.multi_items()] != ["file"]:
            raise _invalid_form("The form must have one field, a file named `file`")
        file = form["file"]
        if not isinstance(file, UploadFile):
            raise _invalid_form(
                "The field `file` must be a file, not text; give it a `filename`, as `filename*` alone is not read"
            )
        return await file.read()
    finally:
        await form.close()


def _invalid_form(reason: str) -> InvalidRequest:
    return InvalidRequest([{"loc": ["file"], "msg": reason, "type": "missing"}], under=["body"])


def _invalid(reason: str, kind: str) -> InvalidRequest:
    return InvalidRequest([{"loc": [], "msg": reason, "type": kind}], under=["body"])
