"""The routes of an application, where they can be read: those of Starlette, FastAPI, Litestar, Django and Quart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from keyfob.asgi.application import is_mount, is_of, layers_of, routes_of
from keyfob.rules.rule import WEBSOCKET
from keyfob.rules.template import LITERAL, PARAMETER, REST, Segment, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ANYWHERE: Final = "/{anything:path}"
_WHOLE: Final = re.compile(r"\{\w+(?::(?:str|path))?\}")  # takes any segment, or all that follow
_QUART: Final = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_DJANGO: Final = re.compile(r"<(?:(\w+):)?(\w+)>")


class Way(NamedTuple):
    """One way in which the application can be asked."""

    text: str  # as people write it
    template: Template
    methods: frozenset[str] | None  # None where they cannot be known
    is_exact: bool  # whether the template is all there is to it: no converter, no pattern within a segment


def ways_of(app: object) -> list[Way] | None:
    """Return the ways into *app*, in the order in which its router tries them; None where they cannot be read."""
    layers = list(layers_of(app))
    quart = next((layer for layer in layers if is_of(layer, "quart")), None)
    if quart is not None:
        return sorted(_quart(quart), key=_as_quart_tries)
    routes = routes_of(layers)
    if routes is not None:
        return list(_starlette(routes, ""))
    for layer in layers:
        if is_of(layer, "litestar"):
            ways = [_way(_litestar_path(route), _litestar_methods(route)) for route in _routes(layer)]
            return sorted(ways, key=_as_litestar_tries)
        if is_of(layer, "django"):
            from django.urls import get_resolver  # noqa: PLC0415 - Django is there, because its handler is

            return list(_django(get_resolver().url_patterns, "/"))
    return None


def _routes(litestar: Any) -> Iterable[Any]:  # noqa: ANN401 - Litestar need not be installed
    return getattr(litestar, "routes", ())


def _litestar_path(route: Any) -> str:  # noqa: ANN401 - as above
    path: str = route.path
    return path.rstrip("/") + _ANYWHERE if is_mount(route) else path


def _litestar_methods(route: Any) -> Iterable[str] | None:  # noqa: ANN401 - as above
    """Give the methods of a route of Litestar's; of one that hands on to another ASGI application they are unknown."""
    kinds = {"http": getattr(route, "methods", None), "websocket": {WEBSOCKET}}
    return kinds.get(getattr(getattr(route, "scope_type", None), "value", ""))


def _starlette(routes: Iterable[Any], prefix: str) -> Iterator[Way]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from _starlette(route.routes, prefix + route.path)
        elif isinstance(route, Mount):
            yield _way(prefix + route.path + _ANYWHERE, None)
        elif hasattr(route, "effective_candidates"):  # FastAPI's included routers, whose paths are whole already
            yield from _starlette(route.effective_candidates(), prefix)
        elif isinstance(route, WebSocketRoute):
            yield _way(prefix + route.path, {WEBSOCKET})
        elif isinstance(getattr(route, "starlette_route", None), BaseRoute):
            yield from _starlette([route.starlette_route], prefix)
        elif isinstance(route, Route) or isinstance(getattr(route, "methods", None), set):
            # OPTIONS is answered by whoever speaks CORS.
            yield _way(prefix + route.path, {*route.methods, "OPTIONS"} if route.methods else None)
        else:
            yield _way(prefix + _ANYWHERE, None)


def _django(patterns: Iterable[Any], prefix: str) -> Iterator[Way]:
    for one in patterns:
        route = getattr(one.pattern, "_route", None)
        if route is None:  # a regular expression, or a prefix by language
            yield _way(prefix.rstrip("/") + _ANYWHERE, None)._replace(is_exact=False)
        elif hasattr(one, "url_patterns"):
            yield from _django(one.url_patterns, prefix + route)
        else:
            yield _way(_DJANGO.sub(_as_starlette, prefix + route), None)


def _quart(app: Any) -> Iterator[Way]:  # noqa: ANN401 - Quart need not be installed
    for rule in app.url_map.iter_rules():
        methods = {WEBSOCKET} if rule.websocket else rule.methods
        yield _way(_QUART.sub(_as_starlette, rule.rule), methods)


def _as_starlette(found: re.Match[str]) -> str:
    return f"{{{found[2]}:{found[1] or 'str'}}}"


def _way(path: str, methods: Iterable[str] | None) -> Way:
    parts = path.strip("/").split("/") if path.strip("/") else []
    is_exact = all("{" not in part or _WHOLE.fullmatch(part) for part in parts)
    return Way(path or "/", tuple(map(_segment, parts)), None if methods is None else frozenset(methods), is_exact)


def _segment(text: str) -> Segment:
    if "{" not in text:
        return Segment(LITERAL, text)
    return Segment(REST if text.endswith(":path}") else PARAMETER, "")


def _as_quart_tries(way: Way) -> list[int]:
    """Sort as Werkzeug does, whatever the order of registration: a literal first, then one segment, then the rest."""
    return [part.kind for part in way.template]


def _as_litestar_tries(way: Way) -> list[int]:
    """Sort as Litestar's trie decides: a literal first, and of two parameters at one place the one that takes all."""
    return [(LITERAL, REST, PARAMETER).index(part.kind) for part in way.template]
