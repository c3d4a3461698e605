"""The same routes in the routers of real frameworks. Every handler notes that it ran, and the path its router saw."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import django
import falcon
import falcon.asgi
from blacksheep import Application, Response, Router, WebSocket
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.urls import clear_url_caches
from django.urls import path as django_path
from falcon.routing.compiled import UnacceptableRouteError
from fastapi import APIRouter, FastAPI
from litestar import HttpMethod, Litestar, Request, route
from quart import Quart
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from tests.differential.oracle import Eyes
from tests.differential.world import EVERY_METHOD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar.config.app import AppConfig
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp
    from starlette.websockets import WebSocket as StarletteWebSocket


@dataclass(frozen=True)
class Way:
    """One route: a template, and its methods; WS is one for handshakes."""

    template: str
    methods: tuple[str, ...]


@dataclass
class Ran:
    """What ran for the request that is under way."""

    handlers: list[tuple[str, str, str]] = field(default_factory=list)  # the template, the method, the path seen

    def note(self, template: str, method: str, path: str) -> None:
        self.handlers.append((template, method, path))


def ways(templates_and_methods: Sequence[tuple[str, tuple[str, ...]]]) -> list[Way]:
    """A route for each rule, with the methods that the rule is about."""
    found: dict[str, tuple[str, ...]] = {}
    for template, methods in templates_and_methods:
        asked = tuple(method for method in methods or (*EVERY_METHOD, "WS") if method != "HEAD") or ("GET",)
        found[template] = tuple(dict.fromkeys((*found.get(template, ()), *asked)))
    return [Way(template, methods) for template, methods in found.items()]


def _route_path(scope: Any) -> str:
    """What Starlette's router matches (`starlette.routing.get_route_path`), written out."""
    path, root_path = scope["path"], scope.get("root_path", "")
    is_below = root_path and path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in {"", "/"}
    return str(path[len(root_path) :] if is_below else path)


def starlette_routes(wanted: Sequence[Way], ran: Ran) -> list[BaseRoute]:
    made: list[BaseRoute] = []
    for way in wanted:
        http = [method for method in way.methods if method != "WS"]
        if http:
            made.append(Route(way.template, _handler(way.template, ran), methods=http))
        if "WS" in way.methods:
            made.append(WebSocketRoute(way.template, _socket_handler(way.template, ran)))
    return made


def _handler(template: str, ran: Ran) -> Callable[..., Any]:
    async def handler(request: HTTPConnection) -> PlainTextResponse:
        ran.note(template, request.scope["method"], _route_path(request.scope))
        return PlainTextResponse("ok")

    return handler


def _socket_handler(template: str, ran: Ran) -> Callable[..., Any]:
    async def handler(websocket: StarletteWebSocket) -> None:
        ran.note(template, "WS", _route_path(websocket.scope))
        await websocket.close()

    return handler


def starlette(wanted: Sequence[Way], ran: Ran, _: str) -> ASGIApp:
    return Starlette(routes=starlette_routes(wanted, ran))


def fastapi(wanted: Sequence[Way], ran: Ran, prefix: str) -> ASGIApp:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # root_path is deprecated, and in use
        app = FastAPI(openapi_url=None, root_path=prefix)
    half = len(wanted) // 2
    router = APIRouter()
    for way in wanted[:half]:
        router.routes += starlette_routes([way], ran)
    app.include_router(router)
    app.router.routes += starlette_routes(wanted[half:], ran)
    return app


def litestar(wanted: Sequence[Way], ran: Ran, _: str) -> ASGIApp:
    _check_places([way.template for way in wanted])
    handlers = []
    for way in wanted:
        methods = [HttpMethod(method) for method in way.methods if method != "WS"]
        if methods:
            handlers.append(route(_typed(way.template), http_method=methods)(_litestar_handler(way.template, ran)))

    def quiet(config: AppConfig) -> AppConfig:
        config.openapi_config = config.logging_config = None
        return config

    return _Litestar(handlers, on_app_init=[quiet])


