"""Every status code that is not a success, and the one form errors have: `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.database.errors import DatabaseBusy, DatabaseError, DatabaseFull, OutcomeUnknown
from app.schemas.problems import FieldError, Problem
from app.services import errors
from app.throttled_log import Troubles

# Seconds after which trying again makes sense: a lock is free soon, a full disk takes a person.
RETRY_BUSY = 1
RETRY_UNAVAILABLE = 5
RETRY_FULL = 60

IDEMPOTENCY_KEY = "Idempotency-Key"


class ProblemError(Exception):
    """An error that is the client's answer."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


class InvalidApiKey(ProblemError):
    """The key is missing or wrong; which of the two is not told."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("Invalid API key", headers={"WWW-Authenticate": 'ApiKey header="X-API-Key"'})


class NotFound(ProblemError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(ProblemError):
    """The same request is under way."""

    status = HTTPStatus.CONFLICT

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": str(RETRY_BUSY)})


class PreconditionFailed(ProblemError):
    """If-Match names another state of the thing."""

    status = HTTPStatus.PRECONDITION_FAILED


class BodyTooLarge(ProblemError):
    """The request's body is longer than any drawing."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: int) -> None:
        # The rest of the body is not read, so the connection cannot carry another request.
        super().__init__(f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


class InvalidInput(ProblemError):
    """The request does not have the documented shape."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Sequence[Mapping[str, Any]], *, under: Sequence[str] = ()) -> None:
        """Take pydantic's errors and where they lie in the request, such as `body`."""
        places = [_field_error(error, under) for error in errors]
        where = ".".join(str(part) for part in places[0].loc)
        super().__init__(f"{where}: {places[0].msg}", errors=[place.model_dump() for place in places])


class TooManyRequests(ProblemError):
    """The client has used up its share."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, limit: str, retry_after: int, never_fits: int | None = None) -> None:
        """Take the limit, the seconds to wait, and how many drawings were sent if no waiting will let them pass."""
        advice = f"try again in {retry_after} s"
        if never_fits is not None:
            advice = f"{never_fits} drawings at once never fit; send fewer, or raise RATE_LIMIT"
        super().__init__(f"More than {limit}; {advice}.", headers={"Retry-After": str(retry_after)})


class Busy(ProblemError):
    """As many large bodies as the service can hold are there already."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} batches and images are being worked on; nothing was stored. Try again later.",
            headers={"Retry-After": str(RETRY_BUSY)},
        )


class NotReady(ProblemError):
    """A check of `/health/ready` failed."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, checks: dict[str, str]) -> None:
        failed = "; ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")
        super().__init__(failed, headers={"Retry-After": str(RETRY_UNAVAILABLE)}, checks=checks)


class StorageError(ProblemError):
    """The database did not keep the row, so there is no answer. The cause is for the log alone."""

    def __init__(self, error: DatabaseError) -> None:
        full, busy = isinstance(error, DatabaseFull), isinstance(error, DatabaseBusy)
        self.status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.SERVICE_UNAVAILABLE
        wait = RETRY_FULL if full else RETRY_BUSY if busy else RETRY_UNAVAILABLE
        reason = "is full" if full else "is busy" if busy else "cannot be used at the moment"
        super().__init__(
            f"The database {reason}; nothing was stored. Try again later.", headers={"Retry-After": str(wait)}
        )


class CommitInterrupted(ProblemError):
    """The database may have kept the row or not, and cannot be asked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "The database did not say whether it made the commit; whether this was stored is not known."
            f" Send it again with the same {IDEMPOTENCY_KEY}: it is then stored once.",
            headers={"Retry-After": str(RETRY_BUSY)},
            stored="unknown",
        )


def _field_error(error: Mapping[str, Any], under: Sequence[str]) -> FieldError:
    loc, msg, kind = [*under, *error["loc"]], str(error["msg"]), str(error["type"])
    if kind == "extra_forbidden":
        # The last part of the place is a name that the client made up, and input is never repeated.
        return FieldError(loc=loc[:-1], msg="Unknown name; the documentation lists the allowed ones", type=kind)
    return FieldError(loc=loc, msg=msg, type=kind)


def problem_response(error: ProblemError, request_id: str) -> Response:
    """Render the error as `application/problem+json`."""
    status = HTTPStatus(error.status)
    problem = Problem(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=error.detail,
        request_id=request_id,
        **error.members,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        headers=error.headers,
        media_type="application/problem+json",
    )


def _answer(request: Request, error: ProblemError) -> Response:
    return problem_response(error, request.state.request_id)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _answer(request, error)


async def _on_refusal(request: Request, error: Exception) -> Response:
    """Answer what a service did not do."""
    problem: ProblemError
    match error:
        case errors.NotFound():
            problem = NotFound(str(error))
        case errors.PreconditionFailed():
            problem = PreconditionFailed(str(error))
        case errors.InProgress():
            problem = Conflict(str(error))
        case errors.KeyReused():
            place = {"loc": [IDEMPOTENCY_KEY], "msg": str(error), "type": "value_error"}
            problem = InvalidInput([place], under=["header"])
        case errors.InvalidInput():
            place = {"loc": [error.place], "msg": str(error), "type": "value_error"}
            problem = InvalidInput([place], under=["query"])
        case _:
            raise error
    return _answer(request, problem)


async def _on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseError)
    request.app.state.troubles.tell(f"{type(error).__name__}: {error}", request.state.request_id)
    return _answer(request, CommitInterrupted() if isinstance(error, OutcomeUnknown) else StorageError(error))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, InvalidInput(error.errors()))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # The framework's word for a body that cannot even be parsed; any other wrong body is a 422.
        place = {"loc": [], "msg": "This cannot be parsed", "type": "unparsable"}
        return _answer(request, InvalidInput([place], under=["body"]))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    problem = ProblemError(str(error.detail), headers=headers)
    problem.status = HTTPStatus(error.status_code)
    return _answer(request, problem)


def _allowed(request: Request) -> str:
    """Name all methods that the path has; the framework names those of the first route alone."""

    def is_served(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(filter(is_served, ("GET", "POST", "PUT", "PATCH", "DELETE")))


def install(app: FastAPI) -> None:
    """Answer every exception of a route as a problem."""
    app.state.troubles = Troubles()
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(errors.ServiceError, _on_refusal)
    app.add_exception_handler(DatabaseError, _on_database_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
