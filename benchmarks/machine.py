"""Read processor time, memory and file systems from /proc (Linux only)."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# What reading the files of a thread or process raises after its end.
ENDED = (FileNotFoundError, ProcessLookupError)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def context_switches(pid: int) -> dict[str, int]:
    """Return how often each thread of a process gave up its core or lost it."""
    switches = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(*ENDED):
            counts = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status.read_text())
            switches[status.parent.name] = sum(map(int, counts))
    return switches


def with_descendants(pid: int) -> list[int]:
    """Return a process, its children, their children and so on."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(*ENDED):
            found += [each for child in children.read_text().split() for each in with_descendants(int(child))]
    return found


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants have used, and the memory that they use."""

    cpu_seconds: float
    switches: dict[str, int]
    """Of each thread: those of a thread that has ended are lost."""
    resident_mib: float

    def switches_since(self, before: "Usage") -> int:
        """Count the switches of the threads that are still there."""
        return sum(count - before.switches.get(thread, 0) for thread, count in self.switches.items())


def usage(pid: int) -> Usage:
    """Return the usage of a process and its descendants. Memory that they share is counted for each."""
    seconds = memory = 0.0
    switches: dict[str, int] = {}
    for each in with_descendants(pid):
        with suppress(*ENDED):
            seconds += cpu_seconds(each)
            memory += resident_mib(each)
            switches |= context_switches(each)
    return Usage(seconds, switches, memory)


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


def library_that_delays_syncs(folder: Path) -> Path:
    """Compile slow_sync.c and return the library."""
    gcc = shutil.which("gcc")
    if gcc is None:
        sys.exit("gcc is missing; install it: apt install gcc libc6-dev")
    source, library = Path(__file__).with_name("slow_sync.c"), folder.resolve() / "slow_sync.so"
    subprocess.run([gcc, "-O2", "-shared", "-fPIC", str(source), "-o", str(library), "-ldl"], check=True)
    return library


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
