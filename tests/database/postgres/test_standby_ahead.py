"""A standby that kept what its primary server lost: the primary is restored from a copy of its files."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from sqlalchemy import make_url
from starlette.testclient import TestClient

from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.postgres_cluster import Cluster, postgres_cluster, standby_of
from tests.support.service import DRAWING, assert_storage_problem, rows
from tests.support.standby import reads_from, ready, stopped
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

AHEAD = "it is ahead of the server in DATABASE_URL, which was restored or failed over; make the standby again"


@pytest.fixture
def primary() -> Iterator[Cluster]:
    with postgres_cluster() as cluster:
        yield cluster


def copy_files(cluster: Cluster) -> None:
    with stopped(cluster, "fast"):
        cluster.run("/bin/cp", "--archive", "data", "copy")


def restore_files(cluster: Cluster) -> None:
    with stopped(cluster, "fast"):
        cluster.run("/bin/mv", "data", "lost")
        cluster.run("/bin/mv", "copy", "data")


def store(client: TestClient) -> int:
    response = client.post("/classify", json=DRAWING)
    assert response.status_code == HTTPStatus.OK
    return int(response.json()["id"])


def test_standby_ahead_of_a_restored_primary_answers_no_reads(start: Start, primary: Cluster) -> None:
    url = primary.new_database()
    migrate(url)
    with standby_of(primary) as standby:
        read_url = standby.url(make_url(url).database or "")
        copy_files(primary)
        client = start(DATABASE_URL=url, READ_DATABASE_URL=read_url)
        lost = [store(client) for _ in range(50)]
        wait_until(lambda: reads_from(client) == "standby", "the standby is read")
        restore_files(primary)

        wait_until(lambda: client.post("/classify", json=DRAWING).status_code == HTTPStatus.OK, "a drawing is stored")
        assert rows(read_url, f"SELECT id FROM predictions WHERE id = {lost[-1]}")
        for _ in range(3):
            stored = store(client)
            assert client.get("/results?limit=1").json()["results"][0]["id"] == stored
            assert client.get(f"/results/{lost[-1]}").status_code == HTTPStatus.NOT_FOUND
            assert reads_from(client) == "primary"
        assert ready(client)[:2] == (200, "ready")
        wait_until(lambda: ready(client)[2]["standby"] == AHEAD, "the standby is ahead")
        another = start(DATABASE_URL=url, READ_DATABASE_URL=read_url)
        assert another.get(f"/results/{lost[-1]}").status_code == HTTPStatus.NOT_FOUND
        with stopped(primary):
            assert_storage_problem(client.get("/results"))
            with standby.hanging():
                wait_until(lambda: "no answer" in ready(client)[2]["standby"], "the standby does not answer")
            wait_until(lambda: ready(client)[2]["standby"] == AHEAD, "the standby is ahead")
            assert_storage_problem(client.get("/results"))
