"""Load a server: wrk posts drawings over a number of connections for some seconds."""

import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCRIPT = Path(__file__).with_name("classify.lua")


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


def write_bodies(path: Path, images: NDArray[np.uint8]) -> None:
    """Write one request body per line and image."""
    path.write_text("".join(json.dumps({"pixels": image.tolist()}) + "\n" for image in images))


def load(url: str, key: str, bodies: Path, connections: int, seconds: int) -> Load:
    """Load the server at `url`; raise FileNotFoundError without wrk, CalledProcessError if wrk fails."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise FileNotFoundError("wrk is missing; install it: apt install wrk")
    before = _children_cpu_seconds()
    limits = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    ended = subprocess.run(
        [wrk, *limits, "-s", str(SCRIPT), url, "--", str(bodies)],
        env=os.environ | {"BENCHMARK_KEY": key},
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
