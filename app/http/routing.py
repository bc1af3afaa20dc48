"""Routes that check the key and the query string before anything else."""

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.authentication import RequireKey, RequireKeyUnlessPublic
from app.http.errors import InvalidRequest

_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_UTF8: Final = re.compile("[\ud800-\udfff]")


class ApiRoute(APIRoute):
    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[Dependency] | None = None,
        **options: Any,
    ) -> None:
        if any(isinstance(one.dependency, RequireKeyUnlessPublic) for one in dependencies or ()):
            options["openapi_extra"] = {**(options.get("openapi_extra") or {}), "security": [{}]}
        # After the key, and before the parameters of the endpoint.
        super().__init__(path, endpoint, dependencies=[*(dependencies or ()), Depends(self.check_query)], **options)
        self._parameters = _parameters(self.dependant)

    async def check_query(self, request: Request) -> None:
        """Raise InvalidRequest for parameters that are unknown, repeated, empty or badly encoded."""
        if query := request.scope["query_string"]:
            _check(query.decode("latin-1"), self._parameters)


class BytesRoute(ApiRoute):
    """Calls the endpoint directly, because resolving its signature takes longer than classifying."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        needed = [part.call for part in self.dependant.dependencies if part.call != self.check_query]
        if len(needed) != 1 or not isinstance(needed[0], RequireKey):
            raise TypeError(f"{self.path} must depend on a key, and on nothing else")
        self._check_key = needed[0]

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI application, without Starlette's router."""
        scope["route"] = self
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self._answer

    async def _answer(self, request: Request) -> Response:
        client = await self._check_key(request)
        await self.check_query(request)
        response: Response = await self.endpoint(request=request, client=client)
        return response


def direct_routes(router: APIRouter) -> dict[tuple[str, str], ASGIApp]:
    """Return the routes, by method and path, that need neither Starlette's router nor its error handlers."""
    routes = [route for route in router.routes if isinstance(route, BytesRoute)]
    return {(method, route.path): route.respond for route in routes for method in route.methods or ()}


def _parameters(dependant: Dependant) -> frozenset[str]:
    names: set[str] = set()
    for field in dependant.query_params:
        kind: Any = field.field_info.annotation
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        names |= kind.model_fields.keys() if is_model else {field.alias}
    return frozenset(names)


def _check(query: str, known: frozenset[str]) -> None:
    errors: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for part in filter(None, query.split("&")):
        name, _, value = (unquote_plus(piece, errors="surrogateescape") for piece in part.partition("="))
        if name not in known:
            errors[""] = {"loc": [name], "msg": "", "type": "extra_forbidden"}
        elif reason := _reason(part, value, is_repeated=name in seen):
            errors[name] = {"loc": [name], "msg": reason, "type": "parameter"}
        seen.add(name)
    if errors:
        raise InvalidRequest(list(errors.values()), under=["query"])


def _reason(part: str, value: str, *, is_repeated: bool) -> str | None:
    if is_repeated:
        return "The parameter is given more than once"
    if not value:
        return "The parameter is empty; leave it out or give it a value"
    if _BROKEN_ESCAPE.search(part) or _NOT_UTF8.search(value) or "\0" in value:
        return "The parameter must be percent-encoded UTF-8 without NUL"
    return None
