"""The documentation: links, named files and completeness."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.classifier import Classifier
from app.config import Settings
from app.env_file import DEPLOYMENT
from tests.support.documentation import DOCS, PAGES, anchors_of, blocks_of, name_of, prose_of
from tests.support.project_copy import PROJECT
from tests.test_architecture import ARROWS

README = PROJECT / "README.md"
FOLDERS = ("alembic", "app", "benchmarks", "deploy", "docs", "models", "scripts", "tests", "training")
SUFFIXES = ("ini", "lua", "mako", "md", "onnx", "py", "service", "sh", "toml")

# Files that the reader creates by following the documentation.
MADE_BY_THE_READER = {
    "alembic/versions/0005_add_mood.py",
    "models/mine.onnx",
    "models/second.onnx",
    "models/second.md",
    "v1.onnx",
}

# Languages of code blocks that the tests run or check. `text` is the output of a command or a diagram.
CHECKED = {"bash", "python", "json", "sql", "dotenv", "text"}


def paths_in(text: str) -> Iterator[str]:
    """Yield the paths of project files and folders in a text."""
    start = r"(?<![\w./~<-])"
    yield from re.findall(rf"{start}(?:{'|'.join(FOLDERS)})/[\w./-]*\w", text)
    yield from re.findall(rf"{start}[\w-]+\.(?:{'|'.join(SUFFIXES)})\b(?![/(])", text)


@pytest.mark.parametrize("setting", [*Settings.model_fields, *DEPLOYMENT])
def test_every_setting_is_documented(setting: str) -> None:
    texts = [page.read_text() for page in (README, *DOCS, PROJECT / ".env.example")]
    assert setting.upper() in "\n".join(texts)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_named_file_exists(page: Path) -> None:
    named = set(paths_in(page.read_text())) - MADE_BY_THE_READER
    names = {found.name for folder in FOLDERS for found in (PROJECT / folder).rglob("*")}
    names |= {found.name for found in PROJECT.iterdir()}
    places = (PROJECT, page.parent)
    missing = [
        name
        for name in sorted(named)
        if not any((place / name).exists() for place in places) and ("/" in name or name not in names)
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_an_existing_file_and_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert linked.resolve().is_relative_to(PROJECT), target
        assert not anchor or anchor in anchors_of(linked), target


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_every_page_is_listed_in_the_index(page: Path) -> None:
    index = PROJECT / "docs/index.md"
    listed = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index.read_text())}
    assert page == index or page in listed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_code_block_is_checked_or_has_a_reason_not_to_be(page: Path) -> None:
    blocks = list(blocks_of(page))
    assert 2 * len(blocks) == len(re.findall(r"^ *```", page.read_text(), re.MULTILINE))
    unmarked = [str(block) for block in blocks if block.reason is None and block.language not in CHECKED]
    assert unmarked == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_code_block_has_commands_for_two_machines(page: Path) -> None:
    # A reader who pastes the block would run both on one machine.
    machines = {str(block): set(re.findall(r"# on (?:the )?(\S+)", block.code)) for block in blocks_of(page)}
    assert {block: names for block, names in machines.items() if len(names) > 1} == {}


def test_each_block_for_the_installed_machine_changes_into_its_folder() -> None:
    for block in blocks_of(PROJECT / "docs/operations.md"):
        if block.language == "bash" and re.search(r"(?<![\w/.-])(pixelwise\.db|backups/|\.venv/)", block.code):
            assert "cd /opt/pixelwise" in block.code, str(block)


def test_every_test_that_the_pages_on_security_name_exists() -> None:
    tests = "\n".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    existing = set(re.findall(r"^(?:async )?def (test_\w+)", tests, re.MULTILINE))
    for page in (PROJECT / "docs/security.md", PROJECT / "docs/appendices/asvs.md"):
        named = set(re.findall(r"`(test_\w+)`", page.read_text()))
        assert named <= existing, (name_of(page), named - existing)


def test_table_of_asvs_adds_up() -> None:
    page = (PROJECT / "docs/appendices/asvs.md").read_text()
    rows = re.findall(r"^\| ([\d., V]+) \| .* \| (met|n/a|open) \| (.+) \|$", page, re.MULTILINE)
    identifiers = [each for ids, _, _ in rows for each in ids.split(", ")]
    assert len(identifiers) == len(set(identifiers)) > 200
    counted = {state: sum(len(ids.split(", ")) for ids, each, _ in rows if each == state) for _, state, _ in rows}
    stated = {
        state: int(number) for state, number in re.findall(r"^\| (met|n/a|open) \| (\d+) \|$", page, re.MULTILINE)
    }
    assert stated == counted
    # The state "met" needs a test, a rule or a page.
    assert [ids for ids, state, why in rows if state == "met" and not re.search(r"`|\]\(", why)] == []


def test_architecture_page_lists_every_allowed_import() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", (PROJECT / "docs/architecture.md").read_text(), re.MULTILINE)
    documented = {package: set(re.findall(r"`(\w+)`", imports)) for package, imports in rows}
    assert documented == {package: imports for package, imports in ARROWS.items() if package != "__main__"}


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 90


def test_paths_are_found_in_sentences_and_commands() -> None:
    text = "See `app/x.py`, run scripts/y. `z.sh` ([docs/](docs/)); b/app/no, ~/docs/no, http://a/app/no, /app/no"
    assert list(paths_in(text)) == ["app/x.py", "scripts/y", "z.sh"]


def test_blocks_are_found_with_their_reasons(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nls\n```\n\n<!-- not run: needs root -->\n```bash\nreboot\n```\n\n   ```python\n   x\n   ```\n"
    )
    found = [(block.language, block.code.strip(), block.reason) for block in blocks_of(page)]
    assert found == [("bash", "ls", None), ("bash", "reboot", "needs root"), ("python", "x", None)]


def test_anchors_match_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One, two\n## GET /results/{id}\n```bash\n# no heading\n```\n## `a` [b](c)\n## One, two\n")
    assert anchors_of(page) == {"one-two", "get-resultsid", "a-b", "one-two-1"}


def test_model_card_describes_the_shipped_model() -> None:
    card = (PROJECT / "models/MODELCARD.md").read_text()
    model = Classifier(PROJECT / "models/digits.onnx")
    assert f"version {model.version}" in card.splitlines()[0]
    assert model.sha256 in card
