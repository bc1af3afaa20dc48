"""The package `pixelwise`: built, installed into an empty environment, and used far from the repository."""

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from packaging.version import Version

from app import __version__
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, environment
from tests.support.service import DRAWING, KEY
from tests.support.tools import run_tool
from tests.support.waiting import wait_until

SECONDS = 100
EXTRAS = {"deploy/otel/requirements.in", "deploy/parquet/requirements.in"}


def run(*command: str | Path, cwd: Path, **extra: str) -> str:
    """Run a command that must succeed; return what it printed."""
    ended = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment(**extra), capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build(kind: str, source: Path, target: Path) -> None:
    built = run_tool("hatchling", "build", "-t", kind, "-d", str(target), folder=source)
    assert built.returncode == 0, built.stdout + built.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    build("sdist", PROJECT, folder)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel that the source package makes; the other packages are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / f"pixelwise-{__version__}"
    build("wheel", source, folder)
    (wheel,) = folder.glob("*.whl")
    made = folder / "venv"
    venv.create(made)
    (packages,) = made.glob("lib/python*/site-packages")
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", made / "bin/python", "--disable-pip-version-check")
    run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    return made / "bin"


def test_source_package_has_what_a_wheel_needs_and_no_more(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [Path(member.name).relative_to(f"pixelwise-{__version__}") for member in archive if member.isfile()]
    top = {name.parts[0] for name in names}
    needed = {"app", "alembic", "alembic.ini", "models", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert top - {"PKG-INFO", ".gitignore", "requirements.in", "deploy"} == needed
    assert {str(name) for name in names if name.parts[0] == "deploy"} == EXTRAS
    git = ("git", "ls-files", "-z", "app", "alembic", "models")
    committed = set(filter(None, run(*git, cwd=PROJECT).split("\0")))
    assert {str(name) for name in names if name.parts[0] in ("app", "alembic", "models")} == committed
    assert sdist.stat().st_size < 2_000_000


def test_version_has_one_source_and_requirements_another(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "pixelwise", "--version", cwd=tmp_path) == f"pixelwise {__version__}\n"
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert {"version", "dependencies"} <= set(project["dynamic"])
    code = "from importlib.metadata import version, requires; import json; print(json.dumps(requires('pixelwise')))"
    required = json.loads(run(installed / "python", "-c", code, cwd=tmp_path))
    assert any(one.startswith("fastapi==") for one in required)
    for package in ("opentelemetry-sdk", "pyarrow"):
        assert any(one.startswith(f"{package}==") and "extra" in one for one in required)
    # What is installed here is what the package asks for.
    run(installed / "python", "-I", "-c", CHECK_REQUIREMENTS, cwd=tmp_path)


def test_unreleased_code_has_a_version_of_its_own_which_the_pages_show() -> None:
    newest, *older = re.findall(r"^## (\S+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if newest == "Unreleased":
        assert Version(__version__).is_devrelease
        assert Version(__version__) > Version(older[0])
    else:
        assert __version__ == newest
    assert f"/pixelwise-{__version__}-py3-none-any.whl" in (PROJECT / "docs/operations.md").read_text()
    assert f'{{"name": "pixelwise", "version": "{__version__}"' in (PROJECT / "docs/api.md").read_text()


CHECK_REQUIREMENTS = """
from importlib.metadata import requires, version
from packaging.requirements import Requirement
for one in map(Requirement, requires("pixelwise")):
    if one.marker is None or one.marker.evaluate({"extra": ""}):
        assert one.specifier.contains(version(one.name)), one
"""


def test_installed_package_is_not_the_repository(installed: Path, tmp_path: Path) -> None:
    code = "import app.main, app.config; print(app.__file__, app.config.SHIPPED_MODEL, app.config.PROJECT_FOLDER)"
    for path in run(installed / "python", "-c", code, cwd=tmp_path).split():
        assert Path(path).is_relative_to(installed.parent), path
    # Nothing but `app` and its metadata is put beside other packages.
    (packages,) = installed.parent.glob("lib/python*/site-packages")
    assert {path.name for path in packages.iterdir()} == {
        *("app", "tests.pth", f"pixelwise-{__version__}.dist-info"),
    }


@contextmanager
def served(installed: Path, folder: Path) -> Iterator[str]:
    """`pixelwise serve` in this folder; yields its address."""
    port = free_port()
    command = [str(installed / "pixelwise"), "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return bool(urlopen(f"{address}/health/ready", timeout=5).status == 200)
        except URLError:
            return False

    try:
        wait_until(is_ready, "the service is ready")
        yield address
    finally:
        process.terminate()
        process.wait(SECONDS)


def call(address: str, body: Any = None, **headers: str) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(address, data, headers), timeout=30) as answer:
        content: bytes = answer.read()
    return content


def test_installed_program_creates_the_tables_and_serves_page_and_api(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"SECRET_API_KEY={KEY}\n")
    program = installed / "pixelwise"
    missing = subprocess.run([program, "stats"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert missing.returncode != 0
    assert "run: pixelwise upgrade" in missing.stderr
    run(program, "upgrade", cwd=tmp_path)
    assert (tmp_path / "pixelwise.db").exists()
    with served(installed, tmp_path) as address:
        answer = json.loads(call(f"{address}/classify", DRAWING, **{"X-API-Key": KEY}))
        assert (answer["id"], answer["prediction"]) == (1, "7")
        assert b"<title>PixelWise" in call(f"{address}/")
        assert b"import" in call(f"{address}/static/app.js")
        assert b"swagger" in call(f"{address}/docs").lower()
        (listed,) = json.loads(run(program, "results", "--json", cwd=tmp_path))["results"]
        assert (listed["id"], listed["prediction"]) == (1, "7")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_relative_model_path_of_the_installed_program_is_below_its_working_directory(
    installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.onnx").write_bytes((PROJECT / "models/digits.onnx").read_bytes())
    code = "from app.classifier import get_classifier; print(get_classifier().version)"
    assert run(installed / "python", "-c", code, cwd=tmp_path, MODEL_PATH="mine.onnx").startswith("v")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused = subprocess.run(
        [installed / "python", "-c", code],
        cwd=elsewhere,
        env=environment(MODEL_PATH="mine.onnx"),
        capture_output=True,
        text=True,
    )
    assert "cannot read the model mine.onnx" in refused.stderr
