"""The recipe of the image, run step by step without an engine; Compose's file and GitHub's workflow are checked."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import sleep

import pytest
import yaml

from app.config import Settings
from app.env_file import DEPLOYMENT
from tests.support.container import CONTAINERFILE, USER, Image, build_image, instructions
from tests.support.documentation import blocks_of
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, cannot_run, clone_into, need, run
from tests.support.run_cleanup import start_process, watch_folder
from tests.support.service import KEY
from tests.support.tools import run_tool

COMPOSE = PROJECT / "deploy/compose.yaml"
COMMANDS = [block.code for block in blocks_of(PROJECT / "docs/operations.md") if "docker " in block.code]
WORKFLOW = PROJECT / ".github/workflows/ci.yml"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if os.geteuid() != 0:
        cannot_run("only root can build an image; to run this test: sudo scripts/test")
    need("bwrap", "bubblewrap")
    # The image's user cannot read pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        watch_folder(Path(name))
        Path(name).chmod(0o755)
        yield build_image(Path(name) / "root")


@contextmanager
def running(image: Image, port: int, **extra: str) -> Iterator["subprocess.Popen[str]"]:
    settings = {"SECRET_API_KEY": KEY, **extra, "UVICORN_PORT": str(port), "UVICORN_HOST": "127.0.0.1"}
    command = image.command_line(*image.command, **settings)
    with start_process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for _ in range(60):
                if image.run(*image.health, UVICORN_PORT=str(port)).returncode == 0:
                    break
                assert process.poll() is None, process.communicate()[0]
                sleep(0.5)
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_service_of_the_image_becomes_healthy_and_stores_a_drawing(image: Image) -> None:
    port = free_port()
    with running(image, port):
        drawing = f"@{PROJECT}/docs/examples/seven.json"
        header = ("-H", f"X-API-Key: {KEY}", "-H", "Content-Type: application/json")
        stored = run(PROJECT, "curl", "-sSf", f"http://127.0.0.1:{port}/classify", *header, "-d", drawing)
        assert '"prediction":"7"' in stored.stdout, stored.stderr
        assert run(PROJECT, "curl", "-sSf", f"http://127.0.0.1:{port}/").stdout.startswith("<!doctype html>")
    assert (image.root / "data/pixelwise.db").stat().st_uid == USER
    assert image.run(*image.health, UVICORN_PORT=str(port)).returncode == 1


def test_service_of_the_image_writes_its_data_only(image: Image) -> None:
    assert image.run("id", "-u").stdout == f"{USER}\n"
    assert image.run("touch", "/data/x").returncode == 0
    for place in ("/x", "/opt/pixelwise/x", "/opt/pixelwise/app/x", "/opt/pixelwise/models/x", "/etc/x"):
        assert "Read-only file system" in image.run("touch", place).stderr
    # Nor without a read-only root.
    for path in image.root.joinpath("opt").rglob("*"):
        assert path.is_symlink() or (path.stat().st_uid == 0 and not path.stat().st_mode & 0o022), path


def test_commands_of_the_recipe_back_up_and_restore_the_data_of_the_image(image: Image) -> None:
    text = "\n".join(COMMANDS)
    (backup,) = re.findall(r"^docker exec pixelwise (python -m app backup)\b", text, re.MULTILINE)
    (restore,) = re.findall(r"^docker run --rm .* pixelwise (python -m app restore) (?:\S+)$", text, re.MULTILINE)
    image.run("python", "init_db.py").check_returncode()
    image.run(*backup.split()).check_returncode()
    (made,) = (image.root / "data/backups").glob("*.db")
    restored = image.run(*restore.split(), f"/data/backups/{made.name}", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert list((image.root / "data").glob("pixelwise.db.before-*"))


def docker_run() -> list[str]:
    (command,) = re.findall(r"^docker run --detach (.*)", "\n".join(COMMANDS).replace("\\\n", ""), re.MULTILINE)
    return str(command).split()


def test_single_container_follows_the_settings_of_env(image: Image, tmp_path: Path) -> None:
    options = docker_run()
    given = dict(pair.split("=", 1) for option, pair in pairwise(options) if option == "--env")
    assert given == {name: image.environment[name] for name in ("DATABASE_URL", "UVICORN_HOST")}
    assert options[options.index("--env-file") + 1] == ".env"
    project = clone_into(tmp_path / "pixelwise")
    run(project, "scripts/configure").check_returncode()
    text = (project / ".env").read_text().replace("PUBLIC_RESULTS=true", "PUBLIC_RESULTS=false")
    # As Docker reads it.
    settings = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    port = free_port()
    with running(image, port, **(settings | given)):
        results = run(PROJECT, "curl", "-s", f"http://127.0.0.1:{port}/results")
    assert '"status":401' in results.stdout


def test_compose_file_passes_all_settings_but_those_of_its_own_services() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["pixelwise"]
    assert (COMPOSE.parent / service["env_file"]).resolve() == PROJECT / ".env"
    fixed = {name for name, value in service["environment"].items() if f"${{{name}:" not in value}
    assert fixed == {"DATABASE_URL", "RATE_LIMIT_STORAGE_URI", "PIXELWISE_BACKUP", "UVICORN_HOST"}


def test_single_container_has_the_time_to_stop_and_starts_after_a_reboot() -> None:
    given, service = docker_run(), yaml.safe_load(COMPOSE.read_text())["services"]["pixelwise"]
    assert given[given.index("--stop-timeout") + 1] + "s" == service["stop_grace_period"]
    assert given[given.index("--restart") + 1] == service["restart"]
    graceful = re.search(r"--timeout-graceful-shutdown (\d+)", CONTAINERFILE.read_text())
    assert graceful
    assert int(given[given.index("--stop-timeout") + 1]) >= int(graceful[1]) + 2


def test_every_command_for_compose_names_the_file_with_its_secrets() -> None:
    # Compose looks for .env beside its own file.
    commands = re.findall(r"docker compose .*", "\n".join(COMMANDS))
    assert len(commands) > 5
    for command in commands:
        assert command.startswith("docker compose --env-file .env --file deploy/compose.yaml "), command


def test_image_without_a_key_says_what_is_missing(image: Image) -> None:
    refused = image.run(*image.command)
    assert refused.returncode != 0
    assert "pixelwise: SECRET_API_KEY is not set" in refused.stdout + refused.stderr


def test_image_holds_no_secrets_tests_or_tools(image: Image) -> None:
    work = image.root / "opt/pixelwise"
    # requirements.txt is of the first stage only.
    names = {".venv", "LICENSE", "alembic", "alembic.ini", "app", "init_db.py", "models", "requirements.txt"}
    assert {path.name for path in work.iterdir()} - {"__pycache__"} == names
    packages = next(work.glob(".venv/lib/python3.*/site-packages"))
    assert {path.name for path in packages.iterdir()}.isdisjoint({"pip", "pytest", "setuptools", "playwright"})


def test_image_is_built_from_what_its_ignore_file_lets_through() -> None:
    lines = CONTAINERFILE.with_name("Containerfile.dockerignore").read_text().splitlines()
    copied = [argument.split()[:-1] for name, argument in instructions(CONTAINERFILE.read_text()) if name == "COPY"]
    sources = {source for each in copied if not each[0].startswith("--from") for source in each}
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == sources


def test_recipe_of_the_image_passes_hadolint() -> None:
    checked = run_tool("hadolint", "--failure-threshold", "info", str(CONTAINERFILE))
    assert (checked.returncode, checked.stdout) == (0, "")


def test_packages_of_the_image_are_installed_with_checksums() -> None:
    (installation,) = (text for name, text in instructions(CONTAINERFILE.read_text()) if text.startswith("pip "))
    assert {"--require-hashes", "--only-binary"} < set(installation.split())


def test_compose_file_and_workflow_follow_their_schemas() -> None:
    for schema, path in (("vendor.compose-spec", COMPOSE), ("vendor.github-workflows", WORKFLOW)):
        checked = run_tool("check-jsonschema", "--builtin-schema", schema, str(path))
        assert checked.returncode == 0, checked.stdout


def test_workflow_passes_zizmor_and_runs_what_any_other_machine_runs() -> None:
    checked = run_tool("zizmor", "--offline", "--no-progress", "--quiet", str(WORKFLOW))
    assert checked.returncode == 0, checked.stdout
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["tests"]["steps"]
    assert steps[-1]["run"] == ".ci/run"


def test_compose_file_sets_only_settings_that_exist() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["pixelwise"]
    variables = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "a" * 32, value) for name, value in service["environment"].items()}
    assert variables.keys() <= {name.upper() for name in Settings.model_fields} | DEPLOYMENT.keys()
    settings = Settings(**{name.lower(): value for name, value in variables.items() if name not in DEPLOYMENT})
    # pg_dump is in another image, so no backup of the service's own would ever be new.
    assert variables["PIXELWISE_BACKUP"] == "off"
    assert settings.database_url == f"postgresql+psycopg://pixelwise:{'a' * 32}@postgres/pixelwise"
    assert (PROJECT / service["build"]["dockerfile"]) == CONTAINERFILE


def test_compose_file_keeps_the_service_and_its_databases_in() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    service = compose["services"]["pixelwise"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    for name, each in compose["services"].items():
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in each, name
        assert name == "pixelwise" or (each["networks"] == ["back"] and "ports" not in each), name
    assert compose["networks"]["back"] == {"internal": True}
