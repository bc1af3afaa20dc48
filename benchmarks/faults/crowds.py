"""Many clients: 200 at once, 500 that hang up, 300 slow ones, directly and through nginx; then a stop under load.

`python -m benchmarks.faults.crowds`; about two minutes. Needs nginx and openssl.
"""

import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
from sqlalchemy import make_url

from benchmarks.faults.databases import ENGINES, database
from benchmarks.report import table
from tests.support.nginx import calling, https_in_front
from tests.support.service import DRAWING
from tests.support.service_process import Load, Service, drawing, serving, stored_answers
from tests.support.slow_clients import BODY, HEAD, Slow, hang_up

CLIENTS, HANG_UPS, SLOW = 200, 500, 300
SECONDS = 8
NEXT_ANSWER_S = 1.0
STOP_S = 20.0
GROWTH_MIB = 64
HEADING = ("engine", "crowd", "answers of 200", "of 503", "other", "next answer ms", "grown by MiB")


@dataclass
class Crowd:
    """The responses that other clients got during and after a crowd."""

    name: str
    answers: int = 0
    busy: int = 0
    other: list[str] = field(default_factory=list)
    next_answer_s: float = 0.0
    grown: int = 0

    def see(self, load: Load) -> None:
        self.answers += len(load.acknowledged)
        self.busy += sum(reply.status_code == 503 for reply in load.refused)
        self.other += [reply.text for reply in load.refused if reply.status_code != 503]
        self.other += [repr(error) for error in load.broken]

    def kept(self) -> bool:
        return not self.other and self.next_answer_s <= NEXT_ANSWER_S and self.grown <= GROWTH_MIB

    def line(self, engine: str) -> list[str]:
        counts = [str(self.answers), str(self.busy), str(len(self.other))]
        return [engine, self.name, *counts, f"{self.next_answer_s * 1e3:.0f}", str(self.grown)]


@contextmanager
def watched(name: str, service: Service) -> Iterator[Crowd]:
    """Watch the service during a crowd: its memory growth, and the time of the next answer afterwards."""
    process, crowd, ended = psutil.Process(service.process.pid), Crowd(name), threading.Event()
    before = largest = process.memory_info().rss

    def watch() -> None:
        nonlocal largest
        while not ended.wait(0.1):
            largest = max(largest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield crowd
        began = time.monotonic()
        with service.client() as client:
            status = client.classify(drawing(Random(0))).status_code
        crowd.next_answer_s = time.monotonic() - began
        if status != 200:
            crowd.other.append(f"the next answer: {status}")
    finally:
        ended.set()
        watcher.join()
    crowd.grown = max(0, largest - before) // 2**20


def many(service: Service, crowd: Crowd) -> None:
    with Load(service.port, CLIENTS) as load:
        time.sleep(SECONDS)
    crowd.see(load)


def hanging_up(service: Service, crowd: Crowd) -> None:
    with Load(service.port, 4) as load:
        for part in (HEAD + BODY, HEAD + BODY[: len(BODY) // 2]):
            hang_up(service.port, part, HANG_UPS)
    crowd.see(load)


def slow(service: Service, crowd: Crowd) -> None:
    with Slow(service.port, SLOW), Load(service.port, 16) as load:
        time.sleep(SECONDS)
    crowd.see(load)


def slow_behind_nginx(service: Service, crowd: Crowd, folder: Path) -> None:
    """Connect slow clients to nginx; the other clients use another address, because nginx limits by address."""
    with (
        https_in_front(folder, service.port) as front,
        Slow(front.https_port, SLOW, "/api/classify", front.tls) as crew,
    ):
        began = time.monotonic()
        with calling(front, "127.0.0.2") as client:
            while time.monotonic() < began + 15:
                status = client.post("/api/classify", json=DRAWING).status_code
                crowd.answers += status == 200
                crowd.busy += status == 503
                crowd.other += [str(status)] if status not in (200, 503) else []
                time.sleep(0.03)
        crowd.name += f"; nginx disconnected {crew.cut_off} within 15 s"


def stopped(engine: str, url: str, folder: Path) -> tuple[bool, str]:
    """Stop the service under load, with a client whose body never ends."""
    with ExitStack() as running:
        service = running.enter_context(serving(url, folder))
        earlier = stored_answers(url).keys()
        stalled = running.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        stalled.sendall(HEAD + BODY[:20])
        if engine == "sqlite":
            # An open read transaction of another program.
            reader = running.enter_context(closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)))
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM predictions").fetchone()
        with Load(service.port, 32) as load:
            load.wait_for(200)
            began = time.monotonic()
            service.stop()
            lasted = time.monotonic() - began
    stored = {id_: answer for id_, answer in stored_answers(url).items() if id_ not in earlier}
    kept = stored == load.acknowledged and load.refused == [] and lasted <= STOP_S
    return kept, (
        f"{engine}: SIGTERM under 32 clients and one stalled body: {len(load.acknowledged)} answered, "
        f"{len(stored)} rows, {len(load.refused)} refused, ended after {lasted:.1f} s"
    )


def main() -> int:
    """Run the drill."""
    lines, stops, kept = [], [], True
    for engine in ENGINES:
        with database(engine, "crowds") as (url, folder), serving(url, folder) as service:
            crowds: dict[str, Callable[[Service, Crowd], None]] = {
                f"{CLIENTS} clients": many,
                f"2 times {HANG_UPS} that hang up": hanging_up,
                f"{SLOW} slow": slow,
                f"{SLOW} slow at nginx": lambda service, crowd, folder=folder: slow_behind_nginx(
                    service, crowd, folder
                ),
            }
            for name, visit in crowds.items():
                with watched(name, service) as crowd:
                    visit(service, crowd)
                kept = kept and crowd.kept()
                lines.append(crowd.line(engine))
            service.stop()
            good, text = stopped(engine, url, folder)
            kept = kept and good
            stops.append(text)
    print(table(HEADING, lines))
    print("\n" + "\n".join(stops))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
