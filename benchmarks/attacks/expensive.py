"""How long others wait while many expensive requests arrive at once, on a database with a long history.

`python -m benchmarks.attacks expensive`, or `python -m benchmarks.attacks.expensive sqlite postgresql --rows 1000000
--only exports batches`; about three minutes for each engine, and some more to fill the database.
"""

import argparse
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from benchmarks.attacks.victim import ANSWER_S, Honest
from benchmarks.faults.databases import ENGINES, database
from benchmarks.generated_rows import BEGIN, fill, time_of
from benchmarks.report import table
from tests.support.service import KEY
from tests.support.service_process import Service, serving

ROWS: Final = 1_000_000
SHORTEST_S: Final = 5.0
LONGEST_S: Final = 20.0
HEADING: Final = ("attack", "slowest /classify s", "/results/1 s", "/health/ready s", "refused", "attackers got")


def get(path: str, key: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def attacks(rows: int) -> dict[str, list[bytes]]:
    """The requests of each attack, sent at once."""
    since = BEGIN.isoformat().replace("+00:00", "Z")
    middle = time_of(rows // 2, rows).isoformat().replace("+00:00", "Z")
    # No row of the newer half has the version, and none has the prediction.
    rare = (f"prediction=x&since={since}", f"model_version=v1&prediction=x&since={since}", "label=none&prediction=1")
    drift = f"since={middle}&reference_since={since}"
    return {
        "50 exports": [get("/export?include_unlabelled=true", KEY)] * 50,
        "100 /stats": [get("/stats")] * 100,
        "100 /stats?last=10000": [get("/stats?last=10000")] * 100,
        "20 notes_contains": [get("/results?notes_contains=zzz")] * 20,
        "64 batches": [post("/classify/batch", bytes(range(196)) * 4000)] * 64,
        "8 filters": [get(f"/results?{rare[number % 3]}") for number in range(8)],
        "8 unlabelled filters": [get(f"/results?labelled=false&prediction=x&since={since}")] * 8,
        "50 pages of 1,000": [get("/results?limit=1000")] * 50,
        "100 pages of 100": [get("/results?limit=100")] * 100,
        "8 /stats/drift": [get(f"/stats/drift?{drift}")] * 8,
        "8 /stats/calibration": [get("/stats/calibration")] * 8,
        "8 /stats/timeline": [get(f"/stats/timeline?bucket=day&since={since}")] * 8,
        "8 /models": [get("/models")] * 8,
        "32 /review": [get("/review?limit=50", KEY)] * 32,
    }


@dataclass
class Getter(Honest):
    """Sends one GET after another until the attack is over."""

    path: str = "/"

    def send(self) -> int:
        with socket.create_connection(("127.0.0.1", self.port), LONGEST_S) as connection:
            connection.sendall(get(self.path))
            return status_of(connection)


def status_of(connection: socket.socket) -> int:
    """Read a response to its end."""
    head = b""
    while piece := connection.recv(65536):
        head = head or piece
    return int(head[9:12] or 0)


@dataclass
class Crowd:
    """Sends all requests at once, each on a connection of its own."""

    port: int
    requests: list[bytes]
    answers: Counter[str] = field(default_factory=Counter, init=False)

    def attack(self) -> None:
        began = time.monotonic()
        with ExitStack() as open_:
            connections = [
                open_.enter_context(socket.create_connection(("127.0.0.1", self.port))) for _ in self.requests
            ]
            threads = [
                threading.Thread(target=self._send, args=(connection, request))
                for connection, request in zip(connections, self.requests, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(0.0, began + LONGEST_S - time.monotonic()))
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
        time.sleep(max(0.0, began + SHORTEST_S - time.monotonic()))

    def _send(self, connection: socket.socket, request: bytes) -> None:
        try:
            connection.sendall(request)
            began = time.monotonic()
            status = status_of(connection)
            self.answers[str(status) if time.monotonic() < began + LONGEST_S - 1 else "no end"] += 1
        except OSError:
            self.answers["no answer"] += 1


def attempt(service: Service, name: str, requests: list[bytes]) -> tuple[list[str], bool]:
    """Attack the service; return a line of the table and whether all others were served."""
    crowd = Crowd(service.port, requests)
    honest = (Honest(service.port), Getter(service.port, "/results/1"), Getter(service.port, "/health/ready"))
    with ExitStack() as stack:
        for client in honest:
            stack.enter_context(client)
        time.sleep(0.5)
        crowd.attack()
    slowest = [f"{client.slowest_s:.2f}" for client in honest]
    refused = Counter(text for client in honest for text in client.refused)
    answers = ", ".join(f"{count} of {answer}" for answer, count in sorted(crowd.answers.items()))
    line = [name, *slowest, ", ".join(f"{count} of {text}" for text, count in refused.items()) or "0", answers]
    return line, all(client.is_served() for client in honest)


def main(make: Callable[[str, int], None] = fill) -> int:
    """Attack a service on each engine in each of the ways."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engines", nargs="*", default=ENGINES)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--url", help="a filled database; drawings are added")
    given = parser.parse_args()
    kept = True
    for engine in given.engines:
        with database(engine, "attack") as (url, folder):
            if given.url is None:
                make(url, given.rows)
            lines = []
            with serving(given.url or url, folder) as service:
                for name, requests in attacks(given.rows).items():
                    if not given.only or any(word in name for word in given.only):
                        line, good = attempt(service, name, requests)
                        lines.append(line)
                        kept = kept and good
            print(f"\n{engine}, {given.rows:,} rows; nobody may wait longer than {ANSWER_S:g} s\n")
            print(table(HEADING, lines), flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
