"""`python -m app`: help, exit statuses, errors of one line, options, and what terminals and pipes are shown."""

import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.main import get_command

from app.cli.exit_codes import ExitCode
from app.cli.main import program
from app.schemas.export import ExportQuery
from app.schemas.results import ResultFilters, ResultsQuery
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.databases import migrate
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute
from tests.support.stored_rows import random_rows, store

PROGRAM: Any = get_command(program)
COMMANDS = sorted(PROGRAM.commands)

# What takes long to load, and what `--help` has no use for.
HEAVY = {"alembic", "fastapi", "numpy", "onnxruntime", "PIL", "psycopg", "scipy", "sqlalchemy", "uvicorn"}

SEVEN = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"

# What a person may have written into any text: a command to the terminal, Rich's markup, the end of a line.
HOSTILE = "\x1b[31mred\x1b[0m [bold]x[/bold] :smile: \u202e\n\r\tend"


def examples_in(text: str) -> list[list[str]]:
    """The arguments of every command that a text shows, without what a shell makes of its end."""
    found = re.findall(r"python -m app ((?:[^\n&|>#`]|\b#)+)", text)
    return [shlex.split(example.strip().rstrip(":")) for example in found]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(command: str) -> None:
    description = str(inspect.getdoc(PROGRAM.commands[command].callback))
    assert command in [name for name, *_ in examples_in(description)]


def test_every_example_is_understood() -> None:
    texts = [(PROJECT / name).read_text() for name in ("README.md", "docs/cli.md", "docs/review.md")]
    texts += [str(inspect.getdoc(command.callback)) for command in PROGRAM.commands.values()]
    examples = [example for text in texts for example in examples_in(text)]
    assert len(examples) > 30
    for name, *arguments in examples:
        if name != "--help" and "--help" not in arguments:
            PROGRAM.commands[name].make_context(name, arguments)


def test_help_names_every_command_and_every_exit_status() -> None:
    text = " ".join(done("--help").split())
    assert [command for command in COMMANDS if not re.search(rf" {command} [A-Z]", text)] == []
    assert [status for status in ExitCode if not re.search(rf"[:;] {status.value} \w", text)] == []
    assert "..." not in text.partition("Commands:")[2]


def test_documentation_names_every_command_and_every_exit_status() -> None:
    text = (PROJECT / "docs/cli.md").read_text()
    assert [command for command in COMMANDS if f"python -m app {command}" not in text] == []
    assert [status for status in ExitCode if f"| {status.value} |" not in text] == []


def test_help_loads_nothing_that_takes_long(tmp_path: Path) -> None:
    script = "import sys; from app.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(PROJECT)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(ended.stderr.split())
    assert "app.cli.results" in loaded
    assert HEAVY & loaded == set()


def test_no_command_at_all_shows_the_help() -> None:
    assert done() == done("--help")


