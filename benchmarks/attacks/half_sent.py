"""How long a drawing waits while 1,000 connections stop in the middle of their request, and when they are closed.

`python -m benchmarks.attacks half_sent`; a minute and a half. Needs 2,000 open files.
"""

import resource
import selectors
import socket
import sys
import time
from contextlib import ExitStack
from typing import Final

from benchmarks.attacks.victim import Honest, attacked, memory_mib
from benchmarks.report import table
from tests.support.slow_clients import BODY, HEAD

CONNECTIONS: Final = 1000
PATIENCE_S: Final = 30.0
HEADING = ("1,000 connections with", "slowest other answer s", "closed", "last one closed after s", "grown by MiB")

ATTACKS: Final = {
    "nothing sent": b"",
    "half a header": HEAD[:60],
    "half a body": HEAD + BODY[: len(BODY) // 2],
    "half an image": HEAD.replace(b"/classify", b"/classify/image", 1).replace(
        f"Content-Length: {len(BODY)}".encode(),
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 8000000",
    )
    + b'--b\r\nContent-Disposition: form-data; name="file"; filename="seven.png"\r\n\r\n'
    + bytes(1000),
}


def attack(name: str) -> tuple[list[str], bool]:
    """Open the connections and wait until all are closed; return a line of the table and whether all were."""
    with attacked() as service, ExitStack() as stack, Honest(service.port) as honest:
        before = memory_mib(service)
        selector = stack.enter_context(selectors.DefaultSelector())
        began = time.monotonic()
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            connection.sendall(ATTACKS[name])
            selector.register(connection, selectors.EVENT_READ)
        closed, last, most = 0, 0.0, 0.0
        while closed < CONNECTIONS and (left := began + PATIENCE_S - time.monotonic()) > 0:
            for key, _ in selector.select(min(left, 0.5)):
                if _is_closed(key.fileobj):
                    selector.unregister(key.fileobj)
                    closed += 1
                    last = time.monotonic() - began
            most = max(most, memory_mib(service))
    waited = f"{last:.1f}" if closed else "-"
    line = [name, f"{honest.slowest_s:.2f}", str(closed), waited, f"{most - before:.0f}"]
    return line, honest.is_served() and closed == CONNECTIONS


def _is_closed(connection: object) -> bool:
    assert isinstance(connection, socket.socket)
    try:
        return not connection.recv(65536)
    except ConnectionError:
        return True


def main() -> int:
    """Attack a new service in each of the ways."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found = [attack(name) for name in ATTACKS]
    print(table(HEADING, [line for line, _ in found]))
    return 0 if all(kept for _, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