class _Litestar(Litestar):
    """Keeps the path as it came to the router, which writes another into the scope."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kept: Any = {**scope, "path_sent": scope.get("path")}
        await super().__call__(kept, receive, send)


def _check_places(templates: Sequence[str]) -> None:
    """Raise ValueError where {x} and {x:path} stand at one place: Litestar takes them for one parameter.

    It runs whichever handler was registered last, for the paths of both; `keyfob.asgi.route_order` names such routes.
    """
    kinds: dict[str, set[bool]] = {}
    for template in templates:
        parts = template.rstrip("/").split("/")
        for place, part in enumerate(parts):
            if "{" in part:
                before = "/".join("{}" if "{" in one else one for one in parts[:place])
                kinds.setdefault(before, set()).add(part.endswith(":path}"))
    if any(len(kind) > 1 for kind in kinds.values()):
        raise ValueError


def _typed(template: str) -> str:
    return "/".join(f"{part[:-1]}:str}}" if "{" in part and ":" not in part else part for part in template.split("/"))


def _litestar_handler(template: str, ran: Ran) -> Callable[..., Any]:
    async def handler(request: Request[Any, Any, Any]) -> None:
        path, root_path = request.scope["path_sent"], request.scope.get("root_path")  # type: ignore[typeddict-item] # see `_Litestar`
        seen = path.split(root_path, maxsplit=1)[-1] if root_path else path
        ran.note(template, request.method, f"/{seen.strip('/')}")  # as its router does

    return handler


def quart(wanted: Sequence[Way], ran: Ran, _: str) -> ASGIApp:
    app = Quart("app", static_folder=None)
    for place, way in enumerate(wanted):
        methods = [method for method in way.methods if method != "WS"]
        if methods:
            made = _quart_handler(way.template, ran)
            rule = _angled(way.template, "{0}")
            app.add_url_rule(rule, str(place), made, methods=methods, provide_automatic_options=False)
    return app  # type: ignore[return-value] # an ASGI application with its own types


def _quart_handler(template: str, ran: Ran) -> Callable[..., Any]:
    async def handler(**_: str) -> str:
        ran.note(template, quart_request.method, quart_request.path)
        return "ok"

    return handler


def _angled(template: str, parameter: str) -> str:
    """Write the parameters as Django and Werkzeug do."""
    parts = [
        part if "{" not in part else f"<path:{part[1:-6]}>" if ":" in part else f"<{parameter.format(part[1:-1])}>"
        for part in template.split("/")
    ]
    return "/".join(parts)


def django_app(wanted: Sequence[Way], ran: Ran, prefix: str) -> ASGIApp:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="not secret here", LOGGING_CONFIG=None)
        django.setup(set_prefix=False)
    settings.FORCE_SCRIPT_NAME = prefix or None
    settings.APPEND_SLASH = False
    settings.ROOT_URLCONF = tuple(
        django_path(_angled(way.template, "str:{0}").lstrip("/"), _django_view(way, ran)) for way in wanted
    )
    clear_url_caches()
    return ASGIHandler()  # type: ignore[no-any-return]


def _django_view(way: Way, ran: Ran) -> Callable[..., Any]:
    async def view(request: Any, **_: str) -> HttpResponse:
        if request.method not in {*way.methods, *(["HEAD"] if "GET" in way.methods else [])}:
            return HttpResponse(status=405)
        ran.note(way.template, request.method, request.path_info)
        return HttpResponse("ok")

    return view


def blacksheep(wanted: Sequence[Way], ran: Ran, _: str) -> ASGIApp:
    app = Application(router=Router())
    for way in wanted:
        pattern = "/".join(
            f"{{path:{part[1:-6]}}}" if part.endswith(":path}") else part for part in way.template.split("/")
        )
        for method in way.methods:
            made = _blacksheep_socket(way, ran) if method == "WS" else _blacksheep_handler(way, ran)
            app.router.add(f"GET_{method}" if method == "WS" else method, pattern, made)
    return app


def _blacksheep_handler(way: Way, ran: Ran) -> Callable[..., Any]:
    async def handler(request: Any) -> Response:
        ran.note(way.template, request.method, _blacksheep_path(request.scope))
        return Response(200)

    return handler


def _blacksheep_socket(way: Way, ran: Ran) -> Callable[..., Any]:
    async def handler(websocket: WebSocket) -> None:
        ran.note(way.template, "WS", _route_path(websocket.scope))
        await websocket.close()

    return handler


def _blacksheep_path(scope: Any) -> str:
    raw = scope.get("raw_path") or scope["path"].encode()
    return _route_path({"path": raw.partition(b"?")[0].decode(), "root_path": scope.get("root_path", "")})


def falcon_app(wanted: Sequence[Way], ran: Ran, _: str) -> ASGIApp:
    app = falcon.asgi.App()
    for way in wanted:
        methods = {method for method in way.methods if method != "WS"}
        if not methods:
            continue
        try:
            app.add_route(way.template, _resource(way.template, methods, ran))
        except (ValueError, UnacceptableRouteError):
            continue  # Falcon refuses routes that it could confuse
    return app  # type: ignore[return-value] # an ASGI application with its own types


def _resource(template: str, methods: set[str], ran: Ran) -> Any:
    async def respond(_: Any, request: Any, __: Any, **___: str) -> None:
        ran.note(template, request.method, request.path)

    return type("Resource", (), {f"on_{method.lower()}": respond for method in methods})()


@dataclass(frozen=True)
class Framework:
    """How to make an application, and how its router compares."""

    name: str
    make: Callable[[Sequence[Way], Ran, str], ASGIApp]
    eyes: Eyes
    share: float  # of the requests: some take longer
    sets_prefix: bool = False
    ignores_root: bool = False
    has_sockets: bool = False


STRICT = Eyes()
FRAMEWORKS = [
    Framework("starlette", starlette, STRICT, 0.36, has_sockets=True),
    Framework("fastapi", fastapi, STRICT, 0.18, sets_prefix=True, has_sockets=True),
    Framework("falcon", falcon_app, Eyes(may_be_empty=True), 0.18, ignores_root=True),
    Framework(
        "blacksheep", blacksheep, Eyes(ignores_slash=True, ignores_case=True, is_raw=True), 0.12, has_sockets=True
    ),
    Framework("litestar", litestar, Eyes(ignores_slash=True), 0.06),
    Framework("django", django_app, STRICT, 0.05, sets_prefix=True),
    Framework("quart", quart, STRICT, 0.05),
]
