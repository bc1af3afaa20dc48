"""Drawings in the bodies of requests: read as bytes, checked strictly, and documented like any other body."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.drawings.shape import PIXELS, SIDE
from app.http.problems import InvalidInput
from app.schemas.classify import MAX_BATCH, BatchRequest, ClassifyRequest

RAW: Final = "application/octet-stream"
FORM: Final = "multipart/form-data"


class BytesRoute(APIRoute):
    """A route that reads the request itself: documented like any other, called with the request and the key's name.

    FastAPI would look for parameters and dependencies in every request anew, which takes longer than to classify it,
    and it would read the body before it looks at the key.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; fail when the route has grown a dependency that this would not run."""
        (known_key,) = [dependency.call for dependency in self.dependant.dependencies if dependency.call]
        endpoint = self.endpoint

        async def answer(request: Request) -> Response:
            response: Response = await endpoint(request=request, client=await known_key(request))
            return response

        return answer


_Pixel = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Row = Annotated[list[_Pixel], msgspec.Meta(min_length=SIDE, max_length=SIDE)]
_Rows = Annotated[list[_Row], msgspec.Meta(min_length=SIDE, max_length=SIDE)]


# What the pydantic shapes say, for a decoder that is three times as fast; tests hold the two together.
class _Drawing(msgspec.Struct, forbid_unknown_fields=True):
    pixels: _Rows


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    images: Annotated[list[_Rows], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


_decode_drawing = msgspec.json.Decoder(_Drawing).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def parse_drawing(body: bytes) -> bytes:
    """Return the drawing's 784 bytes, row by row; raise InvalidInput for anything but the documented body."""
    try:
        rows = _decode_drawing(body).pixels
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _invalid(ClassifyRequest, body) from None
    _refuse_repeated_keys(ClassifyRequest, body)
    return b"".join(map(bytes, rows))


def parse_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing of a JSON body; raise InvalidInput for anything but the documented one."""
    try:
        images = _decode_batch(body).images
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _invalid(BatchRequest, body) from None
    _refuse_repeated_keys(BatchRequest, body)
    return [b"".join(map(bytes, rows)) for rows in images]


def split_batch(body: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing of a body that is nothing else; raise InvalidInput when it cannot be one."""
    count, rest = divmod(len(body), PIXELS)
    if rest or not 1 <= count <= MAX_BATCH:
        expected = f"{PIXELS} bytes for each of 1 to {MAX_BATCH} drawings"
        error = {"loc": [], "msg": f"These are {len(body)} bytes instead of {expected}", "type": "bytes_length"}
        raise InvalidInput([error], under=["body"])
    return [body[start : start + PIXELS] for start in range(0, len(body), PIXELS)]


def media_type(request: Request) -> str:
    """Return what the body says that it is, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class _InMemory(MultiPartParser):
    """Starlette's parser without its temporary files: bodies are bounded, and a full disk must not fail a request."""

    # No limit; see the documentation of tempfile.SpooledTemporaryFile.
    spool_max_size = 0


async def read_file(request: Request) -> bytes:
    """Return the content of the one field `file` of a form; raise InvalidInput for any other form or body."""
    if media_type(request) != FORM:
        raise _no_form(f"The body must be a form, {FORM}, with a file called `file`")
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=1).parse()
    except (MultiPartException, UnicodeError):
        # Python knows encodings that read nothing, and a form may name one.
        raise _no_form("The form cannot be read, or has more than one file called `file`") from None
    try:
        if [name for name, _ in form.multi_items()] != ["file"]:
            raise _no_form("The form must have one field, a file called `file`")
        file = form["file"]
        if not isinstance(file, UploadFile):
            raise _no_form("The form must have `file` as a file, which has a name, not as text")
        return await file.read()
    finally:
        await form.close()


def _no_form(reason: str) -> InvalidInput:
    return InvalidInput([{"loc": ["file"], "msg": reason, "type": "missing"}], under=["body"])


def _refuse_repeated_keys(shape: type[BaseModel], body: bytes) -> None:
    # The only strings of a valid body are its keys, so more than one pair of quotes is the same key again, of which
    # JSON parsers silently take the last.
    if body.count(b'"') > 2:
        raise _invalid(shape, body)


def _invalid(shape: type[BaseModel], body: bytes) -> InvalidInput:
    """Say where the body is wrong. pydantic says it better than the fast decoder, which only says that it is."""
    try:
        shape.model_validate_json(body)
    except ValidationError as error:
        return InvalidInput(error.errors(include_url=False, include_input=False), under=["body"])
    # pydantic looks at the last of several members with one name, so a body that it accepts has several.
    (key,) = shape.model_fields
    return InvalidInput(
        [{"loc": [key], "msg": "The key appears more than once", "type": "duplicate_key"}], under=["body"]
    )
