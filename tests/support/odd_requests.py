"""Odd requests to every route: values, headers and bodies that a client may send by mistake or on purpose.

Every route gets a share of the inputs, each another one. PIXELWISE_ODD_REQUESTS=all gives all of them to every route.
"""

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from app.schemas.classify import SEVEN
from tests.support.service import KEY

MARKER: Final = "odd-marker"
"""Part of many inputs, and of no error."""

T = TypeVar("T")
Headers = tuple[tuple[bytes, bytes], ...]


class OddRequest(NamedTuple):
    method: str
    target: str
    """Path and query, as on the wire."""
    body: bytes = b""
    headers: Headers = ()
    with_key: bool = True


SHARE: Final = 1 if os.environ.get("PIXELWISE_ODD_REQUESTS") == "all" else 6

WITH_KEY: Final[Headers] = ((b"x-api-key", KEY.encode()),)

VALUES: Final = (
    *("", "0", "-0", "-1", "1", "007", "1_0", "+1", " 1", "1 ", "1.0", "1.5", "1e3", "0x10", "1,0", "\uff11\uff10"),
    *("\u0661", "2147483647", "2147483648", "9223372036854775808", "9" * 400, "nan", "inf", "-Infinity", "1e999"),
    *(".5", "5.", "5e-1", "true", "True", "yes", "on", "null", "None", "undefined", "[]", "{}", '"7"', "a,b", MARKER),
    *(MARKER * 30, "é", "\U0001f389", "2026", "20271231", "2026-11", "2026-W47-5", "2026-325", "1795000000"),
    *("2026-11-20T24:00:00Z", "2026-11-20T09:30:60Z", "2026-11-20T09:30:00+24:00", "9000-12-31T23:59:59-12:00"),
    *("1900-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "9000-12-31"),
    *("1900-01-01", "2026-11-20T09:30", "20.11.2026", "now", "\u0662026-11-20", "%", "_", "\\", "'", "' OR 1=1 --"),
    *("\n", "\r\nX-Odd: 1", "\x7f", "<b>" + MARKER, "../../" + MARKER, "${jndi:x}", "WzEsbnVsbF0", "WzAsbnVsbF0"),
    *("WzEsbnVsbF0=", "WzIxNDc0ODM2NDgsbnVsbF0", "WzEsIjk5OTktMTItMzFUMjM6NTk6NTktMTI6MDAiXQ"),
    *("WzEsIjAwMDEtMDEtMDFUMDA6MDA6MDArMTQ6MDAiXQ", "WzEsIjIwMjYtMTEtMjAiXQ", "W1tbW1tbW1tb", "bnVsbA", "e30"),
    *("8J-OiQ",),
)
ESCAPED: Final = (
    *("%", "%zz", "%2", "%u0037", "%00", "a%00b", "%ff", "%c3", "%ed%a0%80", "%f4%90%80%80", "1%26limit=1", "+"),
    *("%20",),
)


def share(inputs: Sequence[T], turn: int) -> list[T]:
    """Return a part of the inputs, beginning with another one each turn."""
    return list(inputs[turn % SHARE :: SHARE])


def odd_parameters(operations: dict[tuple[str, str], list[str]]) -> Iterator[OddRequest]:
    """Yield odd values of every query parameter."""
    turn = 0
    for (method, path), names in operations.items():
        target = path.replace("{id}", "1")
        for query in (f"{MARKER}=1", MARKER, "=1", "&", "&&", "?", "%00=1", "%ff=1", ";", "limit", "id=1"):
            yield OddRequest(method, f"{target}?{query}")
        for name in names:
            turn += 1
            for value in share((*map(quote, VALUES), *ESCAPED), turn):
                yield OddRequest(method, f"{target}?{name}={value}")
            repeated = (f"{name}=1&{name}=1", f"{name}={MARKER}&{name}=1", name.upper() + "=1", f"{name}[]=1")
            for query in share(repeated, turn):
                yield OddRequest(method, f"{target}?{query}")


IDS: Final = (
    *("0", "-1", "-0", "007", "1_0", "+1", "%201", "1%20", "1.0", "219.0", "1e0", "0x1", "2147483647", "2147483648"),
    *("9" * 400, "true", "null", MARKER, "%00", "1%00", "%ff", "%zz", "%", "%EF%BC%91", "%D9%A1", "1%0A", "1;2"),
    *("1,2", "*", "%31", "1%2F", "..", ".", "%2e%2e", "1%3Flimit=1", "1%23", "{id}", "$1", "1'"),
)
PATHS: Final = (
    *("/", "//", "///results", "/results/", "/results//", "/results/1/", "/RESULTS", "/results.json", "/results;a=1"),
    *("/results%20", "/results/1/label/", "/results/1/labels/1", "/results/1/drawing.PNG", "/results/1/drawing.png/"),
    *("/results%2F1", "/%72esults", "/api", "/api/", "/api/api/results", "/api//results", "/API/results"),
    *("/apiresults", "/api/../results", "/%61pi/results", "/static", "/static/", "/static/..", "/static/../main.py"),
    *("/static/%2e%2e/main.py", "/static/..%2fmain.py", "/static/%00", "/static/%ff", "/static/app.js/"),
    *("/static/views", "/static//app.js", f"/static/{'a' * 300}", "/static/%5c..%5cmain.py", "/docs/"),
    *("/docs/oauth2-redirect", "/redoc/", "/openapi.json/", "/openapi.yaml", "/favicon.ico", "/robots.txt", "/.env"),
    *("/metrics", "/health/", "/health/READY", "/health/ready/", f"/{MARKER}", f"/{'a' * 2000}", "/%00", "/%ff", "/*"),
    *("/..", "/%2e%2e%2f.env", "/v2/", "/v2/models", "/v2/models/odd-marker", "/v2/models/digits/versions/odd-marker"),
    *("/v2/models/digits/versions/odd-marker/infer", "/v2/models/digits/versions//ready", "/V2"),
)


def odd_paths(operations: dict[tuple[str, str], list[str]]) -> Iterator[OddRequest]:
    """Yield odd ids, other paths, and every method."""
    for turn, (method, path) in enumerate(operations):
        if "{id}" in path:
            for id_ in share(IDS, turn):
                yield OddRequest(method, path.replace("{id}", id_), headers=((b"if-match", b'"none"'),))
    for path in PATHS:
        for method in ("get", "POST", "OPTIONS"):
            yield OddRequest(method.upper(), path)
    for path in sorted({path for _, path in operations}):
        for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "GET ", "G" * 300, "\u00e9"):
            yield OddRequest(method, path.replace("{id}", "1"))


