"""`python -m app export`: a file and its manifest, both or neither."""

import json
import os
import re
import stat
import sys
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, in_terminal, refused, run
from tests.support.export_files import fill
from tests.support.service import execute, hidden
from tests.support.stored_rows import random_rows, store

FORMATS = ("npz", "jsonl", "csv", "parquet")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("pixelwise.db")}


@pytest.mark.parametrize("kind", FORMATS)
def test_file_and_manifest_are_the_same_as_over_http(
    client: TestClient, database_url: str, tmp_path: Path, kind: str
) -> None:
    fill(database_url)
    file = tmp_path / f"drawings.{kind}"
    printed = json.loads(done("export", str(file), "--include-unlabelled", "--test-share", "0.3", "--json"))
    query = {"format": kind, "include_unlabelled": True, "test_share": 0.3}
    response = client.get("/export", params=query)
    over_http = json.loads(response.headers["x-export-manifest"])
    del printed["created_at"], over_http["created_at"]
    assert printed == over_http
    manifest = json.loads((tmp_path / f"drawings.{kind}.manifest.json").read_text())
    assert {**printed, "created_at": manifest["created_at"]} == manifest
    if kind == "npz":
        with np.load(file, allow_pickle=False) as arrays:
            assert len(arrays["y_train"]) == manifest["counts"]["train"] > 0
    elif kind == "parquet":
        assert pq.read_table(file).equals(pq.read_table(BytesIO(response.content)))
    else:
        assert file.read_bytes() == response.content


def test_printed_parts_add_up_to_the_rows(configured_sqlite: str) -> None:
    store(configured_sqlite, random_rows(30), drawings=True)
    execute(
        configured_sqlite,
        "DELETE FROM labels",
        "INSERT INTO labels (prediction_id, label) SELECT prediction_id, '7' FROM drawings ORDER BY 1 LIMIT 5",
        "INSERT INTO labels (prediction_id, label) SELECT max(prediction_id), 'none' FROM drawings",
        "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (99, '7', 0.9, 'v0')",
        "INSERT INTO labels (prediction_id, label) VALUES (99, '7')",
    )
    printed = run("export", "drawings.csv").err
    _, rows, *parts = re.findall(r"(\d+) (?:rows|for|labelled|without)", "0 rows" + printed)
    assert printed.rstrip(".\n").endswith("testing, 1 labelled none, 1 without a drawing")
    assert int(rows) == sum(map(int, parts)) == 7


def test_filters_narrow_the_export(configured_sqlite: str, tmp_path: Path) -> None:
    rows = random_rows(200)
    store(configured_sqlite, rows, drawings=True)
    done("export", "sevens.jsonl", "--label", "7", "--model-version", "v1")
    exported = [json.loads(line)["id"] for line in (tmp_path / "sevens.jsonl").read_text().splitlines()]
    assert exported == [row.id for row in rows if row.label == "7" and row.model_version == "v1"]


def test_pixels_can_be_packed_or_left_out(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    done("export", "packed.jsonl", "--packed-pixels")
    done("export", "without.jsonl", "--without-pixels")
    packed, without = (
        json.loads((tmp_path / name).read_bytes().splitlines()[0]) for name in ("packed.jsonl", "without.jsonl")
    )
    assert isinstance(packed["pixels"], str)
    assert "pixels" not in without
    assert refused(ExitCode.USAGE_ERROR, "export", "packed.npz", "--packed-pixels").startswith("--packed-pixels: ")


def test_parquet_without_its_package_is_refused(
    configured_sqlite: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = refused(ExitCode.USAGE_ERROR, "export", "drawings.parquet")
    assert message.endswith("Parquet needs the package pyarrow; run: pip install -r deploy/parquet/requirements.txt")
    assert files(tmp_path) == set()


def test_format_option_overrides_the_file_name(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    done("export", "drawings.txt", "--format", "csv")
    done("export", "drawings.NPZ")
    assert (tmp_path / "drawings.txt").read_text().startswith("id,")
    assert np.load(tmp_path / "drawings.NPZ", allow_pickle=False)


def test_only_the_owner_can_read_the_files(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    done("export", "drawings.csv")
    for name in ("drawings.csv", "drawings.csv.manifest.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_failed_export_keeps_the_old_files(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    done("export", "drawings.csv")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with hidden(configured_sqlite, "drawings"):
        refused(ExitCode.UNAVAILABLE, "export", "drawings.csv")
        refused(ExitCode.UNAVAILABLE, "export", "others.csv")
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize("synced", [0, 1])
def test_interrupted_export_keeps_the_old_files(
    configured_sqlite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: int
) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    done("export", "drawings.csv")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    calls = count()

    def sync(_file: int) -> None:
        if next(calls) == synced:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", sync)
    assert run("export", "drawings.csv", "--include-unlabelled").status == ExitCode.INTERRUPTED
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.usefixtures("configured_sqlite")
def test_unusable_file_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert "folder.csv" in refused(ExitCode.FAILURE, "export", "folder.csv")
    assert "nowhere" in refused(ExitCode.FAILURE, "export", "nowhere/drawings.csv")
    assert "File name too long" in refused(ExitCode.FAILURE, "export", f"{'x' * 300}.csv")
    for name in ("/dev/null", ".", ".."):
        assert "is not a file" in refused(ExitCode.FAILURE, "export", name, "--format", "csv")
    assert files(tmp_path) == {"folder.csv"}


def test_symbolic_link_is_kept_and_its_target_replaced(configured_sqlite: str, tmp_path: Path) -> None:
    store(configured_sqlite, random_rows(20), drawings=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "latest.csv").symlink_to(tmp_path / "elsewhere" / "drawings.csv")
    done("export", "latest.csv")
    assert (tmp_path / "latest.csv").is_symlink()
    assert (tmp_path / "elsewhere" / "drawings.csv").read_text().startswith("id,")


@pytest.mark.parametrize("kind", FORMATS)
def test_progress_is_shown_on_a_terminal(sqlite_url: str, tmp_path: Path, kind: str) -> None:
    store(sqlite_url, random_rows(20), drawings=True)
    with in_terminal(tmp_path, "export", f"drawings.{kind}", settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert terminal.end() == 0
    assert "Exporting" in terminal.shown
    assert f"Wrote drawings.{kind}" in terminal.shown
