"""A dependency that requires a key and its permissions; it shows both in the OpenAPI document."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated

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

SCHEME = "Keyfob"  # the name of the security scheme in the document
_HANDLERS = "starlette.exception_handlers"  # where Starlette keeps the application's handlers


class KeyRefused(HTTPException):
    """A route denied a request: 401 without a key, 403 for a key that lacks a permission.

    The response equals the middleware's, including the problem, unless the application has an exception handler for
    this class or for the status.
    """

    def __init__(self, denied: Denied, refusals: DenialResponses) -> None:
        """*denied* holds the reason, *refusals* the responses."""
        status, headers, problem = refusal_of(denied, refusals)
        super().__init__(status, detail=problem["detail"], headers=headers)
        self.denied = denied
        self.refusals = refusals


class _Answer(Response):
    """The response that the middleware would send, over HTTP and before a WebSocket is accepted."""

    def __init__(self, refused: KeyRefused) -> None:
        super().__init__(status_code=refused.status_code, headers=refused.headers)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        del receive
        await self._refused.refusals.refuse(self._refused.denied, scope, send)


class BearerKey(SecurityBase):
    """Describes in the OpenAPI document how to send a key. Reads nothing: the middleware removed the header."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An API key, sent as `Authorization: Bearer <key>`.")
        self.scheme_name = SCHEME

    async def __call__(self) -> None:
        """Do nothing."""


async def api_key(
    connection: HTTPConnection, security: SecurityScopes, _: Annotated[None, Depends(BearerKey())]
) -> Grant:
    """Return the grant of the request. `require` depends on this; override it with ``app.dependency_overrides``.

    Raises:
        KeyRefused: there is no key, or it lacks a permission that the route or its routers require.
        ConfigError: no `keyfob.APIKeyMiddleware` is around the application.

    """
    found = check_route(connection.scope, needed_of(security.scopes))
    if isinstance(found, Denied):
        # A dependency can answer only with an exception, and FastAPI's response to one differs from ours. So this
        # registers its own handler. If Starlette keeps handlers elsewhere, status and challenge are still right.
        if _HANDLERS in connection.scope:
            handlers, _by_status = connection.scope[_HANDLERS]
            handlers.setdefault(KeyRefused, _answer)
        raise KeyRefused(found, refusals_of(connection.scope))
    return found


async def _answer(_: HTTPConnection, refused: KeyRefused) -> Response:
    return _Answer(refused)


class Requirement(Security):
    """A ``Security`` that another ``Security`` or ``Depends`` can depend on."""

    @property
    def __signature__(self) -> Signature:
        """The parameter through which FastAPI finds this dependency when it is wrapped."""
        return Signature([Parameter("grant", Parameter.KEYWORD_ONLY, default=self, annotation=Grant)])

    async def __call__(self, *, grant: Grant) -> Grant:
        """Return the grant from the dependency."""
        return grant
