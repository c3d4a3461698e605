"""The admin application: the table of calls behind Keyfob's own middleware."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.routing import Route as Path

from keyfob import APIKeyMiddleware
from keyfob.gate.credentials import CREDENTIAL_HEADERS
from keyfob_admin.api import READYZ, TABLE, Endpoint, VerboseGuard, log_failure
from keyfob_admin.api.openapi import describe
from keyfob_admin.api.route import by_path, guard_rules
from keyfob_admin.forward_auth import AskedByGet, policy_routes
from keyfob_admin.metrics import GUARD, metrics_routes
from keyfob_admin.problems import TITLES, Problem, internal, problem_of, problem_response
from keyfob_admin.wire.public_prefix import PublicPrefix

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from keyfob.runtime.runtime import Runtime


def build_admin(
    runtime: Runtime, *, pages: Sequence[BaseRoute] = (), lifespan: Callable[[Starlette], Any] | None = None
) -> Starlette:
    """Make the admin application around *runtime*, forward-auth included. It may be mounted below a prefix.

    Args:
        runtime: the running installation; its owner starts and stops it.
        pages: routes outside ``/v1/`` that need no key, such as the console's.
        lifespan: what runs beside the requests, as Starlette takes it.

    Raises:
        ConfigError: the roles or memberships of the configuration are wrong.
    """
    runtime.check_people()
    endpoints: dict[str, ASGIApp] = {path: Endpoint(methods, runtime) for path, methods in by_path(TABLE).items()}
    endpoints[READYZ] = VerboseGuard(endpoints[READYZ], runtime, credential_headers=CREDENTIAL_HEADERS)
    calls = [Path(path, endpoint) for path, endpoint in endpoints.items()]
    routes = [*calls, *policy_routes(runtime), *metrics_routes(runtime), Path("/openapi.json", _document()), *pages]
    own = {route.path.split("/")[1] for route in routes if isinstance(route, Path | Mount)}
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(PublicPrefix, url=runtime.settings.admin.url, own=own),
            Middleware(AskedByGet),
            # The admin API takes a key where it always does, whatever the settings say for the application.
            Middleware(
                APIKeyMiddleware,
                runtime=runtime,
                rules={**guard_rules(TABLE), **GUARD},
                credential_headers=CREDENTIAL_HEADERS,
            ),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: answer_http_exception, Exception: answer_exception},
    )
    app.router.redirect_slashes = False  # a redirect would disclose which paths exist
    app.state.runtime = runtime
    return app


def _document() -> Callable[[Request], Awaitable[Response]]:
    """Describe the API once, and serve the description with the prefix that the API is mounted under."""
    document = describe(TABLE, version=version("keyfob"))

    async def openapi(request: Request) -> Response:
        prefix = request.scope.get("root_path", "").rstrip("/")
        return JSONResponse({**document, "servers": [{"url": prefix or "/"}]})

    return openapi


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Describe what Starlette refuses by itself, mostly an unknown path."""
    status = error.status_code if isinstance(error, HTTPException) and error.status_code in TITLES else 404
    code = TITLES[status].lower().replace(" ", "_")
    headers = error.headers if isinstance(error, HTTPException) else None
    return problem_response(request.scope, problem_of(Problem(status, code, f"{TITLES[status]}.")), headers)


async def answer_exception(request: Request, error: Exception) -> Response:
    """Log what went wrong, and say only that something did."""
    log_failure(request.scope, error)
    return problem_response(request.scope, internal())
