"""`python -m app`: help, exit codes, errors, options, terminals and pipes."""

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app import __version__
from app.cli.exit_codes import ExitCode
from app.cli.main import main, program
from app.cli.options import StrictCommand
from app.schemas.export import ExportQuery
from app.schemas.results import ResultFilters, ResultsQuery
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.databases import migrate
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute
from tests.support.stored_rows import random_rows, store

PROGRAM: Any = get_command(program)
COMMANDS = sorted(PROGRAM.commands)

# Slow to load and not needed for `--help`.
HEAVY = {"alembic", "fastapi", "numpy", "onnxruntime", "PIL", "psycopg", "scipy", "sqlalchemy", "uvicorn"}

SEVEN = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"

# A terminal escape, Rich's markup, an emoji code, a direction mark and line ends.
HOSTILE = "\x1b[31mred\x1b[0m [bold]x[/bold] :smile: \u202e\n\r\tend"


def examples_in(text: str) -> list[list[str]]:
    """The arguments of every command in a text, up to pipes and comments of the shell."""
    found = re.findall(r"python -m app ((?:[^\n&|>#`]|\b#)+)", text)
    return [shlex.split(example.strip().rstrip(":")) for example in found]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(command: str) -> None:
    description = str(inspect.getdoc(PROGRAM.commands[command].callback))
    assert command in [name for name, *_ in examples_in(description)]


def test_every_example_is_valid() -> None:
    texts = [(PROJECT / name).read_text() for name in ("README.md", "docs/cli.md", "docs/review.md")]
    texts += [str(inspect.getdoc(command.callback)) for command in PROGRAM.commands.values()]
    examples = [example for text in texts for example in examples_in(text)]
    assert len(examples) > 30
    for name, *arguments in examples:
        if name != "--help" and "--help" not in arguments:
            PROGRAM.commands[name].make_context(name, arguments)


def test_help_lists_every_command_and_exit_code() -> None:
    text = " ".join(done("--help").split())
    assert [command for command in COMMANDS if not re.search(rf" {command} [A-Z]", text)] == []
    assert [code for code in ExitCode if not re.search(rf"[:;] {code.value} \w", text)] == []
    assert "..." not in text.partition("Commands:")[2]


def test_documentation_lists_every_command_and_exit_code() -> None:
    text = (PROJECT / "docs/cli.md").read_text()
    assert [command for command in COMMANDS if f"python -m app {command}" not in text] == []
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []


def test_help_loads_no_slow_package(tmp_path: Path) -> None:
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


def test_help_is_shown_without_a_command() -> None:
    assert done() == done("--help")


