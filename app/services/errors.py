"""Errors after which nothing has changed; their texts are shown to people."""


class ServiceError(Exception):
    """Base class."""


class NotFound(ServiceError):
    """No such prediction or drawing."""


class PreconditionFailed(ServiceError):
    """The record has changed since it was read."""


class InProgress(ServiceError):
    """The same idempotent request is running."""


class KeyReused(ServiceError):
    """The idempotency key belongs to another request."""


class InvalidInput(ServiceError):
    """The input named `place` cannot be used."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place
