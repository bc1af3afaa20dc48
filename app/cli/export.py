import os
from pathlib import Path
from typing import Annotated

import typer

from app.atomic_file import atomic_files
from app.cli import context
from app.cli.exit_codes import CommandError
from app.cli.options import Json, query_options
from app.cli.terminal import print_json, progress_bar, say
from app.schemas.audit import Action
from app.schemas.export import ExportCounts, ExportFormat, ExportQuery


@query_options(ExportQuery)
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The .npz, .jsonl, .csv or .parquet file; replaced if it exists.")
    ],
    query: ExportQuery,
    as_json: Json = False,
) -> None:
    """Export drawings and their labels to a file.

    Leaves out unlabelled drawings. FILE.manifest.json describes the file.

    Example: python -m app export corrected.npz --since 2026-11-01
    """
    from app.services.export import Export, audit_text

    query = query.model_copy(update={"format": _format_of(file, query)})
    manifest_file = file.parent / f"{file.name}.manifest.json"
    with atomic_files(_checked_target(file), _checked_target(manifest_file)) as (data, manifest):
        with progress_bar("Exporting") as progress, context.open_database() as database, database.snapshot() as session:
            exported = Export(session, query, progress)
            for piece in exported.pieces():
                if isinstance(piece, bytes):
                    data.write(piece)
        manifest.write(exported.manifest.model_dump_json(indent=2).encode() + b"\n")
    context.record_read(Action.EXPORT, audit_text(exported.manifest))
    if as_json:
        print_json(exported.manifest)
        return
    say(f"Wrote {file} and {manifest_file}: {_describe(exported.manifest.counts)}.")


def _describe(counts: ExportCounts) -> str:
    parts = [f"{counts.train} for training", f"{counts.test} for testing"]
    rest = (
        (counts.none, "labelled none"),
        (counts.without_drawing, "without a drawing"),
        (counts.without_digit, "without a digit"),
    )
    return f"{counts.rows} rows: {', '.join(parts + [f'{count} {what}' for count, what in rest if count])}"


def _format_of(file: Path, query: ExportQuery) -> ExportFormat:
    if "format" in query.model_fields_set:
        return query.format
    try:
        return ExportFormat(file.suffix.removeprefix(".").lower())
    except ValueError:
        suffixes = ", ".join(f".{kind.value}" for kind in ExportFormat)
        raise typer.BadParameter(f"must end with one of {suffixes}, or add --format", param_hint="FILE") from None


def _checked_target(path: Path) -> Path:
    """Return where to write; raise CommandError if that is impossible."""
    if path.is_symlink() and path.lstat().st_uid not in (0, os.geteuid()):
        raise CommandError(f"{path} is another user's link; choose another name")
    # A symbolic link stays, and its target is replaced.
    target = path.resolve()
    if path.exists() and not path.is_file():
        raise CommandError(f"{path} is not a file; choose another name")
    if not target.parent.is_dir():
        raise CommandError(f"there is no folder {target.parent}")
    return target
