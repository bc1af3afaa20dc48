"""Conditional requests (RFC 9110, section 13): entity tags, If-Match and If-None-Match."""

import re
from typing import Annotated

from fastapi import Header

_TAG = re.compile(r'(W/)?"([^"]*)"')

IfMatch = Annotated[
    str | None,
    Header(description='Do it only if the record still has this `ETag`, as in `"33a64df5"`; else 412.'),
]
IfNoneMatch = Annotated[
    str | None,
    Header(description="Answer 304 without a body if the record still has this `ETag`."),
]


def etag(tag: str) -> str:
    """Return the tag as the header `ETag` has it."""
    return f'"{tag}"'


def tags_of(if_match: str | None) -> set[str] | None:
    """Return the tags that If-Match names, or None when any will do. A weak tag never matches."""
    if if_match is None or if_match.strip() == "*":
        return None
    return {tag for weak, tag in _TAG.findall(if_match) if not weak}


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Return whether If-None-Match names the tag, weak or not, or any."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in {known for _, known in _TAG.findall(if_none_match)}
