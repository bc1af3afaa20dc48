"""uvicorn's HTTP/1.1, with limits on the size and slowness of requests."""

import asyncio
import math
from typing import Any, Final, cast
from uuid import uuid4

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.http.errors import HeadTooLarge, InvalidUrl, MalformedRequest, ProblemError, RequestTimeout
from app.http.forwarded import drop_invalid_hops
from app.http.headers import RAW_HEADERS
from app.http.problems import problem_response
from app.http.response_transport import ResponseTransport

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request that are not its body: URL, headers, trailers, and the frames of chunks."""
# The frame of a chunk with one byte has five.
FRAME_PER_BODY_BYTE: Final = 8
MAX_HEADERS: Final = 100
MAX_PIPELINED: Final = 16


class Connection(HttpToolsProtocol):
    """uvicorn's protocol; times are in seconds."""

    HEAD_S = 10.0
    BODY_PERIOD_S = 10.0
    BODY_PERIOD_BYTES = 10 * 1024
    """The least that a client may send of a body in a period, except in the last one."""
    MAX_BODY_PERIODS = 30
    WRITE_PERIOD_S = 60.0
    """A client must read something of its response in each period."""
    LINGER_S = 5.0
    LINGER_BYTES = 64 * 1024 * 1024

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # There are no WebSockets.
        self.ws_protocol_class = None
        self._in_head = False
        self._in_body = False
        self._requests_read = 0
        self._read_size = self._body_read = 0
        self._overhead = 0
        self._trailers = self._body_periods = self._body_in_period = 0
        self._keep_alive = True
        self._running: RequestResponseCycle | None = None
        self._ignores = self._lingers = False
        self._ignored = 0
        self._read_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._socket = transport
        self._response = ResponseTransport(transport, self.is_closing, self.close)
        # uvicorn closes what it calls its transport after a response.
        self.transport = cast(asyncio.Transport, self._response)
        self._read_deadline = self.loop.call_later(self.HEAD_S, self._check_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running is not None:
            # uvicorn tells only the newest request.
            self._running.disconnected = True
            self._running.message_event.set()
        self._lingers = True
        super().connection_lost(exc)
        for deadline in filter(None, (self._read_deadline, self._write_deadline)):
            deadline.cancel()
        # Without cycles of references, the memory is free at once.
        self.transport = self._socket
        self.cycle = self._running = self._response = None  # type: ignore[assignment]
        self.pipeline.clear()

    def shutdown(self) -> None:
        self._keep_alive = False
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self._ignores:
            self._ignored += len(data)
            if self._ignored > self.LINGER_BYTES:
                self._socket.close()
            return
        self._unset_keepalive_if_required()
        requests_before = self._requests_read
        self._read_size, self._body_read = len(data), 0
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            malformed = InvalidUrl if isinstance(error, httptools.HttpParserInvalidURLError) else MalformedRequest
            self._refuse(cause if isinstance(cause, ProblemError) else malformed())
            return
        if self._requests_read != requests_before:
            self._overhead = 0
            if not self._in_head and not self._in_body:
                return
        else:
            overhead = len(data) - self._body_read
            self._overhead = max(0, self._overhead + overhead - FRAME_PER_BODY_BYTE * self._body_read)
            if self._overhead > MAX_HEAD:
                self._refuse(HeadTooLarge(MAX_HEAD, MAX_HEADERS))
                return
        self._body_in_period += self._body_read
        if self._read_deadline is None:
            self._read_deadline = self.loop.call_later(
                self.BODY_PERIOD_S if self._in_body else self.HEAD_S, self._check_reading
            )

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = data[upgrade.args[0] :]
            # The parser has ended the request, even if it has a body.
            data = self._head_without_upgrade() + rest
            self.parser = httptools.HttpRequestParser(self)

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join((b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version), *lines, b"", b""))

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise MalformedRequest
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer, which must not become a header.
            self._trailers += len(name) + len(value)
        elif len(self.headers) < MAX_HEADERS:
            super().on_header(name, value)
            return
        if self._in_head or self._trailers > MAX_HEAD:
            raise HeadTooLarge(MAX_HEAD, MAX_HEADERS)

    def on_headers_complete(self) -> None:
        if self._overhead + self._read_size > MAX_HEAD:
            # These bytes may include a body and other requests.
            head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head > MAX_HEAD:
                raise HeadTooLarge(MAX_HEAD, MAX_HEADERS)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise MalformedRequest
            return
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise MalformedRequest
        drop_invalid_hops(self.headers)
        super().on_headers_complete()
        self._cancel_read_deadline()
        self._in_head, self._in_body = False, True
        self._trailers = self._body_periods = self._body_in_period = 0
        # A response that begins before the end of the request closes the connection.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        self._body_read += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_head:
            return
        self._in_body = False
        self._requests_read += 1
        self._cancel_read_deadline()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def _check_reading(self) -> None:
        self._read_deadline = None
        if self._in_body:
            waits_for_client = not self.flow.read_paused and not self.cycle.waiting_for_100_continue
            self._body_periods += waits_for_client
            in_time = self._body_in_period >= self.BODY_PERIOD_BYTES and self._body_periods < self.MAX_BODY_PERIODS
            if in_time or not waits_for_client:
                self._body_in_period = 0
                self._read_deadline = self.loop.call_later(self.BODY_PERIOD_S, self._check_reading)
                return
        self._refuse(RequestTimeout())

    def _cancel_read_deadline(self) -> None:
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.disconnected:
            # Its body was refused before its turn.
            self.close()
            return
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, error: ProblemError) -> None:
        """Respond and close; responses to earlier requests come first."""
        self._cancel_read_deadline()
        self._ignores = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not self._in_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline:
                return
            if cycle.response_started:
                self._socket.close()
                return
        if cycle is not None or self._overhead or self._read_size:
            self._write_problem(error)
        self._lingers = isinstance(error, RequestTimeout)
        self.close()

    def _write_problem(self, error: ProblemError) -> None:
        request_id = uuid4().hex
        response = problem_response(error, request_id)
        headers = [
            *(*self.server_state.default_headers, *response.raw_headers),
            *RAW_HEADERS,
            *((b"x-request-id", request_id.encode()), (b"connection", b"close")),
        ]
        lines = (b"%s: %s\r\n" % header for header in headers)
        self._response.write(b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", response.body)))
        self.logger.info("%s:%d - refused with %d: %s", *(self.client or ("local", 0)), response.status_code, error)

    def is_closing(self) -> bool:
        return self._lingers or self._socket.is_closing()

    def close(self) -> None:
        """Close, but not while the client is sending: a reset could discard the unread response."""
        self._cancel_read_deadline()
        if self._response is not None:
            self._response.flush()
        still_sends = self._in_body or self._ignores
        if still_sends and not self._lingers and not self._socket.is_closing():
            self._lingers = self._ignores = True
            self.pipeline.clear()
            if self._socket.can_write_eof():
                self._socket.write_eof()
            self.flow.resume_reading()
            self._read_deadline = self.loop.call_later(self.LINGER_S, self.close)
            return
        self._socket.close()
        if self._socket.get_write_buffer_size():
            self._check_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_writing()

    def resume_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        super().resume_writing()

    def _check_writing(self, unread: float = math.inf) -> None:
        still_unread = self._socket.get_write_buffer_size()
        if still_unread >= unread:
            self._socket.abort()
        else:
            self._write_deadline = self.loop.call_later(self.WRITE_PERIOD_S, self._check_writing, still_unread)


def limit_connections() -> None:
    """Make uvicorn use `Connection` in place of the class that it extends."""

    def create(cls: type[HttpToolsProtocol], *_: Any, **__: Any) -> HttpToolsProtocol:
        return object.__new__(Connection if cls is HttpToolsProtocol else cls)

    # Not by uvicorn's --http: `uvicorn app.main:app` must be limited too, and its workers choose the class before they
    # import the application.
    HttpToolsProtocol.__new__ = create  # type: ignore[assignment, method-assign]
