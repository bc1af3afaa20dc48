"""Ctrl-C in commands."""

import subprocess
import sys
from typing import Final

from tests.support.project_copy import SECONDS

PROGRAM: Final = """
import signal
import time

from app.cli.interrupts import lost_interrupts_repeated

class Freed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

# A shell's background jobs ignore Ctrl-C, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
with lost_interrupts_repeated():
    Freed()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_while_an_object_is_freed_interrupts_what_follows() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")


def test_ctrl_c_in_the_last_moment_of_a_command_changes_nothing() -> None:
    program = PROGRAM.partition("    try:")[0] + "time.sleep(0.1)\nprint('done')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")


def test_other_exceptions_of_finalizers_are_printed() -> None:
    program = PROGRAM.replace("signal.raise_signal(signal.SIGINT)", "raise ValueError('lost')").replace("60", "0")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (ended.stdout, ended.stderr.splitlines()[-1]) == ("", "ValueError: lost")
