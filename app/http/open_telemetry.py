"""Traces and metrics over OTLP, named as in https://opentelemetry.io/docs/specs/semconv/http/."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final
from uuid import uuid4

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from starlette.types import Scope

from app import __version__
from app.http.trace_context import TraceParent

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
CLOSE_S: Final = 2.0


class OpenTelemetry:
    def __init__(self, signals: Container[str]) -> None:
        """Send TRACES, METRICS or both."""
        names = {"service.name": "pixelwise", "service.version": __version__, "service.instance.id": uuid4().hex}
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
        resource = Resource.create().merge(Resource(names)).merge(OTELResourceDetector().detect())
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracer: Tracer = NoOpTracer()
        if "TRACES" in signals:
            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            self._tracer = self._tracers.get_tracer("pixelwise", __version__)
        readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if "METRICS" in signals else []
        self._meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        meter = self._meters.get_meter("pixelwise", __version__)
        self._duration = meter.create_histogram(
            "http.server.request.duration", "s", explicit_bucket_boundaries_advisory=BUCKETS_S
        )
        self._predictions = meter.create_counter("pixelwise.predictions", "{prediction}")

    def start(self, scope: Scope, parent: TraceParent | None) -> None:
        attributes = {"http.request.method": scope["method"], "url.scheme": scope["scheme"]}
        span = self._tracer.start_span(scope["method"], _context_of(parent), SpanKind.SERVER, attributes)
        scope["state"].update(span=span, telemetry=self)
        if (context := span.get_span_context()).is_valid:
            scope["state"]["trace_id"] = f"{context.trace_id:032x}"

    def end(self, scope: Scope, routed: Scope, status: int, seconds: float) -> None:
        state, span = scope["state"], scope["state"]["span"]
        attributes = {"http.request.method": scope["method"], "url.scheme": scope["scheme"]}
        if route := getattr(routed.get("route"), "path", None):
            attributes["http.route"] = route
            span.update_name(f"{scope['method']} {route}")
        if status:
            attributes["http.response.status_code"] = status
        if status // 100 == 5:
            attributes["error.type"] = str(status)
            span.set_status(StatusCode.ERROR)
        span.set_attributes(attributes)
        span.set_attributes({"url.path": scope["path"], "pixelwise.request_id": state["request_id"]})
        # In the span's context, which exemplars refer to.
        self._duration.record(seconds, attributes, set_span_in_context(span))
        if stored := state.get("stored"):
            span.set_attribute("pixelwise.predictions", stored)
            self._predictions.add(stored)
        span.end()

    @contextmanager
    def child(self, scope: Scope, name: str) -> Iterator[None]:
        span: Span = scope["state"]["span"]
        with self._tracer.start_as_current_span(name, set_span_in_context(span), record_exception=False):
            yield

    def close(self) -> None:
        """Send the rest, unless the receiver takes too long."""

        def shut_down() -> None:
            self._tracers.shutdown()
            self._meters.shutdown()

        sender = Thread(target=shut_down, daemon=True)
        sender.start()
        sender.join(CLOSE_S)


def _context_of(parent: TraceParent | None) -> Context:
    if parent is None:
        return Context()
    caller = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, TraceFlags(parent.flags))
    return set_span_in_context(NonRecordingSpan(caller), Context())
