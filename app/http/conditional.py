"""If-Match and If-None-Match (RFC 9110, section 13)."""

import re
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request

from app.http.errors import invalid
from app.http.headers import single_header

_TAG: Final = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS: Final = rf"\*|{_TAG}(?:[ \t]*,[ \t]*{_TAG})*"
_FORM: Final[dict[str, Any]] = {"minLength": 1, "pattern": r'^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$'}


async def _if_match(
    request: Request,
    if_match: Annotated[
        str | None,
        Header(
            description='Change the record only if it still has this `ETag`, such as `"33a64df5"`; otherwise 412.',
            json_schema_extra=_FORM,
        ),
    ] = None,
) -> set[str] | None:
    tags = _tags_of(request, "If-Match")
    return None if tags is None or "*" in tags else {tag.strip('"') for tag in tags if not tag.startswith("W/")}


async def _if_none_match(
    request: Request,
    if_none_match: Annotated[
        str | None,
        Header(
            description="Return 304 without a body if the record still has this `ETag`.",
            json_schema_extra=_FORM,
        ),
    ] = None,
) -> set[str]:
    return {tag.removeprefix("W/") for tag in _tags_of(request, "If-None-Match") or []}


IfMatch = Annotated[set[str] | None, Depends(_if_match)]
"""The strong tags; None for any."""
IfNoneMatch = Annotated[set[str], Depends(_if_none_match)]
"""The tags in their quotes; `*` for any."""


def etag(tag: str) -> str:
    return f'"{tag}"'


def is_known(known: set[str], tag: str) -> bool:
    return not known.isdisjoint({"*", etag(tag)})


def _tags_of(request: Request, name: str) -> list[str] | None:
    value = single_header(request, name)
    if value is None:
        return None
    if not re.fullmatch(_TAGS, value):
        raise invalid("header", name, 'This must be * or ETags in double quotes, such as "33a64df5"')
    return re.findall(rf"{_TAG}|\*", value)
