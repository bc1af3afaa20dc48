"""Keys as they are pressed, one by one; a terminal hands them over line by line otherwise."""

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# The longest of the sequences that stand for one key.
_LONGEST: Final = 32


class Keyboard:
    """The keys of the terminal that is standard input."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def forget(self) -> None:
        """Drop what was pressed so far: it cannot have been meant for what is shown next."""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def wait(self) -> str:
        """Return the next key; raise EOFError when the terminal is gone, KeyboardInterrupt for Ctrl-C."""
        pressed = os.read(self._descriptor, _LONGEST)
        if not pressed:
            raise EOFError
        return pressed.decode(errors="replace")


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Let keys be read as they are pressed, unseen, and leave the terminal as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
