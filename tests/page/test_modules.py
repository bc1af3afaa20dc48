"""The page's JavaScript modules: types, imports and side effects."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from app.main import app
from tests.support.project_copy import PROJECT, cannot_run

STATIC: Final = PROJECT / "app/static"
MODULES: Final = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*.js"))
COMPILER: Final = Path(sys.prefix) / "node/node_modules/typescript/bin/tsc"

# The folders that the modules of each folder may import from; app.js is the entry point.
ARROWS: Final = {"lib": {"lib"}, "parts": {"lib", "parts"}, "views": {"lib", "parts"}, ".": {"lib", "parts", "views"}}

IMPORT: Final = re.compile(r'(?:from |import\()"(\.[^"]+)"')


def node(*arguments: str, folder: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    if shutil.which("node") is None:
        cannot_run("node is missing; to run this test: apt install nodejs npm, then scripts/test")
    return subprocess.run(["node", *arguments], cwd=folder, capture_output=True, text=True, timeout=100)


def folder_of(module: str) -> str:
    return Path(module).parts[0] if "/" in module else "."


def code_of(module: str) -> str:
    """Return the module without its comments."""
    return re.sub(r"/\*.*?\*/|^\s*//.*?$", "", (STATIC / module).read_text(), flags=re.DOTALL | re.MULTILINE)


def test_types_are_correct() -> None:
    if not COMPILER.exists():
        cannot_run("the TypeScript compiler is missing; to run this test: apt install nodejs npm, then scripts/test")
    checked = node(str(COMPILER), "--project", "tests/page")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_response_types_match_openapi() -> None:
    """Check that OpenAPI has every property that the page reads."""
    schemas = app.openapi()["components"]["schemas"]
    text = (STATIC / "lib/types.js").read_text()
    types = re.findall(r"@typedef {object} (\w+)\n(.*?)\*/", text, flags=re.DOTALL)
    assert len(types) > 20
    for name, properties in types:
        schema = schemas["Result" if name == "ResultDetails" else name]
        assert set(re.findall(r"@property {.+} (\w+)", properties)) <= set(schema["properties"]), name


def test_no_module_disables_the_type_check() -> None:
    assert [
        name for name in MODULES if re.search(r"@ts-(ignore|nocheck|expect-error)", (STATIC / name).read_text())
    ] == []


def test_importing_a_module_has_no_side_effects(tmp_path: Path) -> None:
    """Node has no document, window or storage, so a module that uses one on import fails."""
    shutil.copytree(STATIC, tmp_path / "static")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    imports = "\n".join(f'await import("./static/{name}");' for name in MODULES if name != "app.js")
    (tmp_path / "import_all.js").write_text(f"{imports}\nconsole.log('imported');\n")

    imported = node("import_all.js", folder=tmp_path)

    assert imported.stdout == "imported\n", imported.stderr


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_from_views_to_parts_to_lib(module: str) -> None:
    folder = STATIC / Path(module).parent
    imported = {str((folder / name).resolve().relative_to(STATIC)) for name in IMPORT.findall(code_of(module))}

    assert imported <= set(MODULES)
    assert {folder_of(name) for name in imported} <= ARROWS[folder_of(module)]


@pytest.mark.parametrize(
    ("pattern", "owner"),
    [(r"\b(session|local)Storage\b", "lib/storage.js"), (r"keydown|keyup|keypress", "lib/keyboard.js")],
)
def test_storage_and_keyboard_events_have_one_module_each(pattern: str, owner: str) -> None:
    assert [name for name in MODULES if re.search(pattern, code_of(name))] == [owner]
