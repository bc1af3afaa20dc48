"""Errors of the HTTP layer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.schemas.health import OK
from app.schemas.problems import FieldError

IDEMPOTENCY_KEY: Final = "Idempotency-Key"


class ProblemError(Exception):
    """An error of the HTTP layer. Its text is sent as `detail`."""

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})


class InvalidApiKey(ProblemError):
    def __init__(self) -> None:
        super().__init__("Invalid API key", headers={"WWW-Authenticate": 'ApiKey header="X-API-Key", Bearer'})


class MissingScope(ProblemError):
    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"The key {name} lacks the scope {scope}; use a key that has it.")


class PreflightRefused(ProblemError):
    def __init__(self) -> None:
        super().__init__("CORS_ORIGINS does not allow this origin, or the API does not accept this method or header.")


class BodyTooLarge(ProblemError):
    def __init__(self, limit: int) -> None:
        # The rest of the body is not read.
        super().__init__(f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


class MalformedRequest(ProblemError):
    def __init__(self) -> None:
        super().__init__("The request is not valid HTTP/1.1.")


class InvalidUrl(ProblemError):
    def __init__(self) -> None:
        super().__init__("The URL is not valid; percent-encode what is not printable ASCII.")


class HeadTooLarge(ProblemError):
    def __init__(self, limit: int, headers: int) -> None:
        super().__init__(
            f"The request has more than {headers} headers, or more than {limit} bytes of URL, headers and trailers."
        )


class RequestTimeout(ProblemError):
    def __init__(self) -> None:
        super().__init__("The request was not sent in time.")


class UnsupportedBody(ProblemError):
    pass


class InvalidRequest(ProblemError):
    def __init__(self, errors: Sequence[Mapping[str, Any]], *, under: Sequence[str] = ()) -> None:
        """Take pydantic's errors; `under` is the part of the request, such as `body`."""
        found = [_field_error(error, under) for error in errors]
        # All unknown names of an object look equal.
        self.errors = list({str(error): error for error in found}.values())
        super().__init__(f"{'.'.join(str(part) for part in self.errors[0].loc)}: {self.errors[0].msg}")


class TooManyRequests(ProblemError):
    def __init__(self, limit: str, retry_after: int, never_fits: int | None = None, *, of_key: bool = False) -> None:
        """`never_fits`: the number of drawings, if it exceeds the limit itself."""
        advice = f"try again in {retry_after} s"
        if never_fits is not None:
            remedy = "use a key with a higher limit" if of_key else "raise RATE_LIMIT"
            advice = f"{never_fits} drawings in one request never fit; send fewer, or {remedy}"
        super().__init__(f"More than {limit}; {advice}.", headers={"Retry-After": str(retry_after)})


class Busy(ProblemError):
    def __init__(self) -> None:
        super().__init__("Too many requests of this kind are in progress; nothing was stored. Try again later.")


class Advice(NamedTuple):
    """What to do after an unknown outcome."""

    text: str
    may_repeat: bool = False


LOOK: Final = Advice("Look whether it was stored before you send it again.")
REPEAT: Final = Advice("Send the request again.", may_repeat=True)


class MaybeStored(ProblemError):
    def __init__(self, advice: Advice) -> None:
        super().__init__(
            f"The outcome of the commit is unknown: the row may or may not be stored. {advice.text}",
            headers={"Retry-After": "1"} if advice.may_repeat else None,
        )


class NotReady(ProblemError):
    def __init__(self, checks: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {state}" for name, state in checks.items() if state != OK))
        self.checks = checks


def _field_error(error: Mapping[str, Any], under: Sequence[str]) -> FieldError:
    loc, msg, kind = [*under, *error["loc"]], str(error["msg"]), str(error["type"])
    if kind == "extra_forbidden":
        # The last part is from the input, which is never repeated.
        return FieldError(loc=loc[:-1], msg="Unknown name; the documentation lists the allowed ones", type=kind)
    return FieldError(loc=loc, msg=msg, type=kind)


def invalid(under: str, place: str, reason: str) -> InvalidRequest:
    return InvalidRequest([{"loc": [place], "msg": reason, "type": "value_error"}], under=[under])
