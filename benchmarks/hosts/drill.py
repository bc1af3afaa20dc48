"""The drill of `python -m benchmarks.hosts`, in a network of its own."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hosts.clients import Clients, Failure
from benchmarks.hosts.deployment import Deployment, deployed
from benchmarks.hosts.network import unplug
from benchmarks.hosts.servers import ANSWER_TIMEOUT_S, Api
from benchmarks.report import table
from tests.support.databases import migrate
from tests.support.old_databases import next_release
from tests.support.service_process import missing, stored_answers

HEADING = ("phase", "s", "drawings stored and read", "a second", "longest wait s", "requests failed", "not read back")
CLIENTS = 8


@dataclass
class Drill:
    """The phases of the drill, and the promises that were broken."""

    clients: Clients
    lines: list[list[str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[list[Failure]]:
        """Run the block under load; at its end the list has the requests that failed."""
        clients, failed = self.clients, list[Failure]()
        before, waits_before, failures_before = len(clients.answers), len(clients.waits), len(clients.failures)
        unseen_before, began = len(clients.unseen), time.monotonic()
        yield failed
        took = time.monotonic() - began
        failed += clients.failures[failures_before:]
        answers, waits = len(clients.answers) - before, clients.waits[waits_before:]
        unseen = len(clients.unseen) - unseen_before
        figures = [f"{took:.1f}", str(answers), f"{answers / took:.0f}", f"{max(waits, default=0):.2f}"]
        self.lines.append([name, *figures, str(len(failed)), str(unseen)])
        print(self.lines[-1], *failed[:3], file=sys.stderr, flush=True)
        self.check(unseen == 0, f"{name}: {unseen} acknowledged drawings could not be read")

    def check(self, kept: bool, promise: str) -> None:
        if not kept:
            self.broken.append(promise)


def kill(drill: Drill, deployment: Deployment, host: Api, drawings: int) -> None:
    """Cut a host off and end it, as a power cut does."""
    with drill.phase("a host is killed") as failed:
        drill.clients.wait_for(drawings)
        unplug(host.machine)
        killed_at = time.monotonic()
        host.kill()
        # Until then, a request on the host may wait.
        time.sleep(ANSWER_TIMEOUT_S)
        drill.clients.wait_for(drawings)
    sent, only_there = deployment.front.hosts_of(), [host.machine.address]
    in_progress = {
        one for one in failed if one.began_at <= killed_at and sent.get(one.request_id, only_there) == only_there
    }
    # Their transactions on the database end after ten seconds; until then a repetition may be answered 409 or 503.
    keys = {one.key for one in in_progress}
    others = [one for one in failed if one not in in_progress and not (one.key and one.key in keys)]
    drill.check(not others, f"other requests failed: {others}")
    drill.check(len(in_progress) <= CLIENTS, f"{len(in_progress)} requests failed, of {CLIENTS} in progress")


def upgrade(drill: Drill, deployment: Deployment, host: Api, folder: Path, drawings: int) -> None:
    """Migrate the database, then give a host the next release."""
    project = next_release(folder)
    with drill.phase("the database is migrated, and a host upgraded") as failed:
        migrate(deployment.url, project=project)
        deployment.front.take_out(host.machine)
        host.stop()
        host.start(project)
        host.wait_until_ready()
        deployment.front.put_back(host.machine)
        drill.clients.wait_for(drawings)
    drill.check(not failed, f"requests failed during the upgrade: {failed}")


def run(hosts: int, drawings: int) -> Drill:
    with tempfile.TemporaryDirectory() as name, deployed(Path(name), hosts) as deployment:
        with Clients(deployment.front.machine.address, CLIENTS) as clients:
            drill = Drill(clients)
            with drill.phase(f"{hosts} hosts") as failed:
                clients.wait_for(drawings)
            drill.check(not failed, f"requests failed before anything was done: {failed}")
            upgrade(drill, deployment, deployment.apis[-1], Path(name), drawings)
            kill(drill, deployment, deployment.apis[0], drawings)
        acknowledged = dict(clients.answers)
        lost = missing(acknowledged, deployment.url)
        drill.check(not lost, f"acknowledged and lost: {lost}")
        twice = stored_answers(deployment.url).keys() - acknowledged.keys()
        drill.check(not twice, f"stored twice: {twice}")
    print(f"{len(acknowledged)} drawings acknowledged, {len(lost)} of them missing, {len(twice)} stored twice\n")
    return drill


def main() -> int:
    """Run the drill with this many hosts, and drawings in each part of it."""
    drill = run(int(sys.argv[1]), int(sys.argv[2]))
    print(table(HEADING, drill.lines))
    print(*drill.broken, sep="\n")
    return 1 if drill.broken else 0


if __name__ == "__main__":
    sys.exit(main())
