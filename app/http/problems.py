"""Problem responses (RFC 9457), and the table of status codes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.database.errors import DatabaseBusy, DatabaseError, DatabaseFull, OutcomeUnknown
from app.http.errors import (
    IDEMPOTENCY_KEY,
    LOOK,
    REPEAT,
    BodyTooLarge,
    Busy,
    HeadTooLarge,
    InvalidApiKey,
    InvalidRequest,
    InvalidUrl,
    MalformedRequest,
    MaybeStored,
    MissingScope,
    NotReady,
    PreflightRefused,
    ProblemError,
    RequestTimeout,
    TooManyRequests,
    UnsupportedBody,
    invalid,
)
from app.http.paths import allowed_methods, without_slash
from app.logs.throttled import ThrottledLog
from app.schemas.inference import InferenceError
from app.schemas.problems import FieldError, Problem
from app.services.errors import Conflict, InProgress, InvalidInput, KeyReused, ModelFailed, NotFound, PreconditionFailed

INFERENCE: Final = "/v2"
"""The prefix of the Open Inference Protocol, whose errors have a form of their own."""


class _Reply(NamedTuple):
    """Status, `Retry-After`, and a text in place of the error's own."""

    status: HTTPStatus
    retry_after_s: int | None = None
    detail: str | None = None


REPLIES: Final[dict[type[Exception], _Reply]] = {
    PreflightRefused: _Reply(HTTPStatus.BAD_REQUEST),
    InvalidApiKey: _Reply(HTTPStatus.UNAUTHORIZED),
    MissingScope: _Reply(HTTPStatus.FORBIDDEN),
    NotFound: _Reply(HTTPStatus.NOT_FOUND),
    Conflict: _Reply(HTTPStatus.CONFLICT),
    InProgress: _Reply(HTTPStatus.CONFLICT, 1),
    PreconditionFailed: _Reply(HTTPStatus.PRECONDITION_FAILED),
    BodyTooLarge: _Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    MalformedRequest: _Reply(HTTPStatus.BAD_REQUEST),
    InvalidUrl: _Reply(HTTPStatus.BAD_REQUEST),
    HeadTooLarge: _Reply(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    RequestTimeout: _Reply(HTTPStatus.REQUEST_TIMEOUT),
    UnsupportedBody: _Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    InvalidRequest: _Reply(HTTPStatus.UNPROCESSABLE_ENTITY),
    InvalidInput: _Reply(HTTPStatus.UNPROCESSABLE_ENTITY),
    KeyReused: _Reply(HTTPStatus.UNPROCESSABLE_ENTITY),
    TooManyRequests: _Reply(HTTPStatus.TOO_MANY_REQUESTS),
    Busy: _Reply(HTTPStatus.SERVICE_UNAVAILABLE, 1),
    NotReady: _Reply(HTTPStatus.SERVICE_UNAVAILABLE, 5),
    MaybeStored: _Reply(HTTPStatus.SERVICE_UNAVAILABLE),
    DatabaseBusy: _Reply(
        HTTPStatus.SERVICE_UNAVAILABLE, 1, "The database is busy; nothing was stored. Try again later."
    ),
    DatabaseFull: _Reply(
        HTTPStatus.INSUFFICIENT_STORAGE, 60, "The database is full; nothing was stored. Try again later."
    ),
    DatabaseError: _Reply(
        HTTPStatus.SERVICE_UNAVAILABLE,
        5,
        "The database cannot be used at the moment; nothing was stored. Try again later.",
    ),
    ModelFailed: _Reply(HTTPStatus.INTERNAL_SERVER_ERROR),
    Exception: _Reply(
        HTTPStatus.INTERNAL_SERVER_ERROR, None, "An unexpected error occurred; the log has it under this request_id."
    ),
}

EXPECTED: Final = tuple({*REPLIES, RequestValidationError} - {Exception})

# For OpenAPI.
MEANINGS: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The request is not valid HTTP/1.1, or a preflight request asks for what is not allowed.",
    HTTPStatus.UNAUTHORIZED: "The key in `X-API-Key` or `Authorization` is missing or wrong.",
    HTTPStatus.FORBIDDEN: "The key lacks the scope of this route.",
    HTTPStatus.NOT_FOUND: "The prediction does not exist or has no drawing.",
    HTTPStatus.REQUEST_TIMEOUT: "The request was not sent in time.",
    HTTPStatus.CONFLICT: "Another request with this `Idempotency-Key` is in progress; try again after `Retry-After`.",
    HTTPStatus.PRECONDITION_FAILED: "The record no longer has the `ETag` of `If-Match`; nothing was changed.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this route accepts.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is compressed or not in UTF-8, or its Content-Type is too long.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is invalid; `errors` lists the invalid parts.",
    HTTPStatus.TOO_MANY_REQUESTS: "This address or key has reached its rate limit; try again after `Retry-After`.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers or the URL are too large.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The model failed on a drawing, and nothing was stored; or an unexpected error.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be used; nothing was stored. Try again after `Retry-After`. "
    "If `stored` is `unknown`, `detail` says what to do.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The disk is full; nothing was stored. Try again after `Retry-After`.",
}

