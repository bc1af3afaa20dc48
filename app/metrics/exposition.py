import os
from typing import Final

from app.metrics.instruments import REGISTRY
from app.metrics.workers import FOLDER

# isort: split
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def exposition() -> bytes:
    """Return the metrics of all workers in Prometheus' text format."""
    if FOLDER is None:
        return generate_latest(REGISTRY)
    from prometheus_client.multiprocess import MultiProcessCollector

    for file in FOLDER.glob("gauge_live*.db"):
        if not _runs(int(file.stem.rpartition("_")[2])):
            # `mark_process_dead` fails while another worker does the same.
            file.unlink(missing_ok=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(FOLDER))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        # All workers have one user, so this is another program.
        return False
    return True
