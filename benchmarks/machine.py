"""Read processor time, memory and file systems from /proc (Linux only)."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of all cores since boot."""

    busy: float
    stolen: float


def processor_time() -> ProcessorTime:
    """Return busy time (user, nice, system, interrupts) and time stolen by other virtual machines."""
    user, nice, system, _idle, _wait, interrupts, soft, stolen = (
        int(field) / TICKS_PER_SECOND for field in Path("/proc/stat").read_text().split()[1:9]
    )
    return ProcessorTime(user + nice + system + interrupts + soft, stolen)


def sync_milliseconds(folder: Path) -> float:
    """Return the median of 40 synced writes of 4 KiB, the main cost of a durable commit.

    Uses a folder of its own, because changes in the database's folder make the service check its files more often.
    """
    path = folder / "probe" / "sync"
    path.parent.mkdir(exist_ok=True)
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    times = []
    for _ in range(40):
        os.write(file, bytes(4096))
        began = time.perf_counter()
        os.fdatasync(file)
        times.append((time.perf_counter() - began) * 1e3)
    os.close(file)
    path.unlink()
    return median(times)


def filesystem(folder: Path) -> str:
    """Return the type of a folder's file system. On tmpfs a sync costs nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    around = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(around, key=lambda mount: len(mount[0]))[1]


def description(databases: Path | None = None) -> str:
    """Describe the machine and, if given, the file system of the databases."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    if databases is None:
        return machine
    return f"{machine}, SQLite {sqlite3.sqlite_version}, databases on {filesystem(databases)}"