INFERENCE_MEANINGS: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The request is invalid; `error` says what is wrong.",
    HTTPStatus.NOT_FOUND: "There is no such model or version.",
}

_LIMIT: Final = "Input should be greater than or equal to 1"
EXAMPLES: Final[dict[int, dict[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: {"detail": "Invalid API key"},
    HTTPStatus.FORBIDDEN: {"detail": "The key phone lacks the scope label; use a key that has it."},
    HTTPStatus.UNPROCESSABLE_ENTITY: {
        "detail": f"query.limit: {_LIMIT}",
        "errors": [FieldError(loc=["query", "limit"], msg=_LIMIT, type="greater_than_equal")],
    },
}


def problem_of(status: int, detail: str, request_id: str, **members: Any) -> Problem:
    title = HTTPStatus(status).phrase
    members = {"title": title, "status": status, "detail": detail, "request_id": request_id, **members}
    return Problem(type="about:blank", **members)


def problem_response(error: Exception, request_id: str, *, inference: bool = False) -> Response:
    reply = next(REPLIES[kind] for kind in type(error).__mro__ if kind in REPLIES)
    headers = dict(error.headers) if isinstance(error, ProblemError) else {}
    if reply.retry_after_s is not None:
        headers["Retry-After"] = str(reply.retry_after_s)
    members: dict[str, Any] = {}
    match error:
        case InvalidRequest():
            members["errors"] = error.errors
        case NotReady():
            members["checks"] = error.checks
        case MaybeStored():
            members["stored"] = "unknown"
    detail = reply.detail or str(error)
    if inference:
        return _inference_response(reply.status, detail, headers)
    return _response(reply.status, detail, request_id, headers, members)


def inference_status(status: int) -> int:
    return HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def _inference_response(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    error = InferenceError(error=detail)
    return JSONResponse(error.model_dump(), status_code=inference_status(status), headers=headers)


def _response(
    status: int, detail: str, request_id: str, headers: Mapping[str, str], members: Mapping[str, Any]
) -> Response:
    problem = problem_of(status, detail, request_id, **members)
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def response_to(request: Request, error: Exception) -> Response:
    match error:
        case InvalidInput():
            error = invalid(error.under, error.place, str(error))
        case KeyReused():
            error = invalid("header", IDEMPOTENCY_KEY, str(error))
        case RequestValidationError():
            error = InvalidRequest(error.errors())
        case DatabaseError() | ModelFailed():
            log: ThrottledLog = request.app.state.runtime.errors
            log.error(f"{type(error).__name__}: {error}", request.state.request_id)
            if isinstance(error, OutcomeUnknown):
                usual = REPEAT if request.method in ("GET", "HEAD") else LOOK
                error = MaybeStored(request.scope["state"].get("advice", usual))
    return problem_response(error, request.state.request_id, inference=_is_inference(request))


def _is_inference(request: Request) -> bool:
    path: str = request.scope["path"]
    return path == INFERENCE or path.startswith(f"{INFERENCE}/")


async def _on_error(request: Request, error: Exception) -> Response:
    return response_to(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND and (shorter := without_slash(request)):
        return RedirectResponse(shorter)
    headers = dict(error.headers or {})
    is_ping = (request.method, request.scope["path"]) == ("OPTIONS", "*")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED or is_ping:
        headers["Allow"] = allowed_methods(request)
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    if _is_inference(request):
        return _inference_response(error.status_code, str(error.detail), headers)
    return _response(error.status_code, str(error.detail), request.state.request_id, headers, {})


def install(app: FastAPI) -> None:
    for kind in EXPECTED:
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
