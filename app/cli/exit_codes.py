from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    SUCCESS = 0
    FAILURE = 1
    USAGE_ERROR = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.SUCCESS: "done",
    ExitCode.FAILURE: "not done: not found, refused, or a check failed",
    ExitCode.USAGE_ERROR: "wrong usage",
    ExitCode.UNAVAILABLE: "the database, the model or a setting cannot be used",
    ExitCode.INTERRUPTED: "interrupted",
}


class CommandError(Exception):
    def __init__(self, message: str, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(error: Exception) -> ExitCode | None:
    """Return the exit code for an expected error, or None for a bug."""
    if isinstance(error, CommandError):
        return error.code
    codes = _codes_of_errors()
    return next((codes[kind] for kind in type(error).__mro__ if kind in codes), None)


def _codes_of_errors() -> dict[type, ExitCode]:
    from app.classifier import ModelError
    from app.config import ConfigurationError
    from app.database.errors import DatabaseError
    from app.database.sqlite.copies import CopyError
    from app.services.errors import InvalidInput, ServiceError

    return {
        ServiceError: ExitCode.FAILURE,
        InvalidInput: ExitCode.USAGE_ERROR,
        CopyError: ExitCode.FAILURE,
        OSError: ExitCode.FAILURE,
        ConfigurationError: ExitCode.UNAVAILABLE,
        DatabaseError: ExitCode.UNAVAILABLE,
        ModelError: ExitCode.UNAVAILABLE,
    }
