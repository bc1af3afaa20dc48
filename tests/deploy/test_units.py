"""The systemd units, and setup-server.sh on a development machine; production is in test_production.py."""

import hashlib
import os
import re
import shlex
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli.main import program
from tests.support.project_copy import (
    PROJECT,
    SECONDS,
    cannot_run,
    changed,
    clone_into,
    environment,
    need,
    run,
    settings_of,
    state_of,
)
from tests.support.run_cleanup import start_process, take_signals

UNIT = PROJECT / "deploy/pixelwise.service"
SERVICES = sorted((PROJECT / "deploy").glob("*.service"))
NOBODY = "nobody-of-this-name"


def shell_scripts() -> list[Path]:
    candidates = [*PROJECT.glob("*.sh"), *(PROJECT / "scripts").iterdir(), *(PROJECT / ".ci").iterdir()]
    return [path for path in candidates if path.is_file() and b"bash" in path.read_bytes().splitlines()[0]]


def test_every_shell_script_passes_shellcheck() -> None:
    need("shellcheck", "shellcheck")
    assert {path.name for path in shell_scripts()} >= {"serve", "test", "install", "nginx", "setup-server.sh", "run"}
    checked = run(PROJECT, "shellcheck", *map(str, shell_scripts()))
    assert checked.returncode == 0, checked.stdout


def test_every_shell_script_that_cleans_up_at_its_end_does_so_after_a_signal() -> None:
    for script in shell_scripts():
        # Bash sometimes ends without the trap on EXIT if a signal has no trap of its own.
        traps = [line for line in script.read_text().splitlines() if line.strip().startswith("trap ")]
        assert any(" EXIT" in trap for trap in traps) == any(" HUP INT TERM" in trap for trap in traps), script


def test_every_shell_script_is_executable_and_stops_at_the_first_error() -> None:
    for script in shell_scripts():
        assert os.access(script, os.X_OK), script
        assert "set -euo pipefail" in script.read_text(), script


# What bash 3.2 of macOS lacks.
NEWER_BASH = re.compile(r"read .*-t 0?\.|declare -A|local -A|mapfile|readarray|&>>|\|&|\$\{\w+(\^|,,)|local -n|wait -n")


