"""A line for each request, with one write for all lines of an event-loop round."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import time
from typing import Any, Final, TextIO

from starlette.types import Scope
from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import AccessFormatter, DefaultFormatter

from app.logs.lines import LineFormatter, coloured, json_line, timestamp
from app.logs.printable import printable
from app.loop_round import LoopRound

# journald cuts a line of 48 KiB, and the rest looks like a line of its own.
MAX_PATH: Final = 256

_FORMATS: Final = {kind["fmt"] for kind in LOGGING_CONFIG["formatters"].values()}
_COLOURS: Final = {2: 32, 3: 33, 4: 31, 5: 91}


def format_uvicorns_messages() -> None:
    """Write uvicorn's messages in our format, unless --log-config gives them another one."""
    for name in ("uvicorn", "uvicorn.access"):
        for handler in logging.getLogger(name).handlers:
            match handler.formatter:
                case DefaultFormatter(_fmt=fmt, use_colors=colours) | AccessFormatter(_fmt=fmt, use_colors=colours):
                    if fmt in _FORMATS:
                        handler.setFormatter(LineFormatter(use_colors=colours))


class AccessLog:
    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._lines = LoopRound(self._write)
        self._json = self._colours = False

    @contextmanager
    def in_uvicorns_place(self) -> Iterator[None]:
        """Write a line in place of uvicorn's, if that has our format."""
        format_uvicorns_messages()
        logger = logging.getLogger("uvicorn.access")
        handlers = logger.handlers
        match handlers:
            case [logging.StreamHandler(formatter=LineFormatter(json=json, use_colors=colours)) as handler]:
                if logger.isEnabledFor(logging.INFO) and not logger.propagate:
                    self._stream, self._json, self._colours = handler.stream, json, colours
                    # Without a handler, uvicorn does not log.
                    logger.handlers = []
        try:
            yield
        finally:
            self._lines.flush()
            logger.handlers = handlers

    def add(self, scope: Scope, status: int, seconds: float) -> None:
        if self._stream is None:
            return
        state, at, ms = scope["state"], timestamp(time()), round(seconds * 1000, 1)
        # Without the query, which may have anything in it.
        path = printable(scope["raw_path"].decode("ascii", "backslashreplace")[:MAX_PATH])
        client, trace_id = printable(state.get("client") or "-"), state.get("trace_id")
        if self._json:
            members: dict[str, Any] = {
                "time": at,
                "level": "INFO",
                "logger": "access",
                "request_id": state["request_id"],
                "client": client,
                "method": scope["method"],
                "path": path,
                "status": status,
                "ms": ms,
            }
            line = json_line(members | {"trace_id": trace_id} if trace_id else members)
        else:
            shown = coloured(str(status), _COLOURS.get(status // 100, 0)) if self._colours else status
            trace = f" trace {trace_id}" if trace_id else ""
            line = f"{at} INFO access: {state['request_id']} {client} {scope['method']} {path} {shown} {ms} ms{trace}"
        self._lines.add(line + "\n")

    def _write(self, lines: list[str]) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write("".join(lines))
                self._stream.flush()
