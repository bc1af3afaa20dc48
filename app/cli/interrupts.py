import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_PAUSE_S: Final = 0.01


@contextmanager
def lost_interrupts_repeated() -> Iterator[None]:
    """Repeat a Ctrl-C in a finalizer, where Python prints exceptions and goes on."""
    before, alarm = sys.unraisablehook, signal.getsignal(signal.SIGALRM)

    def repeat(unraisable: "UnraisableHookArgs") -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            before(unraisable)
            return
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, _PAUSE_S)

    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = before
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
