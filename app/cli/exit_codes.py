"""What the exit status of a command says, and the exception that ends a command with one."""

from enum import IntEnum


class Status(IntEnum):
    """Exit statuses, for scripts."""

    DONE = 0
    NOT_DONE = 1
    WRONG_USAGE = 2
    CANNOT_WORK = 3
    INTERRUPTED = 130


MEANING = {
    Status.DONE: "done",
    Status.NOT_DONE: "not done: not found, refused, a check failed",
    Status.WRONG_USAGE: "wrong usage",
    Status.CANNOT_WORK: "the database, the model or a setting cannot be used",
    Status.INTERRUPTED: "interrupted",
}


class Failure(Exception):
    """Ends the command. The text is one line and says what to do."""

    def __init__(self, text: str, status: Status = Status.NOT_DONE) -> None:
        super().__init__(text)
        self.status = status
