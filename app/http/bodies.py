"""Request bodies with drawings."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.drawings.shape import PIXELS, SIDE
from app.http.problems import InvalidRequest
from app.schemas.classify import MAX_BATCH, BatchRequest, ClassifyRequest

RAW: Final = "application/octet-stream"
FORM: Final = "multipart/form-data"


class BytesRoute(APIRoute):
    """Calls the endpoint directly, because resolving its signature takes longer than classifying."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        (check_key,) = [dependency.call for dependency in self.dependant.dependencies if dependency.call]
        endpoint = self.endpoint

        async def answer(request: Request) -> Response:
            response: Response = await endpoint(request=request, client=await check_key(request))
            return response

        return answer


_Pixel = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Row = Annotated[list[_Pixel], msgspec.Meta(min_length=SIDE, max_length=SIDE)]
_Rows = Annotated[list[_Row], msgspec.Meta(min_length=SIDE, max_length=SIDE)]


# The shapes of the pydantic models, parsed three times as fast.
class _Drawing(msgspec.Struct, forbid_unknown_fields=True):
    pixels: _Rows


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    images: Annotated[list[_Rows], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


_decode_drawing = msgspec.json.Decoder(_Drawing).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def parse_drawing(body: bytes) -> bytes:
    """Return 784 bytes; raise InvalidRequest."""
    try:
        rows = _decode_drawing(body).pixels
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _invalid(ClassifyRequest, body) from None
    _refuse_repeated_keys(ClassifyRequest, body)
    return b"".join(map(bytes, rows))


def parse_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing; raise InvalidRequest."""
    try:
        images = _decode_batch(body).images
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _invalid(BatchRequest, body) from None
    _refuse_repeated_keys(BatchRequest, body)
    return [b"".join(map(bytes, rows)) for rows in images]


def split_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing; raise InvalidRequest."""
    count, rest = divmod(len(body), PIXELS)
    if rest or not 1 <= count <= MAX_BATCH:
        expected = f"{PIXELS} bytes for each of 1 to {MAX_BATCH} drawings"
        error = {"loc": [], "msg": f"The body has {len(body)} bytes instead of {expected}", "type": "bytes_length"}
        raise InvalidRequest([error], under=["body"])
    return [body[start : start + PIXELS] for start in range(0, len(body), PIXELS)]


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class _InMemory(MultiPartParser):
    """A parser without temporary files, which a full disk would break."""

    # 0 means no limit.
    spool_max_size = 0


async def read_file(request: Request) -> bytes:
    """Return the form's only field, `file`; raise InvalidRequest."""
    if media_type(request) != FORM:
        raise _invalid_form(f"The body must be {FORM} with one file named `file`")
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=1).parse()
    except (MultiPartException, UnicodeError):
        # UnicodeError: the charset cannot decode the form.
        raise _invalid_form("The form cannot be read or has more than one file") from None
    try:
        if [name for name, _ in form.multi_items()] != ["file"]:
            raise _invalid_form("The form must have one field, a file named `file`")
        file = form["file"]
        if not isinstance(file, UploadFile):
            raise _invalid_form("The field `file` must be a file with a filename, not text")
        return await file.read()
    finally:
        await form.close()


def _invalid_form(reason: str) -> InvalidRequest:
    return InvalidRequest([{"loc": ["file"], "msg": reason, "type": "missing"}], under=["body"])


def _refuse_repeated_keys(shape: type[BaseModel], body: bytes) -> None:
    # A valid body has one key and no other string. Parsers take the last of repeated keys.
    if body.count(b'"') > 2:
        raise _invalid(shape, body)


def _invalid(shape: type[BaseModel], body: bytes) -> InvalidRequest:
    try:
        shape.model_validate_json(body)
    except ValidationError as error:
        return InvalidRequest(error.errors(include_url=False, include_input=False), under=["body"])
    # pydantic accepts repeated keys.
    (key,) = shape.model_fields
    return InvalidRequest(
        [{"loc": [key], "msg": "The key appears more than once", "type": "duplicate_key"}], under=["body"]
    )
