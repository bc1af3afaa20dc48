"""The examples of the documentation, run unchanged against a service."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.main import app
from app.models import ApiKey
from tests.support.command_line import run
from tests.support.documentation import PAGES, Block, blocks_of, name_of
from tests.support.project_copy import PROJECT, clone_into, environment, need
from tests.support.service import KEY, connected
from tests.support.service_process import serving
from tests.support.stored_rows import BEGIN, random_rows, store

API = PROJECT / "docs/api.md"
ADDRESS = "http://127.0.0.1:8000"
SECONDS = 60


class Playground(NamedTuple):
    """A copy of the project with a filled database and a running service."""

    folder: Path
    address: str
    database_url: str

    def bash(self, script: str, *, curlrc: str = "fail-with-body\n", given: str = "") -> str:
        """Run a script that must succeed, with `given` on its standard input; return its output."""
        (self.folder / ".curlrc").write_text("silent\nshow-error\n" + curlrc)
        variables = environment(CURL_HOME=str(self.folder), SECRET_API_KEY=KEY)
        variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, self.address)],
            cwd=self.folder,
            env=variables,
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
        return ended.stdout


@pytest.fixture(scope="module")
def playground(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    need("curl", "curl")
    need("sqlite3", "sqlite3")
    folder = clone_into(tmp_path_factory.mktemp("documentation") / "project")
    shutil.copy(folder / "models/digits.onnx", folder / "models/mine.onnx")
    shutil.copy(migrated_sqlite_file, folder / "pixelwise.db")
    (folder / ".env").write_text(f"SECRET_API_KEY={KEY}\nDATABASE_URL=sqlite:///./pixelwise.db\nRATE_LIMIT=off\n")
    url = f"sqlite:///{folder / 'pixelwise.db'}"
    store(url, random_rows(700), drawings=True)
    with connected(url) as connection:
        # Keys are created in one section and used in others, which the tests run in any order.
        key = {"name": "tablet", "prefix": "pw_", "sha256": "00" * 32, "scopes": "read", "created_at": BEGIN}
        connection.execute(sa.insert(ApiKey), [key])
    with serving(url, folder) as service:
        yield Playground(folder, f"http://127.0.0.1:{service.port}", url)


# --- the API page ---


class Example(NamedTuple):
    """The section of one route in docs/api.md."""

    method: str
    path: str
    text: str
    request: Block
    answer: Any
    status: int
    media_type: str
    errors: set[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def examples() -> Iterator[Example]:
    blocks = list(blocks_of(API))
    page = API.read_text()
    for found in re.finditer(r"^### ([A-Z]+) (/\S*)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL):
        method, path, text = found.groups()
        first, last = (page.count("\n", 0, position) + 1 for position in found.span())
        inside = [block for block in blocks if first <= block.line < last]
        (request,) = (block for block in inside if block.language == "bash")
        answers = [json.loads(block.code) for block in inside if block.language == "json"]
        expected = re.search(r"^Answer: `(\d{3})`(?: `(\S+)`)?$", text, re.MULTILINE)
        assert expected, f"{method} {path} has no line `Answer:`"
        errors = re.search(r"^Errors: (.*)$", text, re.MULTILINE)
        statuses = set(re.findall(r"`(\d{3})`", errors[1])) if errors else set()
        yield Example(
            method, path, text, request, answers[0] if answers else None, int(expected[1]), expected[2] or "", statuses
        )


EXAMPLES = list(examples())


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    paths = app.openapi()["paths"]
    return {(method.upper(), path): operation for path, each in paths.items() for method, operation in each.items()}


def test_api_page_lists_exactly_the_routes() -> None:
    documented = [(example.method, example.path) for example in EXAMPLES]
    assert sorted(documented) == sorted(operations())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_api_page_agrees_with_openapi(example: Example) -> None:
    operation = operations()[example.method, example.path]
    assert example.errors | {str(example.status)} == set(operation["responses"])
    assert example.media_type in {*operation["responses"][str(example.status)].get("content", {}), ""}
    parameters = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] != "path"}
    named = set(re.findall(r"`([\w-]+)(?:=\w+)?`", example.text.lower()))
    assert {name.lower() for name in parameters} - named == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_examples_of_the_api_page_match_the_service(example: Example, playground: Playground) -> None:
    code = example.request.code
    sent = re.search(r"curl (?:-X (\w+) )?\"?" + re.escape(ADDRESS) + r"([^\s\"?]*)", code)
    assert sent
    assert re.fullmatch(re.sub(r"\\\{\w+\\\}", r"[\\w-]+", re.escape(example.path)), sent[2])
    assert (sent[1] or ("POST" if re.search(r" (-d|-F|--data-binary) ", code) else "GET")) == example.method
    printed = playground.bash(code, curlrc='write-out = "\\n%{http_code} %{content_type}"\n')
    body, _, outcome = printed.rpartition("\n")
    status, _, media_type = outcome.partition(" ")
    assert int(status) == example.status, printed
    assert example.media_type == "" or media_type.startswith(example.media_type)
    if example.answer is not None:
        assert_same_shape(example.answer, json.loads(body), str(example))


def assert_same_shape(documented: Any, received: Any, place: str) -> None:
    """Compare names and types; of a list or a map by model version, only the first entry."""
    if documented is None or received is None:
        return
    if isinstance(documented, dict):
        assert isinstance(received, dict), place
        if place.endswith(".model_versions"):
            documented, received = list(documented.values()), list(received.values())
        else:
            assert set(documented) == set(received), place
            for name, value in documented.items():
                assert_same_shape(value, received[name], f"{place}.{name}")
            return
    if isinstance(documented, list):
        assert isinstance(received, list), place
        if documented and received:
            assert_same_shape(documented[0], received[0], f"{place}[0]")
        return
    kinds = [
        int | float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
        for value in (documented, received)
    ]
    assert kinds[0] == kinds[1], place


def test_answer_in_the_readme_matches_the_api_page() -> None:
    (readme,) = (json.loads(block.code) for block in blocks_of(PROJECT / "README.md") if block.language == "json")
    (api,) = (example.answer for example in EXAMPLES if str(example) == "POST /classify")
    assert_same_shape(readme, api, "README.md")


def test_different_shapes_are_detected() -> None:
    for documented, received in (({"a": 1}, {"a": 1, "b": 2}), ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}), ("1", 1)):
        with pytest.raises(AssertionError):
            assert_same_shape(documented, received, "")
    assert_same_shape({"a": [1.5, 2], "b": None}, {"a": [1], "b": {"c": 1}}, "")


# --- the other pages ---

REQUESTS = {example.request for example in EXAMPLES}


def scripts_of(page: Path) -> list[Block]:
    """Return the blocks of commands, without the requests of the API page, which are run above."""
    blocks = (block for block in blocks_of(page) if block.language == "bash" and not block.reason)
    return [block for block in blocks if block not in REQUESTS]


def python_of(page: Path) -> str:
    """Return the page's Python as one program, which reads what the commands have made."""
    blocks = (block for block in blocks_of(page) if block.language == "python" and not block.reason)
    return "".join(block.code for block in blocks)