ODD_HEADERS: Final = {
    "if-match": (
        b"",
        b"odd-marker",
        b'"a", b',
        b'"\xff"',
        b'"' * 5000,
    ),
    "if-none-match": (
        b"odd-marker",
        b'W/"a',
        b'"a",' * 2000,
    ),
    "idempotency-key": (
        b"",
        b" \t",
        b"odd-marker\x00",
        b"\xff\xfe",
        b"a" * 256,
    ),
    "x-request-id": (
        b"",
        b"odd-marker\n",
        b"a" * 5000,
    ),
    "content-type": (
        b"",
        b"odd-marker",
        b"application/json; charset=utf-16",
        b"multipart/form-data; boundary=" + b"x" * 5000,
        b"multipart/form-data; charset=odd-marker; boundary=x",
    ),
    "content-encoding": (
        b"gzip",
        b"odd-marker",
    ),
    "content-length": (
        b"-1",
        b"1e3",
        b"9" * 400,
        b"\xb2",
    ),
    "accept": (b"application/odd-marker",),
    "accept-encoding": (b"odd-marker;q=2",),
    "range": (
        b"bytes=5-1",
        b"bytes=0-0,0-0,0-0",
        b"odd-marker=1-2",
    ),
    "if-range": (b"odd-marker",),
    "if-modified-since": (b"odd-marker",),
    "expect": (b"odd-marker",),
    "origin": (b"null",),
    "cookie": (b"a=1; a=2; =; ;",),
    "authorization": (b"Bearer odd-marker",),
    "x-forwarded-for": (b"odd-marker, ::1",),
    "x-http-method-override": (b"DELETE",),
    "x-api-key": (
        b"",
        b"odd-marker",
        b"\xff\x00",
        b"a" * 5000,
    ),
}
REPEATED_HEADERS: Final = {
    "if-match": (b"*", b"*"),
    "if-none-match": (b'"a"', b'"b"'),
    "idempotency-key": (b"a", b"a"),
    "x-request-id": (b"odd-marker", b"odd-marker-2"),
    "content-type": (b"application/json", b"text/plain"),
    "content-encoding": (b"identity", b"identity"),
    "x-api-key": (b"odd-marker", KEY.encode()),
}
HEADERS: Final[tuple[Headers, ...]] = (
    *(((name.encode(), value),) for name, values in ODD_HEADERS.items() for value in values),
    *(tuple((name.encode(), value) for value in values) for name, values in REPEATED_HEADERS.items()),
)


