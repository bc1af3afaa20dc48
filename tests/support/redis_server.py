"""A Redis server for a test, which may stop it and break it."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import redis

from tests.support.machines import THIS_MACHINE, Machine
from tests.support.project_copy import cannot_run
from tests.support.run_cleanup import start_process
from tests.support.waiting import wait_until


@contextmanager
def redis_server(port: int, *options: str, machine: Machine = THIS_MACHINE) -> Iterator["subprocess.Popen[bytes]"]:
    """A Redis server on this port that keeps nothing on disk."""
    if shutil.which("redis-server") is None:
        cannot_run("redis-server is missing; to run this test: apt install redis-server")
    command = ["redis-server", "--port", str(port), "--bind", machine.address, "--save", "", "--appendonly", "no"]
    process = start_process([*machine.enter, *command, *options], stdout=subprocess.DEVNULL)
    try:
        with closing(redis.Redis(machine.address, port, socket_timeout=1)) as client:
            wait_until(lambda: _answers(client), "Redis answers")
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def redis_uri(port: int, user: str = "") -> str:
    """The value of RATE_LIMIT_STORAGE_URI for a Redis server on this port."""
    return f"redis://{user}127.0.0.1:{port}/0"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False
