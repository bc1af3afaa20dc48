"""The benchmark of the long commands, with few rows."""

import re
import sys

from tests.support.project_copy import PROJECT, run


def test_benchmark_runs_each_command_on_both_engines(postgres_admin_url: str) -> None:
    ended = run(
        PROJECT, sys.executable, "-m", "benchmarks.commands", "--rows", "2000", "--postgresql", postgres_admin_url
    )
    assert ended.returncode == 0, ended.stderr
    lines = re.findall(r"\| `python -m app ([\w-]+).*` \| \d+ \| \d+ \| ([1-9]\d*) \|", ended.stdout)
    both = ["backup", "check", "restore"]
    assert [command for command, _ in lines] == [*both, "replay", "copy-to", "prune", *both, "prune"]
