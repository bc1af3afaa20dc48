"""Why something was not done. Each text is for people; `app.http.problems` and `app.cli` say it in their ways."""


class Refusal(Exception):
    """Something was not done, and nothing was changed."""


class NotFound(Refusal):
    """There is no such thing."""


class Changed(Refusal):
    """Somebody else changed it since it was read."""


class UnderWay(Refusal):
    """The same is being done at this moment."""


class Reused(Refusal):
    """An idempotency key came with another request than the first time."""


class Invalid(Refusal):
    """An input has the right shape and still makes no sense. `place` is its name."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place
