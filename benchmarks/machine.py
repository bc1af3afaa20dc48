"""What the machine says of itself and of its processes, read from /proc (so on Linux only)."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """The processor time a process has used so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_mib(pid: int) -> float:
    """The memory of a process that lies in RAM, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of all cores since the start of the machine."""

    busy: float
    stolen: float


def processor_time() -> ProcessorTime:
    """Busy: user, nice, system and interrupts; stolen: what went to other virtual machines."""
    user, nice, system, _idle, _wait, interrupts, soft, stolen = (
        int(field) / TICKS_PER_SECOND for field in Path("/proc/stat").read_text().split()[1:9]
    )
    return ProcessorTime(user + nice + system + interrupts + soft, stolen)


def sync_milliseconds(folder: Path) -> float:
    """What one synced write of 4 KiB costs here and now (median of 40): what durable commits are made of.

    In a folder of its own: where names come and go beside a database, the service looks more closely at each commit.
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
    """The type of the file system a folder lies on; beware of tmpfs, where a sync costs nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    around = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(around, key=lambda mount: len(mount[0]))[1]


def description(databases: Path | None = None) -> str:
    """Where the figures were made, and on what the databases lay, if there were any."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    if databases is None:
        return machine
    return f"{machine}, SQLite {sqlite3.sqlite_version}, databases on {filesystem(databases)}"