class AppCommand(NamedTuple):
    """A line `python -m app ...`, and the script after its pipe."""

    arguments: list[str]
    then: str


def commands_of(code: str) -> Iterator[AppCommand | str]:
    """Split a block into PixelWise commands and bash scripts.

    The commands run in this process, which is ten times as fast; `|| ...` and `> ...` are left out.
    """
    script: list[str] = []
    for line in code.replace("\\\n", " ").splitlines():
        command = re.match(r"python -m app ([^|>]+)(?:\|(?!\|)(.*)|>.*|\|\|.*)?$", line)
        if command:
            if script:
                yield "\n".join(script)
                script = []
            yield AppCommand(shlex.split(command[1], comments=True), command[2] or "")
        elif shlex.split(line, comments=True):
            script.append(line)
    if script:
        yield "\n".join(script)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if scripts_of(page) or python_of(page)], ids=name_of)
def test_commands_succeed(page: Path, playground: Playground, settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.chdir(playground.folder)
    for block in scripts_of(page):
        for command in commands_of(block.code):
            if isinstance(command, str):
                playground.bash(command)
            else:
                outcome = run(*command.arguments)
                assert outcome.status == 0, (str(block), command, outcome.err)
                if command.then:
                    playground.bash(command.then, given=outcome.out)
    if python := python_of(page):
        playground.bash("python -W error -", given=python)


def test_commands_and_scripts_are_separated() -> None:
    lines = (
        "cd x",
        "python -m app show 12  # one",
        "python -m app stats --json | jq .count",
        "python -m app check || echo no",
    )
    assert list(commands_of("\n".join(lines))) == [
        "cd x",
        AppCommand(["show", "12"], ""),
        AppCommand(["stats", "--json"], " jq .count"),
        AppCommand(["check"], ""),
    ]


# test_queries.py also runs the statements of docs/queries.md, on both engines, and those for DuckDB on a file.
SQL = [
    block
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "sql" and not block.reason and ".parquet'" not in block.code
]


@pytest.mark.parametrize("block", SQL, ids=str)
def test_sql_is_valid(block: Block, playground: Playground) -> None:
    with connected(playground.database_url) as connection:
        connection.execute(sa.text(block.code))
        connection.rollback()


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks_of(page) if block.language == "json"], ids=str
)
def test_json_is_valid(block: Block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks_of(page) if block.language == "dotenv"], ids=str
)
def test_settings_in_examples_exist(block: Block) -> None:
    known = {name.upper() for name in Settings.model_fields} | {
        "DB_PASSWORD",
        "FORWARDED_ALLOW_IPS",
        "UVICORN_ROOT_PATH",
        "WEB_CONCURRENCY",
    }
    scripts = "".join((PROJECT / name).read_text() for name in ("setup-server.sh", "deploy/pixelwise.service"))
    for name in re.findall(r"^(\w+)=", block.code, re.MULTILINE):
        assert name in known or name in scripts, name
