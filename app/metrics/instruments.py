"""Counters, gauges and histograms; docs/monitoring.md explains each."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence
from functools import cache
from math import nan
from typing import Final

from app.metrics.workers import FOLDER

# isort: split
# It keeps metrics where FOLDER says, from its import on.
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()

# A batch takes milliseconds.
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class BatchHistogram(Histogram):
    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe many amounts, in a fraction of the time of one after the other."""
        self._sum.inc(sum(amounts))
        for bucket, number in Counts(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[bucket].inc(number)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> BatchHistogram:
    return BatchHistogram(name, text, labels, registry=REGISTRY, buckets=buckets)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    gauge = Gauge(name, text, labels, registry=REGISTRY, multiprocess_mode="mostrecent")
    if not labels and FOLDER is None:
        # Not 0 before it is known.
        gauge.set(nan)
    return gauge


# Named and divided as OpenTelemetry's semantic conventions say.
REQUEST_SECONDS: Final = _histogram(
    "http_server_request_duration_seconds",
    "Duration of requests, until the end of the response.",
    Histogram.DEFAULT_BUCKETS,
    *("http_request_method", "http_route", "http_response_status_code"),
)
RATE_LIMITED: Final = _counter("pixelwise_rate_limited_total", "Requests answered 429, by limit.", "limit")

QUEUE_LENGTH: Final = Gauge(
    "pixelwise_queue_length",
    "Requests that wait for the database or use it.",
    ["queue"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
WRITE_SECONDS: Final = _histogram("pixelwise_db_write_seconds", "Duration of transactions that write.", _SECONDS)
BATCH_SIZE: Final = _histogram(
    "pixelwise_batch_size", "Drawings that were classified together.", [2**power for power in range(11)]
)
INFERENCE_SECONDS: Final = _histogram("pixelwise_inference_seconds", "Duration of classifying a batch.", _SECONDS)

PREDICTIONS: Final = _counter("pixelwise_predictions_total", "Stored predictions.", "model_version", "digit")
NOT_DIGITS: Final = _counter("pixelwise_not_digits_total", "Stored predictions with not_a_digit above 0.5.")
CONFIDENCE: Final = _histogram(
    "pixelwise_prediction_confidence",
    "Confidence of stored predictions.",
    (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1),
)
LABELS: Final = _counter("pixelwise_labels_total", "Labels: confirmed, corrected or not_a_digit.", "outcome")

READY: Final = _gauge("pixelwise_ready", "Checks of GET /health/ready: 1 if ok, else 0.", "check")
MODEL_INFO: Final = Gauge(
    "pixelwise_model_info",
    "The model in use; always 1.",
    ["model_version", "sha256"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)

DB_SIZE: Final = _gauge("pixelwise_db_size_bytes", "Size of the database, without SQLite's write-ahead log.")
DISK_SIZE: Final = _gauge("pixelwise_disk_size_bytes", "Size of the disk that SQLite's file is on.")
DISK_FREE: Final = _gauge("pixelwise_disk_free_bytes", "Free space of the disk that SQLite's file is on.")
LAST_BACKUP: Final = _gauge(
    "pixelwise_last_backup_timestamp_seconds",
    "Time of the newest complete backup whose time is not in the future; 0 if there is none, NaN if they are off.",
)
DRIFT_STATUS: Final = _gauge("pixelwise_drift_status", "1 for the status of GET /stats/drift.", "status")
DRIFT_PSI: Final = _gauge("pixelwise_drift_psi", "Population stability index of a signal.", "signal")
DRIFTED: Final = _gauge("pixelwise_drift_detected", "1 if the signal drifts, else 0.", "signal")
CALIBRATION_STATUS: Final = _gauge(
    "pixelwise_calibration_status", "1 for the status of GET /stats/calibration.", "status"
)
CALIBRATION_ERROR: Final = _gauge("pixelwise_calibration_error", "Expected calibration error.")
LABELLED: Final = _gauge("pixelwise_labelled_predictions", "Predictions that accuracy is measured on.")
LABELLED_CONFIDENCE: Final = _gauge("pixelwise_labelled_confidence", "Mean confidence of these predictions.")
ACCURACY: Final = _gauge("pixelwise_accuracy", "Share of these predictions that is correct.")
ACCURACY_INTERVAL: Final = _gauge("pixelwise_accuracy_interval", "95 % interval of the accuracy.", "bound")
REFRESHED: Final = _gauge(
    "pixelwise_refreshed_timestamp_seconds", "When sizes, backup, drift and calibration were last computed."
)


@cache
def prediction_counter(model_version: str, digit: str) -> Counter:
    return PREDICTIONS.labels(model_version, digit)
