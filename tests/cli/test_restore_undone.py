"""docs/operations.md: back to the database as it was before a restore."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.backups import ROWS, take_backup
from tests.support.command_line import done
from tests.support.documentation import blocks_of
from tests.support.old_databases import everything
from tests.support.project_copy import PROJECT, run
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.stored_rows import store

(RECIPE,) = (block.code for block in blocks_of(PROJECT / "docs/operations.md") if "pixelwise.db.before-" in block.code)
# No service manager and no other user here.
SHELL = 'set -eu\nsudo() { [ "$1" != -u ] || shift 2; "$@"; }\nsystemctl() { :; }\n'


def go_back(folder: Path, kept: str) -> None:
    name = Path(kept).name
    commands = re.sub(r"pixelwise\.db\.before-\S+", name, RECIPE.replace("/opt/pixelwise", str(folder)))
    assert (str(folder) in commands, name in commands) == (True, True)
    run(folder, "bash", "-c", SHELL + commands).check_returncode()


def test_database_as_it_was_comes_back_and_the_restored_one_is_kept(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, ROWS, drawings=True)
    backup = take_backup(tmp_path)
    execute(configured_sqlite, "DELETE FROM predictions WHERE id > 10")
    before = everything(configured_sqlite)
    kept = json.loads(done("restore", str(backup), "--yes", "--json"))["kept"][str(tmp_path / "pixelwise.db")]
    with serving(configured_sqlite, tmp_path) as service:
        with Load(service.port, 2) as load:
            load.wait_for(20)
        service.kill()
    assert (tmp_path / "pixelwise.db-wal").stat().st_size > 0

    go_back(tmp_path, kept)
    assert everything(configured_sqlite) == before
    assert rows(configured_sqlite, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    (restored,) = tmp_path.glob("pixelwise.db.restored-*Z")
    assert missing(load.acknowledged, f"sqlite:///{restored}") == []


def test_log_of_the_database_as_it_was_comes_back_with_it(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, ROWS, drawings=True)
    backup = take_backup(tmp_path)
    with serving(configured_sqlite, tmp_path) as service:
        with Load(service.port, 2) as load:
            load.wait_for(20)
        service.kill()
    kept = json.loads(done("restore", str(backup), "--yes", "--json"))["kept"]
    assert str(tmp_path / "pixelwise.db-wal") in kept

    go_back(tmp_path, kept[str(tmp_path / "pixelwise.db")])
    assert missing(load.acknowledged, configured_sqlite) == []
    with closing(sqlite3.connect(tmp_path / "pixelwise.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_name_that_no_database_has_changes_nothing(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, ROWS, drawings=True)
    before = everything(configured_sqlite)
    go_back(tmp_path, "pixelwise.db.before-20261120T101500.000000Z")
    assert everything(configured_sqlite) == before
