"""Litestar integration: a guard with which a handler, a controller or a router requires permissions.

::

    @get("/items", guards=[requires("items:read")])
    async def items(request: Request) -> ...: ...

`keyfob.APIKeyMiddleware` is one of the application's middlewares, ``DefineMiddleware(APIKeyMiddleware, …)``. Its rules
come first; a guard can only require more. Keyfob does not install Litestar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException, WebSocketException
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.problem_details import ProblemDetailsException

from keyfob.asgi.route_guard import check_route, needed_of, refusal_of, refusals_of
from keyfob.gate.verdict import Denied, Reason

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard

__all__ = ["OPENAPI_COMPONENTS", "KeyLacksPermission", "KeyMissing", "requires"]

OPENAPI_COMPONENTS: Final = Components(
    security_schemes={
        "Keyfob": SecurityScheme(
            type="http", scheme="bearer", description="An API key, sent as `Authorization: Bearer <key>`."
        )
    }
)
"""Describes how to send a key, for ``OpenAPIConfig(components=…, security=[{"Keyfob": []}])``."""

_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


class _Refused(ProblemDetailsException):
    """A denial, which Litestar's ``ProblemDetailsPlugin`` sends as the middleware would."""

    def __init__(self, denied: Denied, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        status, headers, problem = refusal_of(denied, refusals_of(connection.scope))
        super().__init__(
            detail=problem["detail"],
            status_code=status,
            headers=headers,
            extra={name: problem[name] for name in ("code", "request_id") if name in problem},
            type_=problem["type"],
            title=problem["title"],
        )


class KeyMissing(_Refused, NotAuthorizedException):
    """The handler needs a key, but a public rule admitted the request without one: 401."""


class KeyLacksPermission(_Refused, PermissionDeniedException):
    """The key lacks a permission that the handler needs: 403."""


def requires(*permissions: str) -> Guard:
    """Return a guard that admits keys which cover all *permissions*, or any valid key if none is given.

    A WebSocket is closed before it is accepted, which clients see as 403.

    Raises:
        ConfigError: one of them is not a permission, or is a wildcard.

    """
    needed = needed_of(permissions)

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        found = check_route(connection.scope, needed)
        if not isinstance(found, Denied):
            return
        if connection.scope["type"] == ScopeType.WEBSOCKET:
            raise WebSocketException(detail="", code=_POLICY_VIOLATION)
        refused = KeyMissing if found.reason is Reason.MISSING else KeyLacksPermission
        raise refused(found, connection)

    return guard
