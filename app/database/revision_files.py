"""The files in `alembic/versions`, read without importing Alembic."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from app.config import PROJECT_FOLDER

_FOLDER: Final = PROJECT_FOLDER / "alembic" / "versions"
_NAME: Final = "alembic/versions"


class _Revision(NamedTuple):
    revision: str
    file: str
    down_revision: object


@cache
def revision_files_problem(folder: Path = _FOLDER) -> str | None:
    """Check that the revisions follow each other."""
    try:
        found = sorted(map(_read, _revision_files(folder)), key=lambda one: one[:2])
    except (OSError, SyntaxError, ValueError) as error:
        return f"{_NAME} cannot be read: {error}"
    for one in found:
        if not one.file.startswith(f"{one.revision}_"):
            return f"{_NAME}: the name of {one.file} must begin with its revision, {one.revision}_"
    for before, one in pairwise(found):
        if one.down_revision != before.revision or one.revision == before.revision:
            return (
                f"{_NAME}: {one.file} does not follow {before.file} (its down_revision is {one.down_revision});"
                " give it the next number, in its name and as revision, and the number before as down_revision"
            )
    return None


def _revision_files(folder: Path) -> Iterator[Path]:
    # Those that Alembic reads.
    return (path for path in folder.glob("*.py") if not path.name.startswith((".#", "__init__")))


def _read(path: Path) -> _Revision:
    constants = dict(_constants(path))
    return _Revision(str(constants.get("revision")), path.name, constants.get("down_revision"))


def _constants(path: Path) -> Iterator[tuple[str, Any]]:
    for node in ast.parse(path.read_bytes(), path.name).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            # Also `revision, down_revision = "0002", "0001"`.
            names, values = (getattr(part, "elts", [part]) for part in (target, node.value))
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                    yield name.id, value.value
