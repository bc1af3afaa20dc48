"""Gauges that take a while to compute, or need the database."""

import asyncio
import logging
import shutil
import time
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Final, get_args

from prometheus_client import Gauge

from app.analysis.intervals import wilson_interval
from app.classifier import Classifier
from app.config import backup_folder
from app.database import Database
from app.database.url import sqlite_path
from app.metrics import instruments as metrics
from app.repository.metrics import database_size
from app.schemas.calibration import Calibration, CalibrationQuery
from app.schemas.drift import SIGNALS, Drift, DriftQuery
from app.services.calibration import get_calibration
from app.services.drift import get_drift

log = logging.getLogger("pixelwise")

KEEP_S: Final = 300.0

# Long enough for labels, short enough to see a change.
ACCURACY_PERIOD: Final = timedelta(days=30)


class SlowGauges:
    """Gauges computed in the background, at most every KEEP_S, and only while somebody reads them."""

    def __init__(self, classifier: Classifier, database: Database) -> None:
        self._classifier = classifier
        self._database = database
        self._started_at = -KEEP_S
        self._task: asyncio.Task[None] | None = None

    def refresh_soon(self) -> None:
        is_done = self._task is None or self._task.done()
        if is_done and time.monotonic() - self._started_at >= KEEP_S:
            self._started_at = time.monotonic()
            self._task = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _refresh(self) -> None:
        try:
            metrics.DB_SIZE.set(await self._database.read(database_size))
            await asyncio.to_thread(self._measure_files)
            version = self._classifier.version
            since = datetime.now(UTC) - ACCURACY_PERIOD
            labelled = CalibrationQuery(model_version=version, since=since, sample="random")
            # Answers of two models differ without any drift.
            newest = DriftQuery(model_version=version)
            # One after the other, or they would hold one snapshot for long.
            _show_calibration(await self._database.scan(lambda session: get_calibration(session, labelled)))
            _show_drift(await self._database.scan(lambda session: get_drift(session, newest)))
            metrics.REFRESHED.set_to_current_time()
        except Exception as error:  # noqa: BLE001  # The next attempt may succeed.
            log.warning("GET /metrics has old figures: %s: %s", type(error).__name__, error)

    def _measure_files(self) -> None:
        # Imports dumps and copies, which the service does not need.
        from app.services.backup import newest_backup

        url = self._database.url
        if url.get_backend_name() == "sqlite":
            disk = shutil.disk_usage(sqlite_path(url).parent)
            metrics.DISK_SIZE.set(disk.total)
            metrics.DISK_FREE.set(disk.free)
        folder = backup_folder()
        newest = newest_backup(folder) if folder else None
        metrics.LAST_BACKUP.set(newest.timestamp() if newest else 0 if folder else nan)


def _show_calibration(found: Calibration) -> None:
    _show_status(metrics.CALIBRATION_STATUS, found.status, Calibration)
    metrics.CALIBRATION_ERROR.set(_or_nan(found.expected_calibration_error))
    metrics.LABELLED.set(found.labelled)
    metrics.LABELLED_CONFIDENCE.set(_or_nan(found.mean_confidence))
    metrics.ACCURACY.set(_or_nan(found.accuracy))
    interval = wilson_interval(round((found.accuracy or 0) * found.labelled), found.labelled)
    for bound, value in zip(("low", "high"), interval or (nan, nan), strict=True):
        metrics.ACCURACY_INTERVAL.labels(bound).set(value)


def _show_drift(found: Drift) -> None:
    _show_status(metrics.DRIFT_STATUS, found.status, Drift)
    signals = {signal.name: signal for signal in found.signals}
    for name in SIGNALS:
        signal = signals.get(name)
        metrics.DRIFT_PSI.labels(name).set(signal.psi if signal else nan)
        metrics.DRIFTED.labels(name).set(signal.drifted if signal else nan)


def _show_status(gauge: Gauge, status: str, shape: type[Calibration] | type[Drift]) -> None:
    for possible in get_args(shape.model_fields["status"].annotation):
        gauge.labels(possible).set(possible == status)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
