"""Where a server of the tests runs."""

from typing import NamedTuple


class Machine(NamedTuple):
    """The address of a machine, and the command that runs a program there."""

    address: str = "127.0.0.1"
    enter: tuple[str, ...] = ()


THIS_MACHINE = Machine()
