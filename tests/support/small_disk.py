"""Disks in memory that are soon full. Only root can mount one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.project_copy import cannot_run, run
from tests.support.run_cleanup import watch_folder


@contextmanager
def mounted_disk(folder: Path, mebibytes: int, owner: str = "root") -> Iterator[Path]:
    """Mount a disk of this size at a new folder `disk` in this folder."""
    if os.geteuid() != 0:
        cannot_run("only root can make a small disk; to run this test: sudo scripts/test")
    disk = folder / "disk"
    disk.mkdir()
    options = f"size={mebibytes}m,uid={owner}"
    mounted = run(folder, "mount", "-t", "tmpfs", "-o", options, "pixelwise-test", str(disk))
    if mounted.returncode != 0:
        cannot_run(f"no small disk can be made here: {mounted.stderr.strip()}")
    watch_folder(disk)
    yield disk
    run(folder, "umount", str(disk)).check_returncode()


def fill_disk(disk: Path) -> Path:
    """Leave not one free byte on the disk; return the file that takes them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return filler
