"""Backups for the tests of restore."""

import json
import os
from pathlib import Path

from tests.support.command_line import done
from tests.support.stored_rows import random_rows

ROWS = random_rows(60)


def take_backup(tmp_path: Path) -> Path:
    """Back up the configured database into `tmp_path`; return the file."""
    name: str = json.loads(done("backup", "--json"))["file"]
    return tmp_path / "backups" / name


def flip_one_bit(backup: Path) -> None:
    """Damage a backup in its middle."""
    with backup.open("r+b") as file:
        file.seek(backup.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
