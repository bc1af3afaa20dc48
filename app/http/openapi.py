from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.http.problems import EXAMPLES, MEANINGS, problem_of
from app.schemas.classify import BatchRequest, ClassifyRequest
from app.schemas.problems import EXAMPLE_ID, Problem


def documented(*statuses: int, **members: Any) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route, with these members in their examples."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        meaning = MEANINGS[status]
        example = problem_of(
            status, request_id=EXAMPLE_ID, **{"detail": meaning, **EXAMPLES.get(status, {}), **members}
        )
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump(exclude_none=True)}
        responses[status] = {"description": meaning, "content": {"application/problem+json": content}}
    return responses


def add_schemas(app: FastAPI) -> None:
    """Add schemas that are in no route's signature."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        schema["components"]["schemas"].update(_more_schemas())
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it.


def _more_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(ClassifyRequest, "validation"), (BatchRequest, "validation"), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions
