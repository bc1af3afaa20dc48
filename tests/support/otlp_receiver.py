"""A collector for OTLP over HTTP, in this process."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Receiver:
    port: int = 0
    raw: list[bytes] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)
    resources: list[dict[str, Any]] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, path: str, body: bytes) -> None:
        self.raw.append(body)
        if path == "/v1/traces":
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(values_of(part.resource.attributes))
                self.spans += [span for scope in part.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            for part in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(values_of(part.resource.attributes))
                self.metrics += [metric for scope in part.scope_metrics for metric in scope.metrics]

    def last(self, metric: str) -> Any:
        """The newest report of a metric, which has everything since the start."""
        return [one for one in self.metrics if one.name == metric][-1]


def values_of(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.authorizations.add(self.headers["Authorization"])
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.add(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()
