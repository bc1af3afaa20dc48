from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.config import get_settings
from app.http.errors import PreflightRefused
from app.http.problems import response_to

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Inference-Header-Content-Length",
    "X-API-Key",
    "X-Request-ID",
    "traceparent",
)
RESPONSE_HEADERS = (
    "Content-Disposition",
    "ETag",
    "Inference-Header-Content-Length",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Export-Manifest",
    "X-Request-ID",
)


class AllowedOrigins:
    """Lets pages of CORS_ORIGINS call the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._with_cors: dict[tuple[str, ...], CORSMiddleware] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cors = self._allowing(get_settings().cors_origins)
        headers = Headers(scope=scope)
        if scope["method"] != "OPTIONS" or "origin" not in headers or "access-control-request-method" not in headers:
            await cors(scope, receive, send)
            return
        response = cors.preflight_response(headers)
        if response.status_code != 200:
            problem = response_to(Request(scope), PreflightRefused())
            for name, value in response.headers.items():
                problem.headers.setdefault(name, value)
            response = problem
        await response(scope, receive, send)

    def _allowing(self, origins: tuple[str, ...]) -> CORSMiddleware:
        if origins not in self._with_cors:
            self._with_cors[origins] = CORSMiddleware(
                self.app,
                allow_origins=origins,
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=REQUEST_HEADERS,
                expose_headers=RESPONSE_HEADERS,
            )
        return self._with_cors[origins]
