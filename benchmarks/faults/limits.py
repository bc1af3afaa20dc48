"""Two services share RATE_LIMIT in Redis, which is killed, restarted, suspended and resumed under load.

`python -m benchmarks.faults.limits`; about a minute. Needs redis-server.
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.faults.databases import database
from benchmarks.report import table
from tests.support.callers import Callers
from tests.support.ports import free_port
from tests.support.redis_server import redis_server, redis_uri
from tests.support.service_process import Service, drawing, sent_to, serving

CLIENTS = 8
LONGEST_S = 0.5
# Duration of each state. A service retries Redis five seconds after a failure.
STATE_S = 8


@dataclass
class Timed(Callers):
    """Clients that send one drawing after another and record the duration by state of Redis."""

    services: list[Service]
    clients: int = CLIENTS
    state: str = "up"
    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    def _run(self, number: int) -> None:
        random = Random(number)
        with self.services[number % len(self.services)].client() as client:
            while not self.ended:
                state, began = self.state, time.monotonic()
                reply = client.classify(drawing(random))
                self.seconds.setdefault(state, []).append(time.monotonic() - began)
                self.statuses[state, reply.status_code] += 1
                time.sleep(0.005)


def exactly(url: str, folder: Path) -> bool:
    """Return whether exactly twenty drawings pass a limit of twenty when a hundred clients send at once."""
    port = free_port()
    settings = {"RATE_LIMIT": "20/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with redis_server(port), ExitStack() as running:
        services = [running.enter_context(serving(url, folder, **settings)) for _ in range(2)]
        codes = Counter(sent_to(services, 400, 100))
    print(f"400 drawings, 100 clients, 2 services, RATE_LIMIT=20/day: {codes[200]} times 200, {codes[429]} times 429\n")
    return codes == {200: 20, 429: 380}


def under_load(url: str, folder: Path) -> tuple[Timed, list[str]]:
    """Kill, restart, suspend and resume Redis under load; return the load and the services' logs."""
    port = free_port()
    settings = {"RATE_LIMIT": "100000/minute", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(port))
        services = [running.enter_context(serving(url, folder, **settings)) for _ in range(2)]
        with Timed(services) as load:

            def stay(state: str, change: Callable[[], object]) -> None:
                load.state = state
                change()
                time.sleep(STATE_S)

            stay("up", lambda: None)
            stay("down", redis.kill)
            redis.wait()
            again = running.enter_context(redis_server(port))
            stay("up again", lambda: None)
            stay("hanging", lambda: again.send_signal(signal.SIGSTOP))
            stay("resumed", lambda: again.send_signal(signal.SIGCONT))
        logs = [service.log.read_text() for service in services]
    return load, logs


def main() -> int:
    """Run the drill."""
    with database("postgresql", "limits") as (url, folder):
        kept = exactly(url, folder)
        load, logs = under_load(url, folder)
    lines = []
    for state, seconds in load.seconds.items():
        others = sum(count for (when, status), count in load.statuses.items() if when == state and status != 200)
        kept = kept and not others and max(seconds) <= LONGEST_S
        median = sorted(seconds)[len(seconds) // 2]
        lines.append([state, str(len(seconds)), str(others), f"{median * 1e3:.1f}", f"{max(seconds) * 1e3:.0f}"])
    print(table(("Redis", "calls", "not 200", "median ms", "longest ms"), lines))
    for log in logs:
        lost, back = log.count("does not answer"), log.count("answers again")
        print(f"\nA service logged {lost} times that Redis does not answer, and {back} times that it answers again.")
        kept = kept and (lost, back) == (2, 2)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
