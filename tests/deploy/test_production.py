"""setup-server.sh on a production machine: root installs, another user runs the service."""

import os
import pwd
import re
import sqlite3
import stat
import subprocess
from contextlib import closing
from importlib.util import cache_from_source
from pathlib import Path

from tests.support.documentation import prose_of
from tests.support.ports import free_port
from tests.support.production import SERVICE_USER, Production
from tests.support.project_copy import (
    PROJECT,
    changed,
    environment,
    need,
    run,
    settings_of,
    state_of,
)
from tests.support.raw_http import assert_limited
from tests.support.run_cleanup import start_process


def test_version_05_is_upgraded_in_place(production: Production) -> None:
    root = production.root
    assert not (root / "app/of_version_05.py").exists()
    assert (root / "models/mine.onnx").read_bytes() == b"an operator's own"
    with closing(sqlite3.connect(root / "pixelwise.db")) as database:
        assert database.execute("SELECT id, prediction FROM predictions").fetchall() == [(5, "7")]
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    assert f"DATABASE_URL=sqlite:///{root}/pixelwise.db" in (root / ".env").read_text().splitlines()


def test_service_user_can_write_its_data_and_nothing_else(production: Production) -> None:
    service = pwd.getpwnam(SERVICE_USER)
    root = production.root
    database = (root / "pixelwise.db").stat()
    assert database.st_uid == service.pw_uid
    # Who can read it has all drawings, and can lock it.
    assert not database.st_mode & stat.S_IRWXO
    assert (root.parent / "secret").stat().st_uid == 0
    # In a .git of root, git would follow the service's configuration.
    assert (root / ".git").stat().st_uid == service.pw_uid
    secrets = (root / ".env").stat()
    assert (secrets.st_uid, secrets.st_gid, stat.S_IMODE(secrets.st_mode)) == (0, service.pw_gid, 0o640)
    for target in (".env", ".venv/pyvenv.cfg", "app/main.py", "init_db.py", "models/digits.onnx"):
        assert production.run_as_service("test", "-r", target).returncode == 0, target
        assert production.run_as_service("test", "-w", target).returncode == 1, target
    for attempt in ("mv app gone", "rm -f .env", "rm -f init_db.py", "touch app/new.py", "touch .venv/new"):
        assert production.run_as_service("sh", "-c", attempt).returncode != 0, attempt
    production.run_as_service("sh", "-c", "touch pixelwise.db-x && rm pixelwise.db-x").check_returncode()


def test_no_start_compiles_the_code(production: Production) -> None:
    root = production.root
    for source in (root / "init_db.py", *(root / "app").rglob("*.py"), *(root / "alembic").rglob("*.py")):
        compiled = Path(cache_from_source(str(source)))
        assert production.run_as_service("test", "-r", str(compiled)).returncode == 0, compiled
        # The time of the source, as Python compares it.
        assert int.from_bytes(compiled.read_bytes()[8:12], "little") == int(source.stat().st_mtime)


def test_service_user_can_run_alembic(production: Production) -> None:
    current = production.run_as_service(".venv/bin/python", "-m", "alembic", "current")
    assert "(head)" in current.stdout, current.stderr


def test_systemd_accepts_every_installed_unit(production: Production) -> None:
    need("systemd-analyze", "systemd")
    units = sorted(production.units.iterdir())
    assert [unit.name for unit in units] == sorted(
        path.name for path in (PROJECT / "deploy").iterdir() if path.suffix in (".service", ".timer")
    )
    verified = run(Path("/"), "systemd-analyze", "verify", *map(str, units))
    assert (verified.returncode, verified.stderr) == (0, "")


def test_every_path_in_the_installed_units_exists(production: Production) -> None:
    services = sorted(production.units.glob("*.service"))
    values = "\n".join(value.removeprefix("file://") for unit in services for _, value in settings_of(unit))
    paths = re.findall(r"(?<![\w.])/[\w./-]+", values)
    assert len(paths) >= 10
    for path in paths:
        assert path.startswith((str(production.root), str(production.certificates))), path
        assert Path(path).exists(), path


def test_nginx_site_is_enabled_unless_switched_off(production: Production) -> None:
    enabled = production.nginx / "sites-enabled/pixelwise"
    assert f"root {production.root}/app;" in enabled.read_text()
    assert f"ssl_certificate {production.certificates}/certificate.pem;" in enabled.read_text()
    unit = production.units / "pixelwise.service"
    assert "\nEnvironment=UVICORN_HOST=127.0.0.1\n" in unit.read_text()
    assert "Port 8000" not in production.first_output

    enabled.unlink()
    output = production.set_up(PIXELWISE_NGINX="off")
    assert not enabled.is_symlink()
    assert "\nEnvironment=UVICORN_HOST=0.0.0.0\n" in unit.read_text()
    assert "Port 8000 is open to other machines, in plain HTTP" in output
    for host in ("127.0.0.1", "0.0.0.0"):
        assert "Port 8000" not in production.set_up(PIXELWISE_NGINX="off", UVICORN_HOST=host)

    # Like an installation of 0.9, whose port was open: it stays open, and the output says so.
    output = production.set_up()
    assert enabled.is_symlink()
    assert "\nEnvironment=UVICORN_HOST=0.0.0.0\n" in unit.read_text()
    assert "Port 8000 is open to other machines, in plain HTTP" in output


def test_recipe_that_removes_the_site_leaves_port_8000_closed() -> None:
    page = (PROJECT / "docs/operations.md").read_text()
    section = page.partition("### Remove the site\n")[2].partition("\n## ")[0]
    written = re.findall(r"[A-Z_]+=\S+?(?=\\n)", section)
    assert written == ["PIXELWISE_NGINX=off", "UVICORN_HOST=127.0.0.1"]


