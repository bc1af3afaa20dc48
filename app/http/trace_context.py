"""`traceparent`: https://www.w3.org/TR/trace-context/."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?P<more>-.*)?"
)


class TraceParent(NamedTuple):
    trace_id: str
    span_id: str
    flags: int


def trace_parent(given: Sequence[bytes]) -> TraceParent | None:
    """Return the caller's span; an invalid header counts as none."""
    match = _TRACEPARENT.fullmatch(given[0].strip(b" \t")) if len(given) == 1 else None
    # Later versions may have more parts.
    if match is None or (match["version"] == b"00" and match["more"] is not None):
        return None
    return TraceParent(match[2].decode(), match[3].decode(), int(match[4], 16))
