"""Hosts in network namespaces, joined by a bridge. Everything ends with the process that made them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.support.machines import Machine

# The kernel removes these namespaces, and kills what runs in them, with their first process.
_APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
_NAMES = Path("/run/netns")
CLIENTS = "10.77.0.1"
"""The address of the bridge, which is where the clients run."""


def refusal() -> str | None:
    """Return why no network can be made here."""
    if missing := [name for name in ("unshare", "ip", "setpriv") if shutil.which(name) is None]:
        return f"{missing[0]} is missing; apt install util-linux iproute2"
    tried = subprocess.run(
        [*_APART, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"only root can make network namespaces ({tried.stderr.strip()})"


def continue_apart(module: str, *arguments: str) -> NoReturn:
    """Run a module where it can make a network, in place of this process, so that both end together."""
    os.execvp(_APART[0], [*_APART, sys.executable, "-m", module, *arguments])


def make_network(names: Sequence[str]) -> list[Machine]:
    """Make a bridge, and a host with an address on it for each name."""
    _NAMES.mkdir(exist_ok=True)
    # Not on the real one: the names of other programs stay as they are.
    _run(f"mount -t tmpfs tmpfs {_NAMES}")
    _run("ip link set lo up")
    _run("ip link add name bridge0 type bridge")
    _run(f"ip address add {CLIENTS}/24 dev bridge0")
    _run("ip link set bridge0 up")
    return [_host(name, f"10.77.0.{number}") for number, name in enumerate(names, 11)]


def _host(name: str, address: str) -> Machine:
    _run(f"ip netns add {name}")
    _run(f"ip link add name to-{name} type veth peer name eth0 netns {name}")
    _run(f"ip link set to-{name} master bridge0 up")
    _run(f"ip -netns {name} link set lo up")
    _run(f"ip -netns {name} address add {address}/24 dev eth0")
    _run(f"ip -netns {name} link set eth0 up")
    return Machine(address, ("ip", "netns", "exec", name))


def processes_on(machine: Machine) -> list[int]:
    """Return the ids of the processes that run on a host."""
    found = subprocess.run(["ip", "netns", "pids", machine.enter[-1]], check=True, capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def unplug(machine: Machine) -> None:
    """Cut a host off: no other host is told."""
    _run(f"ip link set to-{machine.enter[-1]} down")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)
