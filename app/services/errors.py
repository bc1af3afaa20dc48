"""Errors after which nothing has changed; their texts are shown to people."""


class ServiceError(Exception):
    """Base class."""


class NotFound(ServiceError):
    """No such prediction, drawing or key."""


class PreconditionFailed(ServiceError):
    """The record has changed since it was read."""


class Conflict(ServiceError):
    """The record does not allow this change."""


class InProgress(ServiceError):
    """The same idempotent request is running."""


class KeyReused(ServiceError):
    """The idempotency key belongs to another request."""


class ModelFailed(ServiceError):
    """The model's answer is not probabilities."""


class InvalidInput(ServiceError):
    """The input named `place` cannot be used."""

    def __init__(self, place: str, reason: str, *, under: str = "query") -> None:
        """`under` is the part of a request."""
        super().__init__(reason)
        self.place = place
        self.under = under
