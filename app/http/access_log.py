"""uvicorn's access log, with one write for all lines of an event-loop round."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

from starlette.types import Scope
from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import AccessFormatter
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

_FORMAT: Final = LOGGING_CONFIG["formatters"]["access"]["fmt"]
_STATUSES: Final = {status: line.split(maxsplit=1)[1].decode().strip() for status, line in STATUS_LINE.items()}


class AccessLog:
    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._lines: list[str] = []

    @contextmanager
    def in_uvicorns_place(self) -> Iterator[None]:
        """Log what uvicorn would, if it would write plain lines to a stream."""
        logger = logging.getLogger("uvicorn.access")
        handlers = logger.handlers
        match handlers:
            case [logging.StreamHandler(formatter=AccessFormatter(use_colors=False, _fmt=format)) as handler]:
                if format == _FORMAT and logger.isEnabledFor(logging.INFO) and not logger.propagate:
                    self._stream = handler.stream
                    # Without a handler, uvicorn does not log.
                    logger.handlers = []
        try:
            yield
        finally:
            self.flush()
            logger.handlers = handlers

    def add(self, scope: Scope, status: int) -> None:
        if self._stream is None:
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        request = f"{scope['method']} {get_path_with_query_string(scope)} HTTP/{scope['http_version']}"  # type: ignore[arg-type]
        self._lines.append(f'INFO:     {get_client_addr(scope)} - "{request}" {_STATUSES[status]}\n')  # type: ignore[arg-type]

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines and self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write("".join(lines))
                self._stream.flush()
