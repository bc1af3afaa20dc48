"""scripts/install: the virtual environment is made, kept, and made anew."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project_copy import SECONDS, clone_into, run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone in a folder whose name contains a space."""
    return clone_into(tmp_path / "pixel wise")


def test_install_retries_after_a_failure_and_runs_once_per_requirements(project: Path, tmp_path: Path) -> None:
    venv = str(tmp_path / "fresh")
    (project / "requirements.txt").write_text("./not-there-yet\n")
    failed = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("pixelwise: the installation failed")

    (project / "requirements.txt").write_text("# Nothing is needed.\n")
    repeated = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert repeated.returncode == 0, repeated.stderr
    assert repeated.stdout.startswith("Installing requirements.txt")

    assert run(project, "scripts/install", PIXELWISE_VENV=venv).stdout == ""

    (project / "requirements.txt").write_text("# Nothing is needed still.\n")
    changed = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert changed.stdout.startswith("Installing requirements.txt")


def test_list_is_found_from_the_folder_that_the_script_is_run_in(project: Path, tmp_path: Path) -> None:
    venv = str(tmp_path / "fresh")
    (tmp_path / "mine.txt").write_text("# Nothing is needed.\n")
    installed = run(tmp_path, f"{project}/scripts/install", "mine.txt", PIXELWISE_VENV=venv)
    assert installed.returncode == 0, installed.stderr
    # The project has this one, and the folder does not.
    for name in ("requirements.txt", "requirments.txt"):
        refused = run(tmp_path, f"{project}/scripts/install", name, PIXELWISE_VENV=venv)
        assert (refused.returncode, refused.stderr) == (1, f"pixelwise: cannot read {name}\n")


@pytest.fixture
def quick_python(tmp_path: Path) -> str:
    """PATH with a python3 that makes virtual environments with the pip of this run; installing pip takes seconds."""
    python = tmp_path / "quick/python3"
    python.parent.mkdir()
    packages = f"lib/python3.{sys.version_info.minor}/site-packages"
    python.write_text(
        f"""#!/bin/bash
case $* in
*"-m venv --clear"*)
    {sys.executable} "$@" --without-pip && echo {sysconfig.get_path("purelib")} >"${{@: -1}}/{packages}/pip.pth"
    ;;
*)
    exec {sys.executable} "$@"
    ;;
esac
"""
    )
    python.chmod(0o755)
    return f"{python.parent}:{os.environ['PATH']}"


def test_install_recreates_a_virtual_environment_without_python(
    project: Path, tmp_path: Path, quick_python: str
) -> None:
    (project / "requirements.txt").write_text("# Nothing is needed.\n")
    venv = tmp_path / "moved"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /nowhere\n")
    (venv / "bin/python").symlink_to("/nowhere/python3")
    (venv / "installed-requirements.txt").write_text("# Nothing is needed.\n")
    made = run(project, "scripts/install", PIXELWISE_VENV=str(venv), PATH=quick_python)
    assert made.returncode == 0, made.stderr
    assert subprocess.run([venv / "bin/python", "-c", "import pip"], timeout=30).returncode == 0


def change_version(venv: Path) -> None:
    """Leave it as after an upgrade of the system's Python: the packages are in the folder of the old one."""
    packages = venv / f"lib/python3.{sys.version_info.minor}"
    packages.rename(packages.with_name("python3.2"))


def move(venv: Path) -> None:
    copy = venv.with_name("copy")
    venv.rename(copy)
    shutil.copytree(copy, venv, symlinks=True)
    (venv / "made-for").write_text(f"3.{sys.version_info.minor} {copy}\n")


@pytest.mark.parametrize("change", [change_version, move])
def test_install_makes_a_virtual_environment_of_another_python_or_folder_anew(
    project: Path, tmp_path: Path, quick_python: str, change: Callable[[Path], None]
) -> None:
    venv = tmp_path / "old"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=SECONDS)
    (venv / "installed-requirements.txt").write_text("# Nothing is needed.\n")
    (project / "requirements.txt").write_text("# Nothing is needed.\n")
    assert run(project, "scripts/install", PIXELWISE_VENV=str(venv)).stdout == ""
    change(venv)
    made = run(project, "scripts/install", PIXELWISE_VENV=str(venv), PATH=quick_python)
    assert made.returncode == 0, made.stderr
    assert "was made for another Python or another folder" in made.stdout
    assert subprocess.run([venv / "bin/python", "-c", "import pip"], timeout=30).returncode == 0
    assert run(project, "scripts/install", PIXELWISE_VENV=str(venv)).stdout == ""


def test_install_never_clears_other_folders(project: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("photographs")
    refused = run(project, "scripts/install", PIXELWISE_VENV=str(tmp_path))
    assert refused.returncode == 1
    assert "is not a virtual environment" in refused.stderr
    assert (tmp_path / "holiday.txt").exists()


def only_these_programs(folder: Path, *names: str) -> str:
    """Make a folder with links to these programs only, for PATH."""
    folder.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    return str(folder)


def test_install_without_python_names_the_required_version(project: Path, tmp_path: Path) -> None:
    path = only_these_programs(tmp_path / "bin", "bash", "cat", "dirname")
    fresh = str(tmp_path / "fresh")
    refused = run(project, f"{path}/bash", "scripts/install", PATH=path, PIXELWISE_VENV=fresh)
    assert refused.returncode == 1
    assert refused.stderr.startswith("pixelwise: Python 3.11 or newer was not found")


def test_install_without_ensurepip_names_the_missing_package(project: Path, tmp_path: Path) -> None:
    path = only_these_programs(tmp_path / "bin", "bash", "cat", "dirname")
    fresh = str(tmp_path / "fresh")
    # Like Debian's python3 without python3-venv, which lacks ensurepip; on Ubuntu 22.04 python3 is too old.
    for name in ("python3.11", "python3"):
        python = Path(path) / name
        python.write_text(f'#!/bin/bash\ncase $* in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        refused = run(project, f"{path}/bash", "scripts/install", PATH=path, PIXELWISE_VENV=fresh)
        assert refused.returncode == 1
        assert f"apt install {name}-venv" in refused.stderr
        assert not (tmp_path / "fresh").exists()
