import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Bytes that one key can send.
_LONGEST_SEQUENCE: Final = 32


class Keyboard:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def discard_input(self) -> None:
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def read_key(self) -> str:
        """Wait for a key; raise EOFError when the terminal is closed, KeyboardInterrupt for Ctrl-C."""
        pressed = os.read(self._descriptor, _LONGEST_SEQUENCE)
        if not pressed:
            raise EOFError
        return pressed.decode(errors="replace")


@contextmanager
def open_keyboard() -> Iterator[Keyboard]:
    """Switch standard input to single keys without echo, and back."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
