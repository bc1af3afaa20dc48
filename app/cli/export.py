"""`export`: what was remembered becomes a file to train on or to read, and a manifest beside it."""

from pathlib import Path
from typing import Annotated

import typer

from app.atomic_file import atomic_file
from app.cli import context
from app.cli.exit_codes import Failure
from app.cli.options import takes
from app.cli.terminal import Json, print_json, progress, say
from app.schemas.export import ExportFormat, ExportQuery


@takes(ExportQuery)
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Named .npz, .jsonl or .csv; replaced if it is there.")],
    query: ExportQuery,
    as_json: Json = False,
) -> None:
    """Write drawings and their labels into a file.

    Only what people labelled, unless --include-unlabelled is given. FILE.manifest.json, beside it, says what it holds.

    Example: python -m app export corrected.npz --since 2026-11-01
    """
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.export import Export

    query = query.model_copy(update={"format": _format_of(file, query)})
    described = file.with_name(f"{file.name}.manifest.json")
    with atomic_file(_target(file)) as data, atomic_file(_target(described)) as manifest:
        with progress() as bars, context.opened() as database, database.snapshot() as session:
            task = bars.add_task("Exporting", total=None)
            prepared = Export(session, query, lambda _, done, total: bars.update(task, completed=done, total=total))
            for piece in prepared.content():
                data.write(piece)
        manifest.write(prepared.manifest.model_dump_json(indent=2).encode() + b"\n")
    if as_json:
        print_json(prepared.manifest)
        return
    counts = prepared.manifest.counts
    say(f"Wrote {file} and {described}: {counts.rows} rows, {counts.train} to train on, {counts.test} to test on.")


def _format_of(file: Path, query: ExportQuery) -> ExportFormat:
    if "format" in query.model_fields_set:
        return query.format
    try:
        return ExportFormat(file.suffix.removeprefix(".").lower())
    except ValueError:
        kinds = ", ".join(f".{kind.value}" for kind in ExportFormat)
        raise typer.BadParameter(f"end its name with one of {kinds}, or give --format", param_hint="FILE") from None


def _target(path: Path) -> Path:
    """Check, before the work begins, that a file can be written there."""
    target = path.resolve()  # A symbolic link stays.
    if target.exists() and not target.is_file():
        raise Failure(f"{path} is no file; choose another name")
    if not target.parent.is_dir():
        raise Failure(f"there is no folder {target.parent}")
    return target
