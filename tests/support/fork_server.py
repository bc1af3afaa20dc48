"""A process that has imported the service and forks to run it; its standard input is a socket for requests.

It starts no thread and opens nothing else, so that a fork has what a new process has after its imports.
"""

import fcntl
import gc
import importlib
import json
import multiprocessing.util
import os
import runpy
import signal
import socket
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

# The service and the commands, and what they import later.
MODULES: Final = (
    *("app.main", "app.cli.main", "psycopg"),
    *("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"),
)
MESSAGE_BYTES: Final = 65536
IS_ORPHAN: Final = b"is an orphan"

start_with_files = multiprocessing.util.spawnv_passfds


class Request(NamedTuple):
    """`python -m module arguments` in a folder, with this environment."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


def wait_for_request() -> tuple[Request, list[int]] | None:
    """Return a request and its files in the process that is to run it; in this one, None after the last request."""
    with socket.socket(fileno=0) as connection:
        while True:
            message, files, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
            if not message:
                return None
            # The process of the tests adopts the orphan, and can wait for it as for a process that it started.
            if (between := os.fork()) == 0:
                if (pid := os.fork()) == 0:
                    return Request(*json.loads(message)), files
                connection.send(str(pid).encode())
                os._exit(0)
            os.waitpid(between, 0)
            connection.send(IS_ORPHAN)
            for file in files:
                os.close(file)


def run(request: Request, files: list[int]) -> None:
    """Run the program in this process, with these files as standard input, output and error."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # They remember what they were opened on.
    sys.stdin = os.fdopen(0, "r", encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # Background jobs of a shell ignore Ctrl-C, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    multiprocessing.util.spawnv_passfds = fork_with_files
    os.chdir(request.folder)
    # Python and the imports have set variables, too.
    os.environ.update(request.environment)
    sys.path[0] = request.folder
    sys.argv[1:] = request.arguments
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def fork_with_files(path: bytes, args: Any, passfds: Sequence[int]) -> int:
    """Fork a process that `multiprocessing` would start with only these files, such as a worker of uvicorn."""
    *_, code, last = args
    if last != "--multiprocessing-fork":
        return start_with_files(path, args, passfds)
    if (pid := os.fork()) != 0:
        return pid
    # It must not return to the frames of its parent.
    status: Any = 1
    try:
        for file in {int(path.name) for path in Path("/proc/self/fd").iterdir()} - {0, 1, 2, *passfds}:
            with suppress(OSError):
                os.close(file)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.argv = ["-c", last]
        exec(code, {})
    except SystemExit as ended:
        status = ended.code
    finally:
        os._exit(status)


if __name__ == "__main__":
    for name in MODULES:
        importlib.import_module(name)
    # The collector writes to what it visits, and the forks share memory until one of them writes.
    gc.collect()
    gc.freeze()
    received = wait_for_request()
    if received is not None:
        run(*received)
