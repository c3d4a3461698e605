"""For FastAPI: a route says in its own words which permissions it needs, and its OpenAPI document tells them.

::

    @app.get("/items", dependencies=[require("items:read")])
    async def items(): ...

    @app.post("/items")
    async def add(grant: Annotated[Grant, require("items:write")]): ...

`keyfob.APIKeyMiddleware` goes around the application as always; its rules come first, and this asks for more.
FastAPI is not installed with Keyfob.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.openapi.models import HTTPBearer
from fastapi.params import Security
from fastapi.requests import HTTPConnection  # noqa: TC002 - FastAPI reads annotations when the program runs
from fastapi.responses import Response
from fastapi.security import SecurityScopes  # noqa: TC002 - as above
from fastapi.security.base import SecurityBase

from keyfob.asgi.route_guard import check_route, needed_of, refusal_of, refusals_of
from keyfob.gate.verdict import Denied, Grant

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyfob.asgi.responses import DenialResponses

__all__ = ["KeyRefused", "api_key", "require"]

_HANDLERS = "starlette.exception_handlers"  # where Starlette keeps those of the application


class KeyRefused(HTTPException):
    """A route refused a request: 401 without a key, 403 for a key that lacks a permission.

    The answer is the middleware's own, problem and all, unless the application has an exception handler for this class
    or for the status.
    """

    def __init__(self, denied: Denied, refusals: DenialResponses) -> None:
        """*denied* says why, *refusals* what is answered."""
        status, headers, problem = refusal_of(denied, refusals)
        super().__init__(status, detail=problem["detail"], headers=headers)
        self.denied = denied
        self.refusals = refusals


class _Answer(Response):
    """What the middleware would have answered, over HTTP and before a WebSocket is accepted."""

    def __init__(self, refused: KeyRefused) -> None:
        super().__init__(status_code=refused.status_code, headers=refused.headers)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del receive
        await self._refused.refusals.refuse(self._refused.denied, scope, send)


class _BearerKey(SecurityBase):
    """How a key is sent, for the OpenAPI document. It reads nothing: the middleware took the header away."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An API key, sent as `Authorization: Bearer <key>`.")
        self.scheme_name = "Keyfob"

    async def __call__(self) -> None:
        """Do nothing."""


async def api_key(
    connection: HTTPConnection, security: SecurityScopes, _: Annotated[None, Depends(_BearerKey())]
) -> Grant:
    """Give the grant of the request. This is what `require` depends on, for ``app.dependency_overrides``.

    Raises:
        KeyRefused: there is no key, or it lacks one of the permissions that were required on the way here.
        ConfigError: no `keyfob.APIKeyMiddleware` is around the application.

    """
    found = check_route(connection.scope, needed_of(security.scopes))
    if isinstance(found, Denied):
        # A dependency can answer with nothing but an exception, and what FastAPI answers to one differs from ours. So
        # this one brings its handler along. Where Starlette keeps them elsewhere, status and challenge are still right.
        if _HANDLERS in connection.scope:
            handlers, _by_status = connection.scope[_HANDLERS]
            handlers.setdefault(KeyRefused, _answer)
        raise KeyRefused(found, refusals_of(connection.scope))
    return found


async def _answer(_: HTTPConnection, refused: KeyRefused) -> Response:
    return _Answer(refused)


class _Requirement(Security):
    """A ``Security`` that may itself be what another ``Security`` or ``Depends`` depends on."""

    @property
    def __signature__(self) -> Signature:
        """The one parameter by which FastAPI finds this again where it is wrapped."""
        return Signature([Parameter("grant", Parameter.KEYWORD_ONLY, default=self, annotation=Grant)])

    async def __call__(self, *, grant: Grant) -> Grant:
        """Hand on what the dependency gave."""
        return grant


def require(*permissions: str) -> Any:  # noqa: ANN401 - as FastAPI's own Security(), so that it can be a default value
    """Make a ``Security`` dependency on a key that holds all *permissions*, or on any valid key. It gives the `Grant`.

    Raises:
        ConfigError: one of them is not a permission, or is a wildcard.

    """
    return _Requirement(api_key, scopes=needed_of(permissions))
