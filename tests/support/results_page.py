"""Open the page's results, send requests as another client, and lose responses."""

import json
import socket
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, Final

from playwright.sync_api import Locator, Page, Route

from app.http.errors import Advice, MaybeStored
from app.http.problems import problem_response
from tests.support.service import KEY, random_drawings, rows
from tests.support.service_process import Service
from tests.support.waiting import PATIENCE_S, wait_until


def send(service: Service, method: str, path: str, body: Any) -> Any:
    """Send a request with the key, as another client would."""
    data, kind = (body, "octet-stream") if isinstance(body, bytes) else (json.dumps(body), "json")
    connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, data, {"X-API-Key": KEY, "Content-Type": f"application/{kind}"})
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        return json.loads(reply.read())
    finally:
        connection.close()


def classify_drawings(service: Service, count: int) -> None:
    """Classify and store this number of random drawings."""
    send(service, "POST", "/classify/batch", random_drawings(count).tobytes())


def go(page: Page, address: str) -> None:
    """Go to another view of the page."""
    page.evaluate("address => { location.hash = address; }", address)


def row(page: Page, number: int) -> Locator:
    """Return the row of a prediction in the list."""
    return page.locator(".result-row").filter(has=page.locator(f'a[href="#/results/{number}"]'))


def labels(database_url: str) -> list[tuple[int, str]]:
    """Every stored label with the id of its prediction."""
    return [
        (row["prediction_id"], row["label"])
        for row in rows(database_url, "SELECT prediction_id, label FROM labels ORDER BY id")
    ]


def notes(database_url: str, number: int) -> str | None:
    """The stored notes of a prediction."""
    (found,) = rows(database_url, f"SELECT notes FROM predictions WHERE id = {number}")
    stored: str | None = found["notes"]
    return stored


class Held:
    """Requests of one method to one address, which wait until a test lets them go on."""

    def __init__(self, page: Page, address: str, method: str) -> None:
        self._page = page
        self._routes: list[Route] = []
        page.route(
            address, lambda route: self._routes.append(route) if route.request.method == method else route.fallback()
        )

    def wait(self) -> Route:
        """Wait for a request, and return it."""
        wait_until(lambda: self._page.wait_for_timeout(10) or self._routes, "the request is held")
        return self._routes.pop(0)

    def let_go(self) -> None:
        """Let a request reach the service, and the answer the page."""
        route = self.wait()
        with self._page.expect_event("requestfinished"):
            route.continue_()


def lose_on_the_way_to_the_page(route: Route) -> None:
    """Let the service handle the request, and cut the connection instead of answering."""
    route.fetch()
    route.abort()


def lose_the_end_of_the_answer(route: Route) -> None:
    """Let the service handle the request, and cut the connection in the middle of the answer."""
    route.fetch()
    server = socket.create_server(("127.0.0.1", 0))

    def cut() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{")

    threading.Thread(target=cut, daemon=True).start()
    route.continue_(url=f"http://127.0.0.1:{server.getsockname()[1]}/")


def lose_on_the_way_from_the_database(route: Route) -> None:
    """Let the service handle the request, and answer as if the database connection broke during the commit."""
    route.fetch()
    problem = problem_response(MaybeStored(Advice("Send it again.", may_repeat=True)), "lost")
    route.fulfill(status=problem.status_code, headers=dict(problem.headers), body=bytes(problem.body))


WAYS_TO_LOSE_AN_ANSWER: Final[tuple[Callable[[Route], None], ...]] = (
    lose_on_the_way_to_the_page,
    lose_the_end_of_the_answer,
    lose_on_the_way_from_the_database,
)