@pytest.mark.parametrize("query", [ResultsQuery, ExportQuery])
def test_every_filter_of_http_is_an_option(query: type[ResultFilters]) -> None:
    command = {ResultsQuery: "results", ExportQuery: "export"}[query]
    text = done(command, "--help")
    missing = [name for name in query.model_fields if f"  --{name.replace('_', '-')}" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["reslts"], "'reslts'. Did you mean 'results'"),
        (["results", "--limitt", "3"], "--limitt"),
        (["results", "--limit", "0"], "--limit"),
        (["results", "--limit", "many"], "--limit"),
        (["results", "--limit", "1_0"], "--limit"),
        (["results", "--prediction", "3", "--prediction", "7"], "--prediction"),
        (["results", "--min-confidence", "nan"], "--min-confidence"),
        (["results", "--min-confidence", "5e-1"], "--min-confidence"),
        (["results", "--min-not-a-digit", "5e-1"], "--min-not-a-digit"),
        (["results", "--label", "ten"], "--label"),
        (["results", "--since", "yesterday"], "--since"),
        (["results", "--since", "2026"], "--since"),
        (["timeline", "--until", "20271231"], "--until"),
        (["drift", "--reference-since", "1900-01-01T00:00:00+14:00"], "--reference-since"),
        (["calibration", "--since", "9000-12-31T23:59:59-12:00"], "--since"),
        (["results", "--notes-contains", ""], "--notes-contains"),
        (["results", "--all", "--limit", "5"], "--limit"),
        (["results", "--cursor", "nonsense"], "--cursor"),
        (["show"], "ID"),
        (["show", "0"], "ID"),
        (["show", str(2**63)], "ID"),
        (["show", "9" * 5000], "ID"),
        (["show", "seven"], "ID"),
        (["show", "1_0"], "ID"),
        (["delete", "1", "+2", "--yes"], "ID"),
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
        (["serve", "--port", "8_000"], "--port"),
        (["backup", "--keep", "1_0"], "--keep"),
        (["backup", "--keep", "0"], "--keep"),
        (["keys", "rotate", "phone", "--overlap", "1_0"], "--overlap"),
        (["prune", "--older-than", "9000d", "--older-than", "1h"], "--older-than"),
        (["keys", "create", "phone", "--scope", "read", "--rate", "1/day", "--rate-limit", "off"], "--rate-limit"),
        (["label", "1", "7", "--source", "anna", "--source", "ben"], "--source"),
        (["results", "--labelled", "--unlabelled"], "--labelled"),
        (["delete", "1", "--yes", "-y"], "--yes"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
@pytest.mark.usefixtures("configured_sqlite")
def test_wrong_usage_prints_one_line_that_names_the_argument(arguments: list[str], name: str) -> None:
    assert name in refused(ExitCode.USAGE_ERROR, *arguments)


def test_every_command_refuses_a_repeated_option() -> None:
    commands = [*PROGRAM.commands.values(), *PROGRAM.commands["keys"].commands.values()]
    assert [one.name for one in commands if not isinstance(one, StrictCommand)] == ["keys"]


COMMANDS_THAT_NEED_A_DATABASE = (
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


@pytest.mark.parametrize("arguments", COMMANDS_THAT_NEED_A_DATABASE, ids=lambda arguments: arguments[0])
def test_database_that_needs_an_upgrade_is_refused(
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


def test_invalid_setting_prints_one_line(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("DATABASE_URL", "mysql://somewhere")
    assert refused(ExitCode.UNAVAILABLE, "results").startswith("DATABASE_URL: must begin with sqlite:/// or ")


@pytest.mark.usefixtures("settings_environment")
def test_unreachable_server_prints_one_line_without_the_password(
    settings_environment: pytest.MonkeyPatch,
) -> None:
    settings_environment.setenv("DATABASE_URL", "postgresql://anna:hidden-word@127.0.0.1:1/pixelwise")
    assert "hidden-word" not in refused(ExitCode.UNAVAILABLE, "results")


@pytest.mark.parametrize("command", ["results", "show 1", "labels 1"])
def test_control_characters_in_texts_are_escaped(configured_sqlite: str, command: str) -> None:
    execute(configured_sqlite, SEVEN)
    done("notes", "1", HOSTILE)
    done("label", "1", "7", "--source", HOSTILE)
    text = done(*command.split())
    assert {character for character in text if not character.isprintable()} == {"\n"}
    assert "\u202e" not in text
    assert "red\\x1b[0m [bold]x[/bold] :smile: \\u202e\\n\\r\\tend" in text


def test_long_row_is_one_line_in_a_pipe(configured_sqlite: str) -> None:
    store(configured_sqlite, random_rows(3))
    done("notes", "2", "word " * 300)
    header, *lines = done("results").splitlines()
    assert header.split()[0] == "id"
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert "word " * 300 in lines[1]


@pytest.mark.parametrize("columns", [40, 100])
def test_table_on_a_terminal_cuts_nothing_off_and_breaks_no_number(
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
    assert re.search(r"\b94\.2 %", text)
    assert re.search(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", text)
    assert re.findall(r"word\d+", text) == words
    assert text.count("Q") == 70


def test_colours_appear_only_on_a_terminal_without_no_color(sqlite_url: str, tmp_path: Path) -> None:
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
    split = "0 for training, 0 for testing, 1 labelled none"
    written = f"Wrote drawings.csv and drawings.csv.manifest.json: 1 rows: {split}.\n"
    assert (piped.status, piped.out, piped.err) == (0, "", written)


def test_version_is_printed_by_both_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process(tmp_path, "--version").out == f"pixelwise {__version__}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pixelwise", "--version"])
        assert main() == ExitCode.SUCCESS
    assert capsys.readouterr().out == f"pixelwise {__version__}\n"
