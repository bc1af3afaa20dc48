"""GET /metrics of several workers: the sums are those of all, whichever answers."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.metrics import KeyHolder, Metrics
from tests.support.service_process import Service, sent_to, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

DRAWINGS = 40
# Where metrics are kept is decided at their import, which forks do not repeat.
workers_on = partial(serving, workers=2, fork=False)


def metrics_of_all(service: Service, count: int = 12) -> list[Metrics]:
    """Read the metrics over new connections, so that each worker answers some."""

    def read(_: int) -> Metrics:
        with KeyHolder(service.port) as client:
            return Metrics.of(client)

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(read, range(count)))


def total(metrics: Metrics) -> float:
    return sum(metrics.by("digit", "pixelwise_predictions_total").values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder for what workers share, as systemd makes it."""
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_metrics_of_two_workers_are_added(sqlite_url: str, tmp_path: Path, folder: Path) -> None:
    with workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service:
        assert set(sent_to([service], DRAWINGS, 8)) == {200}
        for found in metrics_of_all(service):
            assert total(found) == DRAWINGS
            assert found.value("pixelwise_prediction_confidence_count") == DRAWINGS
            assert found.value("pixelwise_batch_size_sum") == DRAWINGS
            assert found.value("pixelwise_queue_length", queue="write") in (0, 1)
            assert found.by("check", "pixelwise_ready")["write"] == 1
            assert len(found.by("sha256", "pixelwise_model_info")) == 1
        # Both have counted something.
        assert len(list(folder.glob("*/counter_*.db"))) == 2
        service.stop()
    assert list(folder.iterdir()) == []


def test_counts_of_a_killed_worker_stay_and_its_gauges_go(sqlite_url: str, tmp_path: Path, folder: Path) -> None:
    with workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service:
        assert set(sent_to([service], DRAWINGS, 8)) == {200}
        killed = service.worker_processes()[0]
        os.kill(killed.pid, signal.SIGKILL)
        wait_until(lambda: killed.pid not in [one.pid for one in service.worker_processes()], "the worker is gone")
        wait_until(lambda: service.log.read_text().count("Application startup complete.") == 3, "another one serves")
        assert set(sent_to([service], DRAWINGS, 8)) == {200}
        for found in metrics_of_all(service):
            assert total(found) == 2 * DRAWINGS
        assert not list(folder.glob(f"*/gauge_live*_{killed.pid}.db"))
        service.stop()


def test_reads_at_once_forget_the_same_ended_workers(sqlite_url: str, tmp_path: Path, folder: Path) -> None:
    with workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service:
        gauges = next(folder.glob("*/gauge_live*.db"))
        # No process has such a number.
        ended = [gauges.with_name(f"gauge_livesum_{2**22 + number}.db") for number in range(300)]
        for file in ended:
            shutil.copy(gauges, file)
        metrics_of_all(service)
        assert not [file for file in ended if file.exists()]


def test_folder_of_killed_workers_is_deleted_by_the_next_start(sqlite_url: str, tmp_path: Path, folder: Path) -> None:
    with workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service:
        assert set(sent_to([service], 4, 2)) == {200}
        service.kill()
    assert len(list(folder.iterdir())) == 1
    with (
        workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service,
        workers_on(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as other,
    ):
        # Two services share the folder above, not their counts.
        assert len(list(folder.iterdir())) == 2
        assert set(sent_to([service], DRAWINGS, 8)) == {200}
        assert {total(found) for found in metrics_of_all(service)} == {DRAWINGS}
        assert {total(found) for found in metrics_of_all(other)} == {0}


def test_workers_need_no_setting_and_leave_nothing_behind(sqlite_url: str, tmp_path: Path) -> None:
    with workers_on(sqlite_url, tmp_path) as service:
        opened = [Path(file.path) for worker in service.worker_processes() for file in worker.open_files()]
        (made,) = {file.parent for file in opened if file.suffix == ".db" and file != tmp_path / "pixelwise.db"}
        assert made.name.startswith("pixelwise-metrics-")
        assert made.stat().st_mode & 0o777 == 0o700
        service.stop()
    assert not made.exists()


def test_one_process_keeps_its_metrics_in_memory(sqlite_url: str, tmp_path: Path, folder: Path) -> None:
    with serving(sqlite_url, tmp_path, RUNTIME_DIRECTORY=str(folder)) as service:
        assert set(sent_to([service], 4, 2)) == {200}
        with KeyHolder(service.port) as client:
            assert total(Metrics.of(client)) == 4
    assert list(folder.iterdir()) == []


def test_process_of_another_user_is_no_worker() -> None:
    code = "import os; from app.metrics.exposition import _runs; os.geteuid() or os.setuid(65534); print(_runs(1))"
    checked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert checked.stdout == "False\n"
