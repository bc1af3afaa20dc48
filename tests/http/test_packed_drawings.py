"""Drawings that are packed are answered like those that are not."""

from fastapi.testclient import TestClient

from app.drawings.packing import pack
from tests.support.digit_images import picture
from tests.support.service import execute, rows

UNPACK = (
    "UPDATE drawings SET pixels ="
    " (SELECT whole.pixels FROM v_drawings AS whole WHERE whole.prediction_id = drawings.prediction_id)"
)
READS = (
    "/results/7",
    "/results/7/drawing.png",
    "/export?format=jsonl&include_unlabelled=true",
    "/export?format=csv&include_unlabelled=true",
    "/stats/drift?last=300",
)


def drawn(count: int) -> bytes:
    """Digits as the body of a batch."""
    places = [(0.4 + number * 0.2 / count, 0.5) for number in range(count)]
    pictures = [picture("247"[number % 3], 28, ink=255, paper=0, place=place) for number, place in enumerate(places)]
    return b"".join(each.tobytes() for each in pictures)


def test_answers_do_not_depend_on_packing(client: TestClient, database_url: str) -> None:
    body = drawn(620)
    headers = {"Content-Type": "application/octet-stream"}
    assert client.post("/classify/batch", content=body, headers=headers).status_code == 200
    sent = [body[at : at + 784] for at in range(0, len(body), 784)]
    query = "SELECT pixels FROM drawings ORDER BY prediction_id"
    assert [bytes(row["pixels"]) for row in rows(database_url, query)] == pack(sent) != sent
    packed = [client.get(read) for read in READS]
    execute(database_url, UNPACK)
    assert [bytes(row["pixels"]) for row in rows(database_url, query)] == sent
    for read, before in zip(READS, packed, strict=True):
        assert before.status_code == 200, before.text
        assert client.get(read).content == before.content
