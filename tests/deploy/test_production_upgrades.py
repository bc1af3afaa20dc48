"""setup-server.sh run again on a production machine: what it refuses, restarts, enables and cleans up."""

import os
import pwd
import re
import stat
from pathlib import Path

import pytest

from tests.support.production import SERVICE_USER, Production
from tests.support.project_copy import clone_into, need, run


def test_database_where_the_unit_may_not_write_is_refused_before_the_restart(production: Production) -> None:
    elsewhere, path = production.root.parent / "data", production.root / ".env"
    elsewhere.mkdir()
    os.chown(elsewhere, pwd.getpwnam(SERVICE_USER).pw_uid, -1)
    shipped = path.read_text()
    drop_in = production.units / "pixelwise.service.d/database.conf"
    link, new = production.root.parent / "link", production.clone / "app/of_the_next_version.py"
    link.symlink_to(elsewhere)
    new.write_text("")
    absolute = f"sqlite:///{elsewhere}/pixelwise.db"
    for url, given in (
        (absolute, ""),
        (f"sqlite+pysqlite:///{elsewhere}/pixelwise.db", ""),
        ("sqlite:///../data/pixelwise.db", ""),
        (absolute, f"{elsewhere}base"),
        (absolute, f"{elsewhere}/below"),
    ):
        path.write_text(re.sub("^DATABASE_URL=.*", f"DATABASE_URL={url}", shipped, flags=re.MULTILINE))
        if given:
            drop_in.parent.mkdir(exist_ok=True)
            drop_in.write_text(f"[Service]\nReadWritePaths={given}\n")
        refused = production.try_to_set_up()
        assert refused.returncode == 1
        assert f"the unit of the service may not write in {elsewhere}" in refused.stderr
        assert list(elsewhere.iterdir()) == []
        assert not (production.root / "app/of_the_next_version.py").exists()
    new.unlink()
    for given in (f"{elsewhere}", f"{elsewhere.parent}", f"/none -{link}"):
        drop_in.write_text(f"[Service]\nReadWritePaths={given}\n")
        production.set_up()
        # As the unit would make it.
        assert stat.S_IMODE((elsewhere / "pixelwise.db").stat().st_mode) == 0o600
    link.unlink()
    drop_in.unlink()
    drop_in.parent.rmdir()
    path.write_text(shipped)
    production.set_up()


def deployed_checksum(project: Path, shadow_model: str) -> str:
    """What setup-server.sh compares before it restarts the service."""
    script = (project / "setup-server.sh").read_text().removesuffix('main "$@"\n')
    (project / "checksum.sh").write_text(f"{script}python=$PIXELWISE_VENV/bin/python\ndeployed_checksum\n")
    printed = run(project, "bash", "checksum.sh", SHADOW_MODEL_PATH=shadow_model)
    assert (printed.returncode, printed.stderr) == (0, "")
    return printed.stdout


@pytest.mark.parametrize(
    ("name", "is_used"),
    [
        *((name, True) for name in ("app/main.py", "app/static/index.html", "alembic/env.py", "models/digits.onnx")),
        *((name, True) for name in ("models/second.onnx", ".env", ".venv/installed-requirements.txt", "init_db.py")),
        *((name, False) for name in ("models/mine.onnx", "models/MODELCARD.md", "docs/api.md", "scripts/serve")),
        *((name, False) for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md", "deploy/nginx.conf")),
    ],
)
def test_service_is_restarted_only_for_what_it_uses(tmp_path: Path, name: str, is_used: bool) -> None:
    project = clone_into(tmp_path / "pixelwise")
    (project / ".venv").mkdir()
    changing = project / name
    for path in (project / "models/second.onnx", project / ".venv/installed-requirements.txt", changing):
        with path.open("a") as file:
            file.write("# one\n")
    before = deployed_checksum(project, "models/second.onnx")
    with changing.open("a") as file:
        file.write("# two\n")
    assert (deployed_checksum(project, "models/second.onnx") != before) is is_used


def test_folders_of_killed_runs_are_deleted_except_what_was_being_replaced(production: Production) -> None:
    folders = [production.root / f".new.{number:08}" for number in range(2)]
    for folder, names in zip(folders, (("new", "copy", "venv"), ("new", "old")), strict=True):
        folder.mkdir(mode=0o700)
        for name in names:
            (folder / name).mkdir()
    output = production.set_up()
    assert list(production.root.glob(".new.*")) == [folders[1]]
    assert [path.name for path in folders[1].iterdir()] == ["old"]
    left = f"A run that was killed left {folders[1]}/old. Look at it, then delete {folders[1]}.\n"
    assert output.count("A run that was killed") == output.count(left) == 1
    (folders[1] / "old").rmdir()
    folders[1].rmdir()


def test_nightly_backup_is_enabled_until_it_is_off(production: Production) -> None:
    need("systemctl", "systemd")
    units = production.root.parent / "system"
    units.mkdir()
    # systemd does not run there, and its folder is another one.
    hide = f"mount --bind {units} /etc/systemd/system && mount -t tmpfs none /run && exec bash setup-server.sh"
    for backup, expected in (("on", ["backup", "certificate"]), ("off", ["certificate"])):
        done = production.try_to_set_up(
            *("unshare", "--mount", "sh", "-c", hide),
            PIXELWISE_UNITS="/etc/systemd/system",
            PIXELWISE_BACKUP=backup,
            SYSTEMD_OFFLINE="1",
        )
        assert done.returncode == 0, done.stderr
        # Nothing deletes data until the operator enables it.
        enabled = sorted(path.name for path in (units / "timers.target.wants").iterdir())
        assert enabled == [f"pixelwise-{name}.timer" for name in expected]
    production.set_up()