def odd_headers(operations: dict[tuple[str, str], list[str]]) -> Iterator[OddRequest]:
    """Yield odd headers for every route."""
    for turn, (method, path) in enumerate(operations):
        for headers in share(HEADERS, turn):
            is_key = headers[0][0] == b"x-api-key"
            yield OddRequest(method, path.replace("{id}", "1"), VALID.get((method, path), b""), headers, not is_key)


VALID: Final[dict[tuple[str, str], bytes]] = {
    ("post", "/classify"): json.dumps({"pixels": SEVEN}).encode(),
    ("post", "/classify/preview"): json.dumps({"pixels": SEVEN}).encode(),
    ("post", "/classify/batch"): json.dumps({"images": [SEVEN]}).encode(),
    ("post", "/v2/models/digits/infer"): json.dumps(
        {"inputs": [{"name": "drawings", "shape": [1, 28, 28], "datatype": "UINT8", "data": [SEVEN]}]}
    ).encode(),
    ("patch", "/results/{id}"): b'{"notes": "smudged"}',
    ("put", "/results/{id}/label"): b'{"label": "7"}',
}
RAW_BODIES: Final = (
    *(b"", b" ", b"\0", b"\xef\xbb\xbf{}", b"{}", b"[]", b"null", b"7", b"NaN", b'"odd-marker"', b"{" * 20_000),
    *(b"[" * 20_000, b'{"a":' * 9000, b"label=7", b"odd-marker", bytes(784), bytes(785), bytes(784 * 3)),
    *("{}".encode("utf-16"), b"%7B%7D", gzip.compress(b"{}"), b'{"odd-marker": 1}', b'{"": 1}'),
    *(b"--x\r\n\r\n--x--\r\n", b"{}{}", b"{} odd-marker", b"// {}"),
)
MEMBERS: Final = (
    *("null", "true", "7", "-7", "1.5", "1e999", "NaN", "-Infinity", "9" * 5000, '""', '"7\\n"', '"\\u0000"'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"odd-marker"', f'"{"x" * 2001}"', "[]", "[[]]", "[null]", "{}"),
    *('{"a":1,"a":2}', '"\\uff17"', '"10"'),
)


def odd_bodies() -> Iterator[OddRequest]:
    """Yield odd bodies for every route that reads one."""
    for turn, ((method, path), valid) in enumerate(VALID.items()):
        name = valid.split(b'"')[1]
        members = [b'{"%s": %s}' % (name, member.encode()) for member in MEMBERS]
        twice = [
            valid[:-1] + b", " + valid[1:],
            valid[:-1] + b', "odd-marker": 1}',
            valid[:-1],
            valid + b",",
            valid + valid,
        ]
        for body in (*RAW_BODIES, *members, *twice, b"\xef\xbb\xbf" + valid, valid.decode().encode("utf-16")):
            for kind in share((b"application/json", b"application/octet-stream", b"text/plain", b""), turn):
                yield OddRequest(method, path.replace("{id}", "1"), body, ((b"content-type", kind),))
    for body in RAW_BODIES:
        for kind in (b"multipart/form-data; boundary=x", b"multipart/form-data", b"image/png"):
            yield OddRequest("post", "/classify/image", body, ((b"content-type", kind),))


def odd_requests(openapi: dict[str, Any]) -> list[OddRequest]:
    """Return all odd requests; those that delete come last."""
    operations = {
        (method, path): [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    requests = [*odd_parameters(operations), *odd_paths(operations), *odd_headers(operations), *odd_bodies()]
    return sorted(requests, key=lambda request: request.method == "delete")
