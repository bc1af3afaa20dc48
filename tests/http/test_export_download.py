"""The download of an export: one state of the database, and no incomplete file that looks complete."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from io import BytesIO
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from app.analysis import export_parquet
from app.database import Database, get_database
from app.http.lanes import EXPORTS, Lane
from app.http.routes import export as route
from app.models import Drawing, Label, Prediction
from app.schemas.export import ExportFormat, ExportManifest, ExportQuery
from app.services import export as service
from app.services.export import Export
from tests.support.databases import DISCONNECT_OTHERS
from tests.support.export_files import DIGITS, ROWS, fill
from tests.support.pools import open_scans
from tests.support.service import KEY, SECONDS, execute, runtime_of, scope_of, served
from tests.support.stored_rows import drawing_of, store
from tests.support.waiting import wait_until

# Enough drawings for several pieces of lines.
MANY = [ROWS[0]._replace(id=id_, labels=("7",)) for id_ in range(1, 401)]


def work(query: ExportQuery) -> Callable[[Session], Iterator[ExportManifest | bytes | None]]:
    return lambda session: Export(session, query).pieces()


def relabel_and_add(session: Session) -> None:
    session.execute(update(Prediction).values(notes="changed"))
    for row in DIGITS:
        session.execute(insert(Label).values(prediction_id=row.id, label="none", source="anna"))
    session.execute(insert(Prediction).values(id=9000, prediction="1", confidence=1, model_version="v3"))
    session.execute(insert(Drawing).values(**{**drawing_of(1), "prediction_id": 9000}))


def delete_all(session: Session) -> None:
    session.execute(delete(Prediction))


async def exported(pieces: AsyncIterator[Any], *between: Awaitable[None]) -> tuple[ExportManifest, bytes]:
    """Read an export to its end; run an action after each of the first pieces, the first being the manifest."""
    found = []
    to_do = [*between]
    async for piece in pieces:
        if piece is None:
            continue
        found.append(piece)
        if to_do:
            await to_do.pop(0)
    assert len(found) > len(between)
    return found[0], b"".join(found[1:])


def without_manifest(kind: ExportFormat, content: bytes) -> Any:
    """An export without the time in its manifest."""
    if kind is ExportFormat.PARQUET:
        return pq.read_table(BytesIO(content)).to_pylist()
    if kind is not ExportFormat.NPZ:
        return content
    with np.load(BytesIO(content), allow_pickle=False) as read:
        return {name: read[name].tobytes() for name in read.files if name != "manifest.json"}


@pytest.mark.parametrize("kind", ExportFormat)
def test_changes_during_an_export_do_not_affect_it(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch, kind: ExportFormat
) -> None:
    monkeypatch.setattr(service, "READ_BATCH_SIZE", 7)
    monkeypatch.setattr(export_parquet, "ROW_GROUP_SIZE", 20)
    monkeypatch.setattr("app.analysis.export_files.PIECE_SIZE", 2000)
    fill(database_url)
    assert database.try_open_writer() is None
    export = work(ExportQuery(format=kind, include_unlabelled=True))

    async def compare() -> None:
        before, expected = await exported(database.stream(export))
        changes = (database.write(relabel_and_add), database.write(delete_all))
        manifest, content = await exported(database.stream(export), *changes)
        after, changed = await exported(database.stream(export))
        assert (before.sha256, before.counts) == (manifest.sha256, manifest.counts)
        assert without_manifest(kind, content) == without_manifest(kind, expected)
        assert (after.counts.rows, before.counts.rows) == (0, len(ROWS))
        assert without_manifest(kind, changed) != without_manifest(kind, expected)

    asyncio.run(compare())


class Caller:
    """Download an export from the application; run an action after the first piece."""

    def __init__(self, app: ASGIApp, query: bytes, then: Callable[[], Awaitable[object]]) -> None:
        self.sent: list[Message] = []
        self.hung_up = asyncio.Event()
        self.has_a_piece = asyncio.Event()
        self._app, self._query, self._then = app, query, then

    async def download(self) -> None:
        scope = {**scope_of("GET", "/export", (b"x-api-key", KEY.encode())), "query_string": self._query}
        async with asyncio.timeout(SECONDS):
            await self._app(scope, self._receive, self._send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def pieces(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:] if message["body"]]

    @property
    def has_all(self) -> bool:
        return not self.sent[-1].get("more_body", False)

    async def _receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if len(self.pieces) == 1 and not self.has_a_piece.is_set():
            self.has_a_piece.set()
            await self._then()


LINES = b"format=jsonl"


async def nothing() -> None:
    pass


def test_finished_export_releases_its_connection(client: TestClient, database_url: str) -> None:
    store(database_url, MANY, drawings=True)
    caller = Caller(client.app, LINES, nothing)
    asyncio.run(caller.download())
    assert (caller.status, caller.has_all, open_scans(get_database())) == (200, True, 0)
    assert len(caller.pieces) > 2
    assert b"".join(caller.pieces) == client.get("/export?format=jsonl").content


def test_third_concurrent_export_is_refused_with_retry_after(client: TestClient, database_url: str) -> None:
    store(database_url, MANY, drawings=True)

    runtime_of(client).lanes.exports = Lane(EXPORTS._replace(wait_s=0.05))

    async def crowd() -> Caller:
        go_on = asyncio.Event()
        first, second = (Caller(client.app, LINES, go_on.wait) for _ in range(2))
        downloads = [asyncio.create_task(caller.download()) for caller in (first, second)]
        for caller in (first, second):
            await caller.has_a_piece.wait()
        third = Caller(client.app, LINES, nothing)
        await third.download()
        go_on.set()
        await asyncio.gather(*downloads)
        assert first.has_all
        assert b"".join(first.pieces) == b"".join(second.pieces)
        return third

    third = asyncio.run(crowd())
    assert third.status == HTTPStatus.SERVICE_UNAVAILABLE
    headers = dict(third.sent[0]["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"retry-after"]) > 0
    assert b"x-export-manifest" not in headers
    assert client.get("/export").status_code == 200


def test_disconnected_client_releases_the_connection(client: TestClient, database_url: str) -> None:
    store(database_url, MANY, drawings=True)

    async def run() -> Caller:
        async def hang_up() -> None:
            caller.hung_up.set()
            await asyncio.sleep(0)

        caller = Caller(client.app, LINES, hang_up)
        await caller.download()
        return caller

    caller = asyncio.run(run())
    assert (len(caller.pieces), caller.has_all, open_scans(get_database())) == (1, False, 0)


@pytest.mark.parametrize("pause_s", [0.03, SECONDS])
def test_client_that_reads_too_slowly_is_disconnected(
    client: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    monkeypatch.setattr(route, "STALLED_S", 0.1)
    monkeypatch.setattr(route, "PIECE_S", 0.0)
    monkeypatch.setattr("app.analysis.export_files.PIECE_SIZE", 2000)
    store(database_url, MANY, drawings=True)

    class SlowCaller(Caller):
        async def _send(self, message: Message) -> None:
            await super()._send(message)
            if "body" in message:
                await asyncio.sleep(pause_s)

    caller = SlowCaller(client.app, LINES, nothing)
    asyncio.run(caller.download())
    assert (caller.has_all, open_scans(get_database())) == (False, 0)
    assert 1 <= len(caller.pieces) <= 4


# A column that is read only after the response has started.
UNREADABLE = (
    "ALTER TABLE drawings RENAME TO readable",
    "CREATE VIEW drawings AS SELECT prediction_id, pixels, margin,"
    " iif(prediction_id = 400, json('unreadable'), scores) AS scores FROM readable",
)


def test_error_during_the_export_leaves_the_body_incomplete(
    client: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READ_BATCH_SIZE", 50)
    store(database_url, MANY, drawings=True)
    sqlite = database_url.startswith("sqlite")
    if sqlite:
        execute(database_url, *UNREADABLE)

    async def disconnect() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(DISCONNECT_OTHERS)

    async def run() -> Caller:
        caller = Caller(client.app, LINES, nothing if sqlite else disconnect)
        with pytest.raises(RuntimeError, match="response already started"):
            await caller.download()
        return caller

    caller = asyncio.run(run())
    assert (caller.status, caller.has_all, open_scans(get_database())) == (200, False, 0)
    assert 1 <= len(caller.pieces) < 5
    assert client.get("/export?format=csv&label=1").status_code == 200


def test_error_before_the_first_piece_is_a_problem(sqlite_client: TestClient, sqlite_url: str) -> None:
    execute(sqlite_url, "ALTER TABLE drawings RENAME TO hidden")
    store(sqlite_url, MANY[:1])
    response = sqlite_client.get("/export")
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.headers["content-type"] == "application/problem+json"
    assert open_scans(get_database()) == 0


@contextmanager
def requested(port: int, query: str) -> Iterator[HTTPResponse]:
    """Request an export from a server; disconnect at the end."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", f"/export?{query}", headers={"X-API-Key": KEY})
        with connection.getresponse() as response:
            yield response


def test_incomplete_export_is_noticed_by_the_client(
    sqlite_client: TestClient, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READ_BATCH_SIZE", 50)
    store(sqlite_url, MANY, drawings=True)
    execute(sqlite_url, *UNREADABLE)
    with served(sqlite_client.app) as port:
        with requested(port, "format=jsonl") as part:
            assert json.loads(part.headers["x-export-manifest"])["counts"]["rows"] == len(MANY)
            with pytest.raises(IncompleteRead):
                part.read()
        # The same rows without the invalid column.
        with requested(port, "format=npz") as whole:
            assert len(whole.read()) > 100_000


def test_server_notices_a_disconnected_client(sqlite_client: TestClient, sqlite_url: str) -> None:
    # More than fits into the buffers.
    store(sqlite_url, [ROWS[0]._replace(id=id_, labels=("7",)) for id_ in range(1, 5001)], drawings=True)
    with served(sqlite_client.app) as port:
        with requested(port, "format=jsonl") as response:
            assert response.read(100).startswith(b'{"id":1,')
            assert open_scans(get_database()) == 1
        wait_until(lambda: open_scans(get_database()) == 0, "the scan has ended")
