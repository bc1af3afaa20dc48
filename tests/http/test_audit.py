"""The audit log: what is recorded, with which transaction, and `GET /audit`."""

from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.keys import create_key
from tests.support.service import DRAWING, assert_problem, execute, hidden, rows

DELETE = "DELETE FROM audit_log"


def entries(database_url: str) -> list[tuple[str, str, str]]:
    found = rows(database_url, 'SELECT "key", action, record FROM audit_log ORDER BY id')
    return [(row["key"], row["action"], row["record"]) for row in found]


def test_every_read_and_change_is_recorded_with_key_and_request(client: TestClient, database_url: str) -> None:
    anna = create_key(client, "anna", "classify", "read", "label", "admin")
    client.post("/classify", json=DRAWING, headers=anna)
    execute(database_url, DELETE)
    calls: list[tuple[str, str, Any, str, str]] = [
        ("GET", "/results/1/drawing.png", None, "drawing", "prediction 1"),
        ("GET", "/review", None, "review", "predictions 1"),
        ("PUT", "/results/1/label", {"label": "7"}, "label", "prediction 1"),
        ("PATCH", "/results/1", {"notes": "x"}, "notes", "prediction 1"),
        ("DELETE", "/results/1", None, "delete", "prediction 1"),
        ("POST", "/keys", {"name": "phone", "scopes": ["read"]}, "create-key", "key phone"),
        ("POST", "/keys/phone/rotate", None, "rotate-key", "key phone"),
        ("POST", "/keys/phone/revoke", None, "revoke-key", "key phone"),
    ]
    for number, (method, url, body, *_) in enumerate(calls):
        response = client.request(method, url, json=body, headers={**anna, "X-Request-ID": f"call-{number}"})
        assert response.status_code in (200, 204), response.text
    assert entries(database_url) == [("anna", action, record) for *_, action, record in calls]
    ids = [row["request_id"] for row in rows(database_url, "SELECT request_id FROM audit_log ORDER BY id")]
    assert ids == [f"call-{number}" for number in range(len(calls))]


def test_export_is_recorded_with_its_query(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING)
    response = client.get("/export", params={"format": "csv", "include_unlabelled": "true", "notes_contains": "a\nb"})
    assert response.status_code == 200
    ((key, action, record),) = entries(database_url)
    assert (key, action) == ("built-in", "export")
    assert record.startswith("0 predictions notes_contains=a\nb format=csv include_unlabelled=True ")


def test_refused_and_public_calls_are_not_recorded(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING)
    for url in ("/results", "/results/1", "/stats"):
        assert client.get(url).status_code == 200
    assert client.get("/results/2/drawing.png").status_code == 404
    assert client.delete("/results/1", headers={"If-Match": '"other"'}).status_code == 412
    assert client.put("/results/2/label", json={"label": "7"}).status_code == 404
    assert client.get("/results/1/drawing.png", headers={"X-API-Key": "wrong"}).status_code == 401
    assert entries(database_url) == []


def test_change_is_not_made_without_its_entry(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING)
    with hidden(database_url, "audit_log"):
        answers = [
            client.put("/results/1/label", json={"label": "7"}),
            client.patch("/results/1", json={"notes": "x"}),
            client.delete("/results/1"),
            client.post("/keys", json={"name": "phone", "scopes": ["read"]}),
        ]
    for answer in answers:
        assert_problem(answer, HTTPStatus.SERVICE_UNAVAILABLE)
    assert client.get("/results/1").json()["notes"] is None
    assert client.get("/results/1/labels").json() == {"labels": []}
    assert client.get("/keys").json() == {"keys": []}


def test_drawing_is_shown_and_logged_if_the_audit_log_cannot_be_written(
    client: TestClient, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/classify", json=DRAWING)
    with hidden(database_url, "audit_log"):
        assert client.get("/results/1/drawing.png").status_code == 200
        params = {"format": "csv", "notes_contains": "a\nb"}
        assert client.get("/export", params=params).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name == "pixelwise.audit"]
    assert len(lines) == 2
    assert "key built-in, action drawing, record 'prediction 1', request " in lines[0]
    assert "\n" not in lines[1]


def test_audit_is_listed_newest_first_page_by_page(client: TestClient) -> None:
    for name in ("a", "b", "c", "d", "e"):
        create_key(client, name, "read")
    client.post("/keys/a/revoke")
    first = client.get("/audit", params={"action": "create-key", "limit": 3})
    assert [entry["record"] for entry in first.json()["entries"]] == ["key e", "key d", "key c"]
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    second = client.get(f"/{link}").json()
    assert [entry["record"] for entry in second["entries"]] == ["key b", "key a"]
    assert second["next"] is None
    assert [entry["action"] for entry in client.get("/audit").json()["entries"]] == ["revoke-key", *["create-key"] * 5]


def test_audit_pages_go_on_after_an_entry_whose_time_is_none(client: TestClient, database_url: str) -> None:
    for name in ("a", "b", "c"):
        create_key(client, name, "read")
    no_time = "'yesterday'" if database_url.startswith("sqlite") else "'infinity'"
    execute(database_url, f"UPDATE audit_log SET at = {no_time} WHERE record = 'key b'")
    records, cursor = [], None
    while len(records) < 4:
        page = client.get("/audit", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        records += [entry["record"] for entry in page["entries"]]
        if (cursor := page["next"]) is None:
            break
    assert records == ["key b", "key c", "key a"]


def test_audit_is_filtered_by_key_and_time(client: TestClient, database_url: str) -> None:
    anna = create_key(client, "anna", "admin")
    create_key(client, "phone", "read")
    client.post("/keys/phone/revoke", headers=anna)
    assert [entry["action"] for entry in client.get("/audit?key=anna").json()["entries"]] == ["revoke-key"]
    execute(database_url, "UPDATE audit_log SET at = '2026-03-01 10:00:00.000000' WHERE id = 1")
    assert len(client.get("/audit?since=2026-03-02").json()["entries"]) == 2
    assert [entry["id"] for entry in client.get("/audit?until=2026-03-02").json()["entries"]] == [1]
    assert client.get("/audit?since=2999-01-01").json() == {"entries": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        *("action=fly", "key=", "limit=0", "limit=1001", "since=x", "colour=red", "key=%00", "key=%FF"),
        "cursor=x",
    ],
)
def test_invalid_audit_query_is_refused(sqlite_client: TestClient, query: str) -> None:
    assert_problem(sqlite_client.get(f"/audit?{query}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
