"""Start OpenTelemetry if OTEL_EXPORTER_OTLP_ENDPOINT is set and its packages are installed."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from starlette.types import Scope

from app.config import ConfigurationError
from app.env_file import set_environment

if TYPE_CHECKING:
    from app.http.open_telemetry import OpenTelemetry

log = logging.getLogger("pixelwise")

ENDPOINTS: Final = tuple(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT" for kind in ("", "TRACES_", "METRICS_"))

_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def start_telemetry() -> "OpenTelemetry | None":
    """Raise ConfigurationError for an invalid setting."""
    # OpenTelemetry reads the environment only.
    settings = set_environment("OTEL_")
    endpoint = next((name for name in ENDPOINTS if name in settings), None)
    if endpoint is None:
        return None
    try:
        from app.http.open_telemetry import OpenTelemetry

        return OpenTelemetry()
    except ModuleNotFoundError:
        log.warning(
            "%s is set, but packages are missing, so nothing is sent; run: pip install -r deploy/otel/requirements.txt",
            endpoint,
        )
        return None
    except ValueError as error:
        raise ConfigurationError(f"OpenTelemetry refuses a setting OTEL_...: {error}") from None


def child_span(scope: Scope, name: str) -> AbstractContextManager[None]:
    telemetry: OpenTelemetry | None = scope["state"].get("telemetry")
    return _NOTHING if telemetry is None else telemetry.child(scope, name)
