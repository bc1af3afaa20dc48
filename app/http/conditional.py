"""If-Match and If-None-Match (RFC 9110, section 13)."""

import re
from typing import Annotated

from fastapi import Header

_TAG = re.compile(r'(W/)?"([^"]*)"')

IfMatch = Annotated[
    str | None,
    Header(description='Change the record only if it still has this `ETag`, such as `"33a64df5"`; otherwise 412.'),
]
IfNoneMatch = Annotated[
    str | None,
    Header(description="Return 304 without a body if the record still has this `ETag`."),
]


def etag(tag: str) -> str:
    return f'"{tag}"'


def tags_of(if_match: str | None) -> set[str] | None:
    """Return the strong tags, or None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return {tag for weak, tag in _TAG.findall(if_match) if not weak}


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Return whether the header contains the tag or allows any."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in {known for _, known in _TAG.findall(if_none_match)}
