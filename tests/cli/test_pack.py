"""`python -m app pack`: packs the drawings of an upgraded database, beside a running service."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.database import Database
from app.drawings.packing import pack
from app.models import Drawing
from app.services.pauses import write_and_pause
from tests.support.command_line import done
from tests.support.databases import migrate
from tests.support.digit_images import encoded, picture
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, connected, execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.stored_rows import random_rows, store

T = TypeVar("T")

DIGIT = np.array(DRAWING["pixels"], np.uint8).tobytes()
NOISE = Random(1).randbytes(784)


def make_upgraded(url: str, drawings: int) -> None:
    """Make a database of this release that the release before could still use, with drawings of that release."""
    migrate(url)
    execute(url, "UPDATE schema_compatibility SET compatible_since = '0005'")
    store(url, random_rows(drawings))
    stored_before = [
        {"prediction_id": id_, "pixels": NOISE if id_ % 10 == 0 else DIGIT, "scores": [0.5]}
        for id_ in range(1, drawings + 1)
        if id_ % 7
    ]
    with connected(url) as connection:
        connection.execute(sa.insert(Drawing), stored_before)
        if connection.dialect.name == "postgresql":
            # Explicit ids do not advance the sequence.
            connection.execute(sa.text(f"SELECT setval('predictions_id_seq', {drawings})"))


@pytest.fixture
def upgraded_url(settings_environment: pytest.MonkeyPatch, empty_database_url: str) -> str:
    make_upgraded(empty_database_url, 30)
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    return empty_database_url


@pytest.fixture
def large_upgraded_url(settings_environment: pytest.MonkeyPatch, empty_database_url: str) -> str:
    """A database whose drawings are packed in three transactions."""
    make_upgraded(empty_database_url, 2500)
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    return empty_database_url


def stored_pixels(url: str) -> dict[int, bytes]:
    return {row["prediction_id"]: bytes(row["pixels"]) for row in rows(url, "SELECT * FROM drawings")}


@pytest.mark.slow
def test_all_drawings_are_packed_and_keep_their_pixels(large_upgraded_url: str) -> None:
    before = stored_pixels(large_upgraded_url)
    assert json.loads(done("pack", "--json")) == {"drawings": sum(pixels == DIGIT for pixels in before.values())}
    assert stored_pixels(large_upgraded_url) == dict(zip(before, pack(list(before.values())), strict=True))
    view = rows(large_upgraded_url, "SELECT * FROM v_drawings")
    assert {row["prediction_id"]: bytes(row["pixels"]) for row in view} == before
    assert json.loads(done("pack", "--json")) == {"drawings": 0}
    assert "drawings packed" in done("pack")


def test_releases_that_cannot_read_packed_drawings_are_refused_afterwards(upgraded_url: str) -> None:
    query = "SELECT compatible_since FROM schema_compatibility"
    done("pack", "--json")
    assert rows(upgraded_url, query) == [{"compatible_since": "0012"}]


def test_service_packs_new_drawings_only_afterwards(start: Start, upgraded_url: str) -> None:
    url = upgraded_url.replace("postgresql://", "postgresql+psycopg://")
    before = start(DATABASE_URL=url).post("/classify", json=DRAWING).json()["id"]
    assert stored_pixels(upgraded_url)[before] == DIGIT
    done("pack", "--json")
    after = start(DATABASE_URL=url).post("/classify", json=DRAWING).json()["id"]
    assert stored_pixels(upgraded_url)[after] == stored_pixels(upgraded_url)[before] == pack([DIGIT])[0]


def test_command_line_stores_as_the_service_does(upgraded_url: str, tmp_path: Path) -> None:
    image = tmp_path / "four.png"
    image.write_bytes(encoded(picture("4")))
    lengths = []
    for _ in range(2):
        row = json.loads(done("classify", str(image), "--json"))
        lengths.append(len(stored_pixels(upgraded_url)[row["id"]]))
        done("pack", "--json")
    assert lengths[0] == 784
    assert lengths[1] < 784


def test_drawings_stored_as_text_do_no_harm(settings_environment: pytest.MonkeyPatch, sqlite_url: str) -> None:
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    store(sqlite_url, random_rows(4))
    for id_, pixels in ((1, "x" * 784), (2, "ü" * 784), (3, "é" + "x" * 783)):
        execute(sqlite_url, f"INSERT INTO drawings VALUES ({id_}, '{pixels}', '[]', NULL)")
    execute(sqlite_url, f"INSERT INTO drawings VALUES (4, x'{DIGIT.hex()}', '[]', NULL)")
    assert json.loads(done("pack", "--json")) == {"drawings": 1}
    assert rows(sqlite_url, "SELECT pixels FROM v_drawings WHERE prediction_id = 4") == [{"pixels": DIGIT}]


def test_command_ends_although_drawings_keep_arriving(
    settings_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    settings_environment.setenv("DATABASE_URL", sqlite_url)

    def add(id_: int) -> None:
        store_one = "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES ({}, '7', 0.9, 'v1')"
        execute(sqlite_url, store_one.format(id_), f"INSERT INTO drawings VALUES ({id_}, x'{DIGIT.hex()}', '[]', NULL)")

    arriving = iter(range(2, 10))

    def write_and_add(database: Database, work: Callable[[Session], T]) -> T:
        result = write_and_pause(database, work)
        add(next(arriving))
        return result

    add(1)
    monkeypatch.setattr("app.services.pack.write_and_pause", write_and_add)
    assert json.loads(done("pack", "--json")) == {"drawings": 1}


def test_ids_without_drawings_take_no_time(settings_environment: pytest.MonkeyPatch, sqlite_url: str) -> None:
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    last = 2**62
    execute(
        sqlite_url,
        f"INSERT INTO predictions (id, prediction, confidence, model_version) VALUES ({last}, '7', 0.9, 'v1')",
        f"INSERT INTO drawings VALUES ({last}, x'{DIGIT.hex()}', '[]', NULL)",
    )
    assert json.loads(done("pack", "--json")) == {"drawings": 1}


@pytest.mark.slow
def test_service_answers_meanwhile_and_loses_nothing(large_upgraded_url: str, tmp_path: Path) -> None:
    with serving(large_upgraded_url, tmp_path) as service:
        with Load(service.port, 4) as load:
            load.wait_for(20)
            done("pack", "--json")
            load.wait_for(20)
        service.stop()
    assert (load.refused, load.broken) == ([], [])
    assert missing(load.acknowledged, large_upgraded_url) == []
