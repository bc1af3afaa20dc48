"""Load a server: wrk sends requests over a number of connections for some seconds."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Load:
    """The results of one run of wrk. A connection sends its next request after the previous response."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    not_2xx: int
    socket_errors: int
    loader_cpu_seconds: float


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write the requests, each after a line with its length. They hold the key, so the folder must be private."""
    path.write_bytes(b"".join(b"%d\n" % len(request) + request for request in requests))


def load(url: str, requests: Path, connections: int, seconds: int) -> Load:
    """Load the server at `url`; raise CalledProcessError if wrk fails."""
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is missing; install it: apt install wrk")
    before = _children_cpu_seconds()
    limits = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    ended = subprocess.run(
        [wrk, *limits, "-s", str(SCRIPT), url, "--", str(requests)],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    figures = json.loads(ended.stdout.splitlines()[-1])
    return Load(**figures, loader_cpu_seconds=_children_cpu_seconds() - before)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
