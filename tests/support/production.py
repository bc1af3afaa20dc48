"""A production machine with version 0.5, and ways to set it up."""

import os
import re
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.support.project_copy import PROJECT, SECONDS, cannot_run, run

# Every Debian machine has this account; it replaces produser here.
SERVICE_USER = "www-data"


@dataclass
class Production:
    """The folders of a production machine with version 0.5."""

    root: Path
    units: Path
    nginx: Path
    certificates: Path
    clone: Path
    first_output: str = ""

    def set_up(self, **environment: str) -> str:
        done = self.try_to_set_up(**environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_to_set_up(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run setup-server.sh, or a command that runs it."""
        places = {
            "PIXELWISE_ROOT": str(self.root),
            "PIXELWISE_UNITS": str(self.units),
            "PIXELWISE_NGINX": str(self.nginx),
            "PIXELWISE_CERTIFICATE": str(self.certificates),
        }
        settings = {"PIXELWISE_USER": SERVICE_USER, **places, **environment}
        return run(self.clone, *(command or ("bash", "setup-server.sh")), **settings)

    def run_as_service(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(self.root, "runuser", "-u", SERVICE_USER, "--", *command)


def python_for_everyone() -> Path:
    """Return a Python of this version that the service user can run."""
    version = f"python3.{sys.version_info.minor}"
    candidates = [Path(sys.base_prefix) / "bin" / version, Path("/usr/bin") / version]
    for python in candidates:
        if run(Path("/"), "runuser", "-u", SERVICE_USER, "--", str(python), "-c", "").returncode == 0:
            return python
    return cannot_run(f"{SERVICE_USER} can run no {version}; to run this test: apt install python3")


def write_version_05_to(root: Path) -> None:
    """Write an old source file, an operator's model and a database with one row."""
    (root / "app").mkdir(parents=True)
    (root / "app/of_version_05.py").write_text("")
    (root / "models").mkdir()
    (root / "models/mine.onnx").write_bytes(b"an operator's own")
    with closing(sqlite3.connect(root / "pixelwise.db")) as database:
        database.execute(
            "CREATE TABLE predictions (id INTEGER NOT NULL, prediction VARCHAR NOT NULL,"
            " confidence FLOAT NOT NULL, model_version VARCHAR NOT NULL, created_at DATETIME,"
            " PRIMARY KEY (id))"
        )
        database.execute("INSERT INTO predictions VALUES (5, '7', 0.94, 'v1', NULL)")
        database.commit()
    # The service can make such a link where the kernel does not protect hard links.
    (root.parent / "secret").write_text("root's")
    os.link(root.parent / "secret", root / "pixelwise.db-second")


def configure_nginx_in(folder: Path) -> None:
    """Write an nginx configuration without sites."""
    for name in ("sites-available", "sites-enabled"):
        (folder / name).mkdir(parents=True)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; include {folder}/sites-enabled/*; }}\n"
    )


def make_venv_in(root: Path) -> None:
    """Link or copy this run's packages into a virtual environment that the service user can read."""
    command = [python_for_everyone(), "-m", "venv", "--without-pip", root / ".venv"]
    subprocess.run(command, check=True, timeout=SECONDS)
    packages = root / f".venv/lib/python3.{sys.version_info.minor}/site-packages"
    installed = Path(sysconfig.get_path("purelib"))
    # Half of the files are needed by tests only.
    names = re.findall(r"^([\w-]+)==", (PROJECT / "tests/requirements.in").read_text(), re.MULTILINE)
    tests_only = {file.parts[0] for name in names for file in metadata.files(name) or ()} - {"..", "__pycache__"}
    parts = [path for path in installed.iterdir() if path.name not in tests_only]
    # They are half a gigabyte.
    may_link = belongs_to_root(installed) and installed.stat().st_dev == packages.stat().st_dev
    how = "--link" if may_link else "--preserve=timestamps"
    subprocess.run(["cp", "--recursive", how, *parts, packages], check=True, timeout=SECONDS)


def belongs_to_root(folder: Path) -> bool:
    """Whether root owns every file and nobody else may write it, as setup-server.sh demands."""
    others = ("(", "!", "-user", "root", "-o", "!", "-type", "l", "-perm", "/022", ")")
    return run(folder, "find", ".", *others, "-print", "-quit").stdout == ""
