from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.config import get_settings
from app.http.problems import EXAMPLES, INFERENCE_MEANINGS, MEANINGS, inference_status, problem_of
from app.schemas.classify import BatchRequest, ClassifyRequest
from app.schemas.inference import InferenceError, InferRequest
from app.schemas.keys import KeyCreate
from app.schemas.labels import LabelUpdate
from app.schemas.problems import EXAMPLE_ID, Problem
from app.schemas.results import NotesUpdate

NEXT_PAGE: Final = {"Link": {"description": '`rel="next"`: the next page.', "schema": {"type": "string"}}}

_BEARER: Final = {
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key in `Authorization`.",
    }
}

_LIMIT_HEADERS: Final[dict[str, Any]] = {
    name: {"description": f"{meaning}; only if the request counted towards a limit.", "schema": {"type": "string"}}
    for name, meaning in {
        "RateLimit": 'What is left, and the seconds until it is more: `"classify";r=29;t=57`',
        "RateLimit-Policy": 'The limit, and its window in seconds: `"classify";q=30;w=60`',
    }.items()
}

BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}


def documented(
    *statuses: int, inference: bool = False, meanings: Mapping[int, str] | None = None, **members: Any
) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route, with these members in their examples."""
    if inference:
        return {status: _documented_inference(status) for status in map(inference_status, statuses)}
    responses: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        meaning = {**MEANINGS, **(meanings or {})}[status]
        example = problem_of(
            status, request_id=EXAMPLE_ID, **{"detail": meaning, **EXAMPLES.get(status, {}), **members}
        )
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump(exclude_none=True)}
        responses[status] = {"description": meaning, "content": {"application/problem+json": content}}
    return responses


def _documented_inference(status: int) -> dict[str, Any]:
    meaning = INFERENCE_MEANINGS.get(status) or MEANINGS[status]
    content = {"schema": {"$ref": "#/components/schemas/InferenceError"}, "example": {"error": meaning}}
    return {"description": meaning, "content": {"application/json": content}}


def request_body(content: Mapping[str, type[BaseModel] | dict[str, Any]]) -> dict[str, Any]:
    """Document a body that is in no route's signature, by media type."""
    return {
        "requestBody": {"required": True, "content": {kind: {"schema": _ref(body)} for kind, body in content.items()}}
    }


def _ref(schema: type[BaseModel] | dict[str, Any]) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {"$ref": f"#/components/schemas/{schema.__name__}"}


def complete(app: FastAPI) -> None:
    """Complete the schema where FastAPI does not derive it from the routes."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schema["components"]["schemas"].update(_more_schemas())
            schema["components"]["securitySchemes"].update(_BEARER)
            for operation in _operations(schema):
                _correct(operation, public=get_settings().public_results)
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it.


_BODIES: Final = (ClassifyRequest, BatchRequest, LabelUpdate, NotesUpdate, InferRequest, KeyCreate)


def _more_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [
            *((body, "validation") for body in _BODIES),
            *((error, "serialization") for error in (Problem, InferenceError)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def _operations(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema["paths"].values():
        yield from path.values()


def _correct(operation: dict[str, Any], *, public: bool) -> None:
    if "security" in operation:
        (scopes,) = operation["security"][0].values()
        operation["security"].insert(1, {"Bearer": scopes})
    if not public and {} in operation.get("security", ()):
        operation["security"].remove({})
    if "429" in operation["responses"]:
        for status in operation["responses"].keys() & {"200", "401", "429"}:
            operation["responses"][status].setdefault("headers", {}).update(_LIMIT_HEADERS)
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        # A parameter is left out, not null.
        if "anyOf" in schema:
            schema.update(schema.pop("anyOf")[0])
        # FastAPI writes 1 as 1.0.
        if schema.get("type") == "integer":
            schema.update({bound: int(schema[bound]) for bound in ("minimum", "maximum") if bound in schema})
