"""Start OpenTelemetry if an endpoint is set and its packages are installed."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from starlette.types import Scope

from app.config import ConfigurationError, set_environment

if TYPE_CHECKING:
    from app.http.open_telemetry import OpenTelemetry

log = logging.getLogger("pixelwise")

_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def start_telemetry() -> "OpenTelemetry | None":
    """Raise ConfigurationError for an invalid setting."""
    # OpenTelemetry reads the environment only.
    settings = set_environment("OTEL_")
    endpoints = {signal: name for signal in ("TRACES", "METRICS") if (name := _endpoint(signal, settings))}
    if not endpoints or settings.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from app.http.open_telemetry import OpenTelemetry

        return OpenTelemetry(endpoints)
    except ModuleNotFoundError:
        log.warning(
            "%s is set, but packages are missing, so nothing is sent; run: pip install -r deploy/otel/requirements.txt",
            next(iter(endpoints.values())),
        )
        return None
    except ValueError as error:
        raise ConfigurationError(f"OpenTelemetry refuses a setting OTEL_...: {error}") from None


def _endpoint(signal: str, settings: Mapping[str, str]) -> str | None:
    """Return the variable that says where to send the signal, if it is sent."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    is_off = settings.get(f"OTEL_{signal}_EXPORTER", "").lower() == "none"
    return None if is_off else next((name for name in names if name in settings), None)


def child_span(scope: Scope, name: str) -> AbstractContextManager[None]:
    telemetry: OpenTelemetry | None = scope["state"].get("telemetry")
    return _NOTHING if telemetry is None else telemetry.child(scope, name)