def test_scripts_for_every_machine_work_with_the_bash_of_macos() -> None:
    for script in shell_scripts():
        if script.parent.name != ".ci":
            assert not NEWER_BASH.search(script.read_text()), script.name


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_every_service_is_hardened(unit: Path) -> None:
    need("systemd-analyze", "systemd")
    report = run(PROJECT, "systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert exposure, report
    assert float(exposure[1]) <= 1.5


def test_unit_keeps_the_settings_that_the_course_names() -> None:
    unit = dict(settings_of(UNIT))
    assert (unit["User"], unit["WorkingDirectory"]) == ("produser", "/opt/pixelwise")
    assert (unit["Restart"], unit["RestartSec"]) == ("always", "3")
    assert "uvicorn app.main:app --host ${UVICORN_HOST} --port 8000" in unit["ExecStart"]


def test_unit_listens_on_this_machine_only_and_has_limits() -> None:
    assert ("Environment", "UVICORN_HOST=127.0.0.1") in settings_of(UNIT)
    assert {"MemoryMax", "TasksMax"} <= dict(settings_of(UNIT)).keys()


def test_only_local_nginx_is_trusted_with_forwarded_headers() -> None:
    unit = settings_of(UNIT)
    assert ("Environment", "FORWARDED_ALLOW_IPS=127.0.0.1") in unit
    # The option would override what .env says.
    assert "forwarded" not in dict(unit)["ExecStart"]


def test_every_timer_has_a_service_and_can_be_enabled() -> None:
    timers = sorted((PROJECT / "deploy").glob("*.timer"))
    assert timers
    for timer in timers:
        assert timer.with_suffix(".service") in SERVICES
        assert ("WantedBy", "timers.target") in settings_of(timer)


@pytest.mark.parametrize("name", ["backup", "prune"])
def test_service_of_a_timer_runs_an_existing_command(name: str) -> None:
    unit = PROJECT / f"deploy/pixelwise-{name}.service"
    given = dict(re.findall(r"(PIXELWISE_\w+)=(\S+)", unit.read_text()))
    words = shlex.split(dict(settings_of(unit))["ExecStart"])
    assert words[:3] == ["/opt/pixelwise/.venv/bin/python", "-m", "app"]
    arguments = [re.sub(r"\$\{(\w+)\}", lambda found: given[found[1]], word) for word in words[3:]]
    get_command(program).commands[arguments[0]].make_context(arguments[0], arguments[1:])


def test_uninstalling_deletes_every_place_that_the_page_lists() -> None:
    page = (PROJECT / "docs/operations.md").read_text()
    section = page.partition("## Uninstall\n")[2].partition("\n## ")[0]
    deleted = re.findall(r"/\S+", "\n".join(re.findall(r"^sudo rm (.*)$", section, re.MULTILINE)))
    units = [f"/etc/systemd/system/{path.name}" for path in (PROJECT / "deploy").glob("pixelwise*.*")]
    table = page.partition("## Where things are\n")[2].partition("\n\nThe folder")[0]
    for place in [*units, *re.findall(r"`(/(?:opt|etc|var)/[\w./-]+)`", table)]:
        assert any(fnmatch(place, each) or place.startswith(f"{each}/") for each in deleted), place


def test_stop_timeout_of_the_unit_exceeds_the_graceful_shutdown() -> None:
    unit = dict(settings_of(UNIT))
    graceful = re.search(r"--timeout-graceful-shutdown (\d+)", unit["ExecStart"])
    assert graceful
    assert int(unit["TimeoutStopSec"]) > int(graceful[1])


def test_model_runs_without_memory_that_is_writable_and_executable() -> None:
    # systemd's MemoryDenyWriteExecute= has the same effect as PR_SET_MDWE, which is 65.
    program = (
        "import ctypes, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(3)\n"
        "import numpy, app.main\n"
        "from app.classifier import classify\n"
        "print(len(classify(numpy.zeros((28, 28), 'uint8'))['scores']))\n"
    )
    ran = run(PROJECT, sys.executable, "-c", program)
    if ran.returncode == 3:
        cannot_run("this kernel cannot deny memory that is both written and executed; Linux 6.3 or newer can")
    assert (ran.returncode, ran.stdout) == (0, "10\n"), ran.stderr


def test_classifying_writes_nothing_to_the_home_folder(tmp_path: Path) -> None:
    # ONNX Runtime keeps usage reports in the home folder unless telemetry is off at its import.
    program = "import numpy; from app.classifier import classify; classify(numpy.zeros((28, 28), 'uint8'))"
    ran = run(PROJECT, sys.executable, "-c", program, HOME=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.iterdir()) == []


def as_dev(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run setup-server.sh as on a machine without a service user."""
    return run(folder, "bash", "setup-server.sh", PIXELWISE_USER=NOBODY, **extra)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return clone_into(tmp_path / "pixel wise")


def test_second_development_setup_changes_nothing(project: Path) -> None:
    first = as_dev(project)
    assert first.returncode == 0, first.stderr
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    with closing(sqlite3.connect(project / "pixelwise.db")) as database:
        row = "('7', 0.94, 'v1')"
        database.execute(f"INSERT INTO predictions (prediction, confidence, model_version) VALUES {row}")
        database.commit()
    before = state_of(project)

    second = as_dev(project)
    assert second.returncode == 0, second.stderr
    assert changed(before, state_of(project)) == set()


def other_model(project: Path) -> tuple[Path, dict[str, str]]:
    """Return the path of an operator's model, and its settings; the model is a copy of ours."""
    source = project / "models/digits.onnx"
    target = project / "models/other.onnx"
    checksum = hashlib.sha256(source.read_bytes()).hexdigest()
    settings = {"MODEL_PATH": str(target), "MODEL_URL": source.as_uri(), "MODEL_SHA256": checksum}
    return target, settings


def test_model_with_the_right_checksum_is_fetched_once(project: Path) -> None:
    need("curl", "curl")
    target, settings = other_model(project)
    assert "Fetching the model" in as_dev(project, **settings).stdout
    assert target.read_bytes() == (project / "models/digits.onnx").read_bytes()
    again = as_dev(project, **settings)
    assert (again.returncode, "Fetching" in again.stdout) == (0, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MODEL_SHA256": ""}, "MODEL_URL is set and MODEL_SHA256 is not"),
        ({"MODEL_SHA256": "0" * 64}, "does not have the checksum MODEL_SHA256"),
        ({"MODEL_SHA256": "no checksum at all"}, "MODEL_SHA256: must be a checksum"),
        ({"MODEL_URL": "file:///there/is/no/model"}, "could not be fetched from MODEL_URL"),
        ({"MODEL_URL": "http://127.0.0.1:9/digits.onnx"}, "could not be fetched from MODEL_URL"),
    ],
)
def test_model_that_cannot_be_verified_or_fetched_is_refused_and_removed(
    project: Path, change: dict[str, str], message: str
) -> None:
    need("curl", "curl")
    models = sorted(path.name for path in (project / "models").iterdir())
    _, settings = other_model(project)
    refused = as_dev(project, **{**settings, **change})
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("pixelwise: ")
    assert message in refused.stderr
    assert sorted(path.name for path in (project / "models").iterdir()) == models
    assert not (project / "pixelwise.db").exists()


@pytest.mark.parametrize("ending", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_interrupted_download_leaves_nothing_behind(project: Path, ending: signal.Signals) -> None:
    need("curl", "curl")
    before = sorted((project / "models").iterdir())
    target, settings = other_model(project)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        settings["MODEL_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}/"
        settings["PIXELWISE_USER"] = NOBODY
        command = ["bash", "setup-server.sh"]
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        options["preexec_fn"] = take_signals
        with start_process(command, cwd=project, env=environment(**settings), **options) as setup:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1000)
                (partial,) = set((project / "models").iterdir()) - set(before)
                # An upgrade of another machine would copy a model with a name for all.
                assert partial.name.startswith(".")
                os.killpg(setup.pid, ending)
                setup.wait(SECONDS)
    assert sorted((project / "models").iterdir()) == before
    assert not target.exists()


def test_unusable_model_is_reported_before_a_database_is_created(project: Path) -> None:
    (project / "models/digits.onnx").write_bytes(b"no model")
    refused = as_dev(project)
    assert refused.returncode == 1
    assert refused.stderr.startswith("pixelwise: ")
    assert str(project / "models/digits.onnx") in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (project / "pixelwise.db").exists()
