"""Errors of the services. Nothing was changed when one is raised; its text is for people."""


class ServiceError(Exception):
    """The request cannot be carried out."""


class NotFound(ServiceError):
    """The prediction or drawing does not exist."""


class PreconditionFailed(ServiceError):
    """The record has changed since the caller read it."""


class InProgress(ServiceError):
    """Another request with the same idempotency key is in progress."""


class KeyReused(ServiceError):
    """The idempotency key was used for a different request."""


class InvalidInput(ServiceError):
    """An input has the right type and cannot be used. `place` is its name."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place