@pytest.mark.parametrize("query", [ResultsQuery, ExportQuery])
def test_every_filter_of_http_is_an_option_of_the_same_name(query: type[ResultFilters]) -> None:
    command = {ResultsQuery: "results", ExportQuery: "export"}[query]
    text = done(command, "--help")
    missing = [name for name in query.model_fields if f"  --{name.replace('_', '-')}" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["reslts"], "'reslts'. Did you mean 'results'"),
        (["results", "--limitt", "3"], "--limitt"),
        (["results", "--limit", "0"], "--limit"),
        (["results", "--limit", "many"], "--limit"),
        (["results", "--min-confidence", "nan"], "--min-confidence"),
        (["results", "--label", "ten"], "--label"),
        (["results", "--since", "yesterday"], "--since"),
        (["results", "--notes-contains", ""], "--notes-contains"),
        (["results", "--all", "--limit", "5"], "--limit"),
        (["results", "--cursor", "nonsense"], "--cursor"),
        (["show"], "ID"),
        (["show", "0"], "ID"),
        (["show", str(2**31)], "ID"),
        (["show", "9" * 5000], "ID"),
        (["show", "seven"], "ID"),
        (["label", "1", "ten"], "LABEL"),
        (["label", "1", "7", "--source", ""], "--source"),
        (["notes", "1"], "TEXT"),
        (["notes", "1", "text", "--clear"], "TEXT"),
        (["notes", "1", "x" * 2001], "TEXT"),
        (["delete", "1", "0", "--yes"], "ID"),
        (["stats", "--last", "10", "--since", "2026-11-01"], "--last"),
        (["timeline", "--bucket", "year"], "--bucket"),
        (["drift", "--last", "5"], "--last"),
        (["export", "drawings.txt"], "FILE"),
        (["export", "drawings.npz", "--unlabelled"], "--labelled"),
        (["serve", "--port", "70000"], "--port"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
@pytest.mark.usefixtures("configured_sqlite")
def test_wrong_usage_is_one_line_that_names_the_place(arguments: list[str], place: str) -> None:
    assert place in refused(ExitCode.USAGE_ERROR, *arguments)


NEEDING_A_DATABASE = (
    ["results"],
    ["show", "1"],
    ["label", "1", "7"],
    ["labels", "1"],
    ["notes", "1", "text"],
    ["delete", "1", "--yes"],
    ["review", "--json"],
    ["stats"],
    ["timeline"],
    ["calibration"],
    ["drift"],
    ["models"],
    ["export", "drawings.npz"],
)


@pytest.mark.parametrize("arguments", NEEDING_A_DATABASE, ids=lambda arguments: arguments[0])
def test_database_that_needs_an_upgrade_is_refused_with_what_to_do(
    settings_environment: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    assert "there is no database" in refused(ExitCode.UNAVAILABLE, *arguments)
    migrate("sqlite:///old.db", "upgrade", "0003")
    settings_environment.setenv("DATABASE_URL", "sqlite:///old.db")
    before = (tmp_path / "old.db").read_bytes()
    line = refused(ExitCode.UNAVAILABLE, *arguments)
    assert line.startswith("the database is at revision 0003, ")
    assert line.endswith("run: alembic upgrade head")
    assert (tmp_path / "old.db").read_bytes() == before


def test_setting_that_cannot_be_used_is_one_line(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("DATABASE_URL", "mysql://somewhere")
    assert refused(ExitCode.UNAVAILABLE, "results").startswith("DATABASE_URL: must begin with sqlite:/// or ")


@pytest.mark.usefixtures("settings_environment")
def test_database_server_that_does_not_answer_is_one_line_without_the_password(
    settings_environment: pytest.MonkeyPatch,
) -> None:
    settings_environment.setenv("DATABASE_URL", "postgresql://anna:hidden-word@127.0.0.1:1/pixelwise")
    assert "hidden-word" not in refused(ExitCode.UNAVAILABLE, "results")


@pytest.mark.parametrize("command", ["results", "show 1", "labels 1"])
def test_nothing_in_a_text_reaches_the_terminal_but_its_characters(configured_sqlite: str, command: str) -> None:
    execute(configured_sqlite, SEVEN)
    done("notes", "1", HOSTILE)
    done("label", "1", "7", "--source", HOSTILE)
    text = done(*command.split())
    assert {character for character in text if not character.isprintable()} == {"\n"}
    assert "\u202e" not in text
    assert "red\\x1b[0m [bold]x[/bold] :smile: \\u202e\\n\\r\\tend" in text


def test_in_a_pipe_every_row_is_one_line_however_long(configured_sqlite: str) -> None:
    store(configured_sqlite, random_rows(3))
    done("notes", "2", "word " * 300)
    header, *lines = done("results").splitlines()
    assert header.split()[0] == "id"
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert "word " * 300 in lines[1]


@pytest.mark.parametrize("columns", [40, 100])
def test_on_a_terminal_nothing_is_cut_off_and_no_number_is_broken(
    sqlite_url: str, tmp_path: Path, columns: int
) -> None:
    words = [f"word{number}" for number in range(60)]
    execute(
        sqlite_url,
        "INSERT INTO predictions (prediction, confidence, model_version, notes) VALUES"
        f" ('7', 0.942, '{'Q' * 70}', '{' '.join(words)}')",
    )
    with in_terminal(tmp_path, "results", settings={"DATABASE_URL": sqlite_url}, columns=columns) as terminal:
        assert terminal.end() == 0
    text = re.sub(r"\x1b\[[\d;]*m", "", terminal.shown)
    assert max(map(len, text.splitlines())) <= columns
    assert re.search(r"\b0\.942\b", text)
    assert re.search(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", text)
    assert re.findall(r"word\d+", text) == words
    assert text.count("Q") == 70


def test_colours_are_for_terminals_whose_owners_want_them(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(3), drawings=True)
    settings = {"DATABASE_URL": sqlite_url}
    colour = r"\x1b\[[\d;]*[34]\d"
    with in_terminal(tmp_path, "export", "drawings.csv", settings=settings) as terminal:
        assert terminal.end() == 0
    assert re.search(colour, terminal.shown)
    with in_terminal(tmp_path, "export", "drawings.csv", settings={**settings, "NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0
    assert "Exporting" in terminal.shown
    assert not re.search(colour, terminal.shown)
    piped = run_process(tmp_path, "export", "drawings.csv", **settings)
    assert piped == (
        0,
        "",
        "Wrote drawings.csv and drawings.csv.manifest.json: 2 rows, 2 for training, 0 for testing.\n",
    )


def test_reader_that_stops_reading_gets_no_traceback(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(2500))
    command = f"set -o pipefail; {sys.executable} -m app results --all | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(PROJECT), DATABASE_URL=sqlite_url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")
    assert ended.returncode == ExitCode.FAILURE


def test_terminal_that_knows_only_ascii_shows_the_rest_by_number(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": sqlite_url, "PYTHONIOENCODING": "ascii"}
    execute(
        sqlite_url,
        "INSERT INTO predictions (prediction, confidence, model_version, notes) VALUES ('7', 0.9, 'v1', 'über')",
    )
    outcome = run_process(tmp_path, "results", **settings)
    assert (outcome.status, outcome.err) == (0, "")
    assert "\\xfcber" in outcome.out


def test_check_says_what_is_well(sqlite_client: TestClient) -> None:
    assert [line.split() for line in done("check").splitlines()] == [
        ["settings", "ok"],
        ["model", "ok"],
        ["schema", "ok"],
        ["database", "ok"],
    ]
    checks = {"settings": "ok", "model": "ok", "schema": "ok", "database": "ok"}
    assert json.loads(done("check", "--json")) == {"status": "ready", "checks": checks}