def test_setup_says_where_the_key_is_and_that_browsers_warn(production: Production) -> None:
    assert f"The key is SECRET_API_KEY in {production.root}/.env" in production.first_output
    assert "The certificate is self-signed, so browsers warn" in production.first_output
    last = production.first_output.splitlines()[-1]
    assert last.startswith("The key is SECRET_API_KEY in ")
    assert last.endswith(f"sudo grep SECRET_API_KEY {production.root}/.env")


def test_setup_says_where_the_key_is_if_nginx_cannot_be_set_up(production: Production) -> None:
    refused = production.try_to_set_up(PIXELWISE_NGINX=str(production.root.parent))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"pixelwise: {production.root.parent} has no folders sites-available")
    assert refused.stdout.splitlines()[-1].startswith("The key is SECRET_API_KEY in ")


def test_every_link_in_the_installed_pages_leads_to_a_file(production: Production) -> None:
    pages = [*production.root.glob("*.md"), *(production.root / "docs").rglob("*.md")]
    assert len(pages) > 10
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
            if not target.startswith(("http", "#")):
                assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


def test_folder_that_the_service_could_replace_is_refused(production: Production) -> None:
    service = pwd.getpwnam(SERVICE_USER)
    home = production.root.parent / "home"
    (home / "of-root").mkdir(parents=True)
    os.chown(home, service.pw_uid, service.pw_gid)
    refused = production.try_to_set_up(PIXELWISE_ROOT=str(home / "of-root/pixelwise"))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"pixelwise: {SERVICE_USER} can change {home}, so root uses nothing there")
    assert list((home / "of-root").iterdir()) == []


def test_name_that_units_cannot_hold_is_refused(production: Production) -> None:
    for name in ("PIXELWISE_ROOT", "PIXELWISE_CERTIFICATE"):
        refused = production.try_to_set_up(**{name: str(production.root.parent / "pixel wise")})
        assert refused.returncode == 1
        assert refused.stderr.startswith("pixelwise: PIXELWISE_ROOT and PIXELWISE_CERTIFICATE may contain only letters")
    assert not (production.root.parent / "pixel wise").exists()


def test_root_downloads_no_model_into_a_folder_of_the_service(production: Production) -> None:
    model = production.root / "mine.onnx"
    settings = {"MODEL_URL": f"file://{PROJECT}/models/digits.onnx", "MODEL_SHA256": "0" * 64}
    refused = production.try_to_set_up(MODEL_PATH=str(model), **settings)
    assert refused.returncode == 1
    assert "root puts no file there" in refused.stderr
    assert not list(production.root.glob("mine.onnx*"))


def test_line_of_env_that_is_refused_stops_the_upgrade_before_anything_changes(production: Production) -> None:
    path = production.root / ".env"
    shipped, new = path.read_text(), production.clone / "app/of_the_next_version.py"
    number = len(shipped.splitlines()) + 1
    new.write_text("")
    for line, reason in (
        ("PUBLIC_RESULTS: false", f"cannot read {path}, line {number}: is not NAME=value"),
        # Version 0.9 read it.
        ("public_results=false", "public_results in .env: write PUBLIC_RESULTS"),
        ("DRIFT_PSI=0,1", "DRIFT_PSI: must be a number, such as 0.1"),
    ):
        path.write_text(f"{shipped}{line}\n")
        refused = production.try_to_set_up()
        assert (refused.returncode, refused.stderr) == (1, f"pixelwise: {reason}\n")
        assert not (production.root / "app/of_the_next_version.py").exists()
    new.unlink()
    path.write_text(shipped)


def test_setting_that_root_follows_is_refused_if_the_service_wrote_it(production: Production) -> None:
    path = production.root / ".env"
    shipped, service = path.read_text(), pwd.getpwnam(SERVICE_USER)
    path.write_text(f"{shipped}MODEL_URL=https://example.org/mine.onnx\n")
    os.chown(path, service.pw_uid, service.pw_gid)
    refused = production.try_to_set_up()
    assert refused.returncode == 1
    assert "sets MODEL_URL, which root would follow" in refused.stderr
    path.write_text(shipped)


def test_files_of_the_page_are_world_readable_for_nginx(production: Production) -> None:
    for path in filter(Path.is_file, (production.root / "app/static").rglob("*")):
        run(Path("/"), "runuser", "-u", "nobody", "--", "cat", str(path)).check_returncode()


def test_commands_of_the_installed_unit_start_the_service(production: Production) -> None:
    unit = dict(settings_of(production.units / "pixelwise.service"))
    production.run_as_service(*unit["ExecStartPre"].split()).check_returncode()
    port = str(free_port())
    command = unit["ExecStart"].replace("--host ${UVICORN_HOST} --port 8000", f"--host 127.0.0.1 --port {port}")
    with start_process(
        ["setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--init-groups", *command.split()],
        cwd=unit["WorkingDirectory"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as server:
        try:
            url = f"http://127.0.0.1:{port}/health/ready"
            patience = ("--retry", "40", "--retry-connrefused", "--retry-delay", "1")
            ready = run(Path("/"), "curl", "--silent", "--fail", *patience, url)
            assert ready.returncode == 0, ready.stdout
            assert_limited(int(port))
        finally:
            server.terminate()
            server.communicate(timeout=30)


def test_second_production_setup_changes_nothing(production: Production) -> None:
    folders = (production.units, production.nginx / "sites-available", production.certificates)

    def outside() -> dict[Path, bytes]:
        return {path: path.read_bytes() for folder in folders for path in folder.iterdir()}

    before, before_outside = state_of(production.root), outside()
    assert "Nothing has changed for nginx." in production.set_up()
    assert changed(before, state_of(production.root)) == set()
    assert outside() == before_outside
