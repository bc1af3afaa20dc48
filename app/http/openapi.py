"""What FastAPI cannot see by itself, added to OpenAPI: the errors of each route and the bodies read as bytes."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.schemas.classify import BatchRequest, ClassifyRequest
from app.schemas.problems import EXAMPLE_ID, FieldError, Problem

_MEANING = {
    HTTPStatus.UNAUTHORIZED: "The key in `X-API-Key` is missing or wrong.",
    HTTPStatus.NOT_FOUND: "There is no such prediction, or it has no drawing.",
    HTTPStatus.CONFLICT: "The request with this `Idempotency-Key` is under way; try again after `Retry-After`.",
    HTTPStatus.PRECONDITION_FAILED: "The record no longer has the `ETag` of If-Match; nothing was changed.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this route takes; it was not read.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request does not have the documented shape; `errors` says where.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests from this address; `Retry-After` says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The database cannot be used; nothing was stored, unless `stored` is `unknown`. Try again after `Retry-After`."
    ),
    HTTPStatus.INSUFFICIENT_STORAGE: "The disk is full; nothing was stored. Try again after `Retry-After`.",
}


# What the example of an error has besides the members of every one.
_MEMBERS: dict[HTTPStatus, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: {"detail": "Invalid API key"},
    HTTPStatus.UNPROCESSABLE_ENTITY: {
        "detail": "query.limit: Input should be greater than or equal to 1",
        "errors": [
            FieldError(
                loc=["query", "limit"], msg="Input should be greater than or equal to 1", type="greater_than_equal"
            )
        ],
    },
}


def documented(*statuses: int, **members: Any) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI: each error it can give, with an example that has these members."""
    documentation: dict[int | str, dict[str, Any]] = {}
    for status in map(HTTPStatus, statuses):
        plain = {"title": status.phrase, "status": status, "detail": _MEANING[status], "request_id": EXAMPLE_ID}
        example = Problem(type="about:blank", **{**plain, **_MEMBERS.get(status, {}), **members})
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump(exclude_none=True)}
        documentation[int(status)] = {
            "description": _MEANING[status],
            "content": {"application/problem+json": content},
        }
    return documentation


def add_shapes(app: FastAPI) -> None:
    """Add to OpenAPI the shapes that FastAPI cannot see: the body that is read as bytes, and the errors' form."""
    generate = app.openapi
    _, shapes = models_json_schema(
        [(ClassifyRequest, "validation"), (BatchRequest, "validation"), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )

    def openapi() -> dict[str, Any]:
        schema = generate()
        schema["components"]["schemas"].update(shapes["$defs"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it.
