"""Packed pixels: allowed by the tables, unpacked in SQL, and kept from releases that cannot read them."""

import re
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.config import PROJECT_FOLDER
from app.drawings.packing import pack, unpack
from app.models import Drawing
from tests.drawings.test_packing import DRAWINGS
from tests.support.databases import migrate
from tests.support.documentation import blocks_of
from tests.support.old_databases import execute, rows, sqlite_path
from tests.support.service import connected
from tests.support.stored_rows import random_rows, store

(REVISION,) = (
    script
    for script in ScriptDirectory.from_config(Config(PROJECT_FOLDER / "alembic.ini")).walk_revisions()
    if script.path.endswith("_packed_drawings.py")
)
# As written by hand: pixels are missing, or too many.
ODD = [b"\xff" * 98, b"\x80" * 120, bytes(98) + b"\x07", bytes(783), b"\xff" * 783]


def store_drawings(url: str, stored: list[bytes]) -> None:
    store(url, random_rows(len(stored)))
    given = [{"prediction_id": id_, "pixels": each, "scores": [0.5]} for id_, each in enumerate(stored, start=1)]
    with connected(url) as connection:
        connection.execute(sa.insert(Drawing), given)


def pixels_in(url: str, table: str) -> list[bytes]:
    return [bytes(pixels) for (pixels,) in rows(url, f"SELECT pixels FROM {table} ORDER BY prediction_id")]


def compatible_since(url: str) -> str:
    ((since,),) = rows(url, "SELECT compatible_since FROM schema_compatibility")
    return str(since)


def add_prediction(url: str) -> None:
    execute(url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.5, 'v1')")


def test_view_unpacks_as_the_service_does(database_url: str) -> None:
    stored = [*DRAWINGS.values(), *pack(list(DRAWINGS.values())), *ODD]
    store_drawings(database_url, stored)
    assert pixels_in(database_url, "v_drawings") == [unpack(each) for each in stored]
    assert pixels_in(database_url, "v_drawings")[len(DRAWINGS) : -len(ODD)] == list(DRAWINGS.values())


def test_view_has_the_other_columns(database_url: str) -> None:
    store(database_url, random_rows(20), drawings=True)
    query = "SELECT prediction_id, CAST(scores AS VARCHAR), margin FROM {} ORDER BY prediction_id"
    assert rows(database_url, query.format("v_drawings")) == rows(database_url, query.format("drawings"))


def test_downgrade_unpacks(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url, "upgrade", REVISION.revision)
    store_drawings(url, [*DRAWINGS.values(), *pack(list(DRAWINGS.values()))])
    migrate(url, "downgrade", "-1")
    assert pixels_in(url, "drawings") == [*DRAWINGS.values()] * 2
    assert compatible_since(url) == "0005"
    with pytest.raises(sa.exc.IntegrityError, match="ck_drawings_pixels"):
        execute(url, f"UPDATE drawings SET pixels = '{'x' * 783}'")
    migrate(url)
    assert pixels_in(url, "v_drawings") == [*DRAWINGS.values()] * 2


def test_recipe_for_going_back_to_0_9_keeps_keys_log_and_columns(empty_database_url: str) -> None:
    url = empty_database_url
    text = "\n".join(block.code for block in blocks_of(PROJECT_FOLDER / "docs/operations.md"))
    (revision,) = re.findall(r"alembic downgrade (\d+)$", text, re.MULTILINE)
    migrate(url)
    store_drawings(url, [*DRAWINGS.values(), *pack(list(DRAWINGS.values()))])
    time = "'2026-11-20 10:00:00.000000'"
    execute(
        url,
        "INSERT INTO api_keys (name, prefix, sha256, scopes, created_at)"
        f" VALUES ('phone', 'pw_abc', 'aa', 'classify', {time})",
        f"INSERT INTO audit_log (at, \"key\", action, record, request_id) VALUES ({time}, 'phone', 'label', 'x', 'y')",
        "UPDATE predictions SET not_a_digit = 0.25, trace_id = 'abc' WHERE id = 1",
    )
    migrate(url, "downgrade", revision)
    assert rows(url, "SELECT name FROM api_keys") == [("phone",)]
    assert rows(url, 'SELECT "key" FROM audit_log') == [("phone",)]
    assert rows(url, "SELECT not_a_digit, trace_id FROM predictions WHERE id = 1") == [(0.25, "abc")]
    assert pixels_in(url, "drawings") == [*DRAWINGS.values()] * 2
    assert compatible_since(url) == "0005"


def test_release_before_works_with_the_drawings_of_an_upgraded_database(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url, "upgrade", str(REVISION.down_revision))
    add_prediction(url)
    migrate(url)
    assert compatible_since(url) == "0005"


def test_release_before_is_refused_if_it_could_find_packed_drawings(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url, "upgrade", REVISION.revision)
    assert compatible_since(url) == REVISION.revision
    # Also after a later revision, to which the release before may be compatible.
    add_prediction(url)
    migrate(url)
    assert compatible_since(url) >= REVISION.revision


def test_sqlite_upgrade_and_downgrade_copy_no_table(sqlite_url: str) -> None:
    query = "SELECT name, rootpage FROM sqlite_master WHERE name LIKE '%drawings' AND type = 'table'"
    migrate(sqlite_url, "downgrade", str(REVISION.down_revision))
    before = rows(sqlite_url, query)
    with closing(sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)) as open_before:
        with pytest.raises(sqlite3.IntegrityError):
            open_before.execute("INSERT INTO drawings VALUES (1, zeroblob(98), '[]', 0)")
        migrate(sqlite_url)
        assert rows(sqlite_url, query) == before
        # A connection of a running service.
        open_before.execute("INSERT INTO drawings VALUES (1, zeroblob(98), '[]', 0)")
        assert open_before.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        open_before.execute("DELETE FROM drawings")
        migrate(sqlite_url, "downgrade", str(REVISION.down_revision))
        assert rows(sqlite_url, query) == before
