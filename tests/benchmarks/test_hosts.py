"""Several hosts behind nginx: one is upgraded, one is killed, and nothing acknowledged is lost."""

import subprocess
import sys

from benchmarks.hosts.network import refusal
from tests.support.project_copy import PROJECT, cannot_run, environment, need

PATIENCE_S = 150


def test_upgraded_and_killed_hosts_lose_nothing() -> None:
    for program in ("nginx", "pgbouncer", "redis-server"):
        need(program, program)
    need("pg_ctlcluster", "postgresql")
    if reason := refusal():
        cannot_run(reason)
    command = [sys.executable, "-m", "benchmarks.hosts", "--quick"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
