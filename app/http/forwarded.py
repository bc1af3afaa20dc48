"""X-Forwarded-For, which uvicorn takes for the client's address as it is."""

import re
from ipaddress import ip_address
from itertools import takewhile
from typing import Final

FORWARDED_FOR: Final = b"x-forwarded-for"
MAX_HOPS: Final = 32
_HOP: Final = re.compile(r"\[([\da-f:.]+)\](?::\d{1,5})?|([\d.]+)(?::\d{1,5})?|([\da-f:.]+)", re.ASCII | re.IGNORECASE)


def drop_invalid_hops(headers: list[tuple[bytes, bytes]]) -> None:
    """Keep the last hops of X-Forwarded-For that are addresses, at most MAX_HOPS."""
    hops = [hop for name, value in headers if name == FORWARDED_FOR for hop in value.split(b",")]
    if not hops:
        return
    valid = list(takewhile(_is_address, reversed(hops[-MAX_HOPS:])))
    if len(valid) < len(hops):
        headers[:] = [header for header in headers if header[0] != FORWARDED_FOR]
        if valid:
            headers.append((FORWARDED_FOR, b",".join(reversed(valid))))


def _is_address(hop: bytes) -> bool:
    match = _HOP.fullmatch(hop.decode("latin-1").strip())
    try:
        return match is not None and bool(ip_address(match[match.lastindex or 0]))
    except ValueError:
        return False
