"""A key, or else the application's own login: one dependency for both, and both in the OpenAPI document."""

from __future__ import annotations

from contextvars import ContextVar
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.models import SecurityBase as SchemeModel
from fastapi.params import Security
from fastapi.requests import HTTPConnection
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes  # noqa: TC002 - FastAPI reads annotations when the program runs
from fastapi.security.base import SecurityBase

from keyfob.fastapi.requirement import BearerKey, api_key
from keyfob.gate.verdict import Grant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message

_RESULT: Final = "keyfob.otherwise"  # the key of the scope under which the answer of *otherwise* is handed back
_HANDLERS: Final = "starlette.exception_handlers"


_app: ContextVar[object] = ContextVar("keyfob_app", default=None)


class _Overrides:
    """Hands on the overrides of whichever application the request under way is for."""

    @property
    def dependency_overrides(self) -> dict[Any, Any]:
        """What tests have put in the place of dependencies."""
        return getattr(_app.get(), "dependency_overrides", {})


class _Described(SecurityBase):
    """Shows a security scheme of the application's login in the document. It reads nothing."""

    def __init__(self, name: str, scheme: Mapping[str, Any]) -> None:
        self.model = SchemeModel(**scheme)
        self.scheme_name = name

    async def __call__(self) -> None:
        """Do nothing."""


async def _key_if_any(
    connection: HTTPConnection, security: SecurityScopes, _: Annotated[None, Depends(BearerKey())]
) -> Grant | None:
    """Return the grant, or None where the request carries no key. Raises like `api_key`."""
    if connection.scope.get("keyfob", security) is None:
        return None
    return await api_key(connection, security, None)


class Alternative:
    """A dependency: the grant if there is a key, else whatever *otherwise* answers."""

    def __init__(self, needed: tuple[str, ...], otherwise: Callable[..., Any]) -> None:
        """*needed* are permissions; *otherwise* is a dependency of the application."""
        # A route of its own, because that is FastAPI's public way to resolve a dependency only when it is needed.
        self._route = _route_of(otherwise)
        parameters = {
            "connection": Parameter("connection", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
            "grant": Parameter(
                "grant", Parameter.KEYWORD_ONLY, default=Security(_key_if_any, scopes=needed), annotation=Grant | None
            ),
        }
        for place, (name, scheme) in enumerate(_schemes_of(self._route).items()):
            stub = f"scheme_{place}"
            parameters[stub] = Parameter(
                stub, Parameter.KEYWORD_ONLY, default=Depends(_Described(name, scheme)), annotation=None
            )
        self.__signature__ = Signature(list(parameters.values()))

    async def __call__(self, *, connection: HTTPConnection, grant: Grant | None, **_: None) -> object:
        """Return the grant, or ask the application."""
        return grant if grant is not None else await self._ask_application(connection)

    async def _ask_application(self, connection: HTTPConnection) -> object:
        """Resolve the application's dependency for this request. Raises whatever it raises."""
        scope = {name: value for name, value in connection.scope.items() if name != _HANDLERS}
        scope |= {"type": "http", "method": scope.get("method", "GET"), "path_params": {}}
        _app.set(scope.get("app"))

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Message) -> None:
            """Nobody reads it: the result is in the scope."""

        await self._route.handle(scope, receive, send)
        return scope[_RESULT]


def _route_of(otherwise: Callable[..., Any]) -> APIRoute:
    async def endpoint(connection: HTTPConnection, found: Any = Depends(otherwise)) -> Response:  # noqa: ANN401, B008 - whatever the application returns
        connection.scope[_RESULT] = found
        return Response()

    endpoint.__annotations__ = {"connection": HTTPConnection, "found": Any, "return": Response}
    route = APIRoute("/", endpoint, methods=["GET"], dependency_overrides_provider=_Overrides())
    route.methods = set()  # it is asked whatever the method of the request is
    return route


def _schemes_of(route: APIRoute) -> dict[str, Any]:
    """The security schemes that *route* would have in a document."""
    app = FastAPI()
    app.add_api_route("/", route.endpoint, methods=["GET"])
    schemes: dict[str, Any] = app.openapi().get("components", {}).get("securitySchemes", {})
    return schemes
