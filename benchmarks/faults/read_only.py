"""The disk becomes read-only while the service runs, as ext4 does after an error; then it is mounted again.

`python -m benchmarks.faults.read_only`; half a minute. Creates its own disk; needs root, a loop device and ext4.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.databases import database
from benchmarks.report import table
from tests.support.service import rows
from tests.support.service_process import Load, missing, serving
from tests.support.waiting import wait_until


def run(*command: str) -> str:
    """Run a command; return its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def mounted(image: Path, disk: Path) -> Iterator[Path]:
    """Mount a disk image; yield the file in /sys that triggers a file system error."""
    run("mount", "-o", "loop,errors=remount-ro", str(image), str(disk))
    try:
        device = Path(run("findmnt", "-no", "SOURCE", str(disk))).name
        yield Path("/sys/fs/ext4", device, "trigger_fs_error")
    finally:
        run("umount", str(disk))


def turned_read_only(url: str, folder: Path, trigger: Path) -> tuple[Load, list[str]]:
    """Make the disk read-only under load; return the load and the figures."""
    with serving(url, folder) as service:
        with Load(service.port, 8) as load, service.client() as client:
            load.wait_for(200)
            before, began = len(load.answers), time.monotonic()
            trigger.write_text("1")
            wait_until(lambda: client.get("/health/ready").status_code == 503, "the service is not ready")
            not_ready = time.monotonic() - began
            wait_until(lambda: len(load.refused) > 100, "the service refuses")
            after = len(load.answers) - before
            problem = client.get("/health/ready").json()["detail"]
        service.kill()
    statuses = " ".join(sorted({str(reply.status_code) for reply in load.refused}))
    log_lines = service.log.read_text().count("ERROR pixelwise")
    return load, [str(after), f"{len(load.refused)} with {statuses}", f"{not_ready:.1f} s", problem, str(log_lines)]


def main() -> int:
    """Run the drill."""
    with database("sqlite", "read_only") as (_, folder):
        image, disk = folder / "disk.img", folder / "disk"
        disk.mkdir()
        with image.open("wb") as file:
            file.truncate(64 * 2**20)
        try:
            run("mkfs.ext4", "-q", "-F", str(image))
            with mounted(image, disk):
                shutil.copy(folder / "pixelwise.db", disk)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the drill cannot run here: {error}")
            return 0
        url = f"sqlite:///{disk / 'pixelwise.db'}"
        with mounted(image, disk) as trigger:
            first, figures = turned_read_only(url, folder, trigger)
        with mounted(image, disk), serving(url, folder) as service:
            with Load(service.port, 8, seed=1) as again:
                again.wait_for(200)
            service.stop()
            lost = len(missing(first.acknowledged | again.acknowledged, url))
            found = str(rows(url, "PRAGMA integrity_check")[0]["integrity_check"])
    heading = ("answered", "answered while read-only", "refused", "not ready after", "reason", "lines in the log")
    answered = f"{len(first.answers) + len(again.answers):,}"
    print(table((*heading, "rows missing", "integrity"), [(answered, *figures, str(lost), found)]))
    kept = not lost and found == "ok" and {reply.status_code for reply in first.refused} <= {503, 507}
    return 0 if kept and not first.broken else 1


if __name__ == "__main__":
    sys.exit(main())
