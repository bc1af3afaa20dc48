"""Several hosts behind nginx: one is upgraded, one is killed, and nothing acknowledged is lost."""

import sys

import pytest

from benchmarks.hosts.network import refusal
from tests.support.project_copy import PROJECT, cannot_run, need, run


@pytest.mark.slow
def test_upgraded_and_killed_hosts_lose_nothing() -> None:
    for program in ("nginx", "pgbouncer", "redis-server"):
        need(program, program)
    need("pg_ctlcluster", "postgresql")
    if reason := refusal():
        cannot_run(reason)
    done = run(PROJECT, sys.executable, "-m", "benchmarks.hosts", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
