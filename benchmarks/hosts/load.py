"""Processor time of each host while wrk stores drawings through nginx: `python -m benchmarks.hosts --load`."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.calls import CALLS, raw
from benchmarks.digits import digits
from benchmarks.hosts.deployment import Deployment, deployed
from benchmarks.hosts.network import processes_on
from benchmarks.load import load, write_requests
from benchmarks.machine import ENDED, cpu_seconds
from benchmarks.report import middle, table, with_range
from benchmarks.servers import PIXELWISE, Server
from tests.support.machines import Machine
from tests.support.service import KEY

HEADING = (
    *("", "drawings a second", "not 2xx"),
    *("nginx, Redis: CPU ms a drawing", "service", "PostgreSQL, PgBouncer", "standby"),
)
KIND = replace(PIXELWISE, path="/api/classify")
CONNECTIONS = 32
ROUNDS, SECONDS = 3, 5


def used_by(machines: list[Machine]) -> float:
    """Return the processor seconds of everything that runs on the hosts."""
    used = 0.0
    for pid in (pid for machine in machines for pid in processes_on(machine)):
        with suppress(*ENDED):
            used += cpu_seconds(pid)
    return used


def measured(deployment: Deployment, requests: Path, connections: int) -> list[float]:
    """Load the service once; return the rate, the failures and the CPU ms a drawing of each group of hosts."""
    primary, standby = deployment.databases
    groups = [[deployment.front.machine], [api.machine for api in deployment.apis], [primary], [standby]]
    before = [used_by(group) for group in groups]
    done = load(f"https://{deployment.front.machine.address}", requests, connections, SECONDS)
    used = [used_by(group) - start for group, start in zip(groups, before, strict=True)]
    stored = done.requests - done.not_2xx
    return [stored / done.seconds, done.not_2xx + done.socket_errors, *(seconds * 1e3 / stored for seconds in used)]


def with_own_counts(deployment: Deployment) -> None:
    """Let each host count the requests of its clients by itself, without Redis."""
    for api in deployment.apis:
        api.stop()
        api.settings = {**api.settings, "RATE_LIMIT_STORAGE_URI": ""}
        api.start()
    for api in deployment.apis:
        api.wait_until_ready()


VARIANTS: tuple[tuple[str, Callable[[Deployment], None]], ...] = (
    ("two hosts", lambda _: None),
    ("nginx keeps its connections, too", lambda deployment: deployment.front.keep_connections()),
    ("each host counts by itself, too", with_own_counts),
)


def main() -> int:
    """Measure with two hosts, and with one change after the other."""
    drawings = digits().test_images[:64]
    lines = []
    with tempfile.TemporaryDirectory() as name, deployed(Path(name), 2) as deployment:
        server = Server("hosts", KIND, 0, f"https://{deployment.front.machine.address}", KEY, deployment.url)
        requests = Path(name) / "requests"
        write_requests(requests, [raw(server, each) for each in CALLS["classify"].requests(KIND, drawings)])
        for variant, change in VARIANTS:
            change(deployment)
            measured(deployment, requests, CONNECTIONS)
            rounds = [measured(deployment, requests, CONNECTIONS) for _ in range(ROUNDS)]
            rates, failed, *used = zip(*rounds, strict=True)
            lines.append([variant, with_range(rates), f"{sum(failed):.0f}", *(middle(each, 2) for each in used)])
    print(table(HEADING, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
