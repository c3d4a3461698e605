"""Rules that no route of the application answers to: most likely misspelled, so that what they were for stays shut."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from keyfob.rules.table import LITERAL, PARAMETER, REST, WEBSOCKET, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keyfob.rules.table import Rule

_DEEPEST = 64  # middleware around one another
_ANYWHERE = "/{anything:path}"


class _Way(NamedTuple):
    """How the application can be asked."""

    template: tuple[Segment, ...]
    methods: frozenset[str] | None  # None where they cannot be known


def unused_rules(app: object, rules: Iterable[Rule]) -> list[Rule]:
    """Return those of *rules* for which *app* has no route, as far as can be told.

    That is Starlette's routes, and FastAPI's, however much middleware is around them. What another kind of
    application, or one that is mounted, does with a path is not known, so that no rule for it is idle.
    """
    routes = _routes(app)
    if routes is None:
        return []
    ways = list(_ways(routes, ""))
    return [rule for rule in rules if not any(_can_meet(rule, way) for way in ways)]


def _routes(app: object) -> Sequence[BaseRoute] | None:
    for _ in range(_DEEPEST):
        routes = getattr(app, "routes", None)
        if isinstance(routes, list):
            return routes if all(isinstance(route, BaseRoute) for route in routes) else None
        app = getattr(app, "app", None)
    return None


def _ways(routes: Iterable[BaseRoute], prefix: str) -> Iterator[_Way]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from _ways(route.routes, prefix + route.path)
        elif isinstance(route, Mount):
            yield _Way(_template(prefix + route.path + _ANYWHERE), None)
        elif isinstance(route, Route):
            # OPTIONS is answered by whoever speaks CORS.
            yield _Way(
                _template(prefix + route.path), frozenset({*route.methods, "OPTIONS"}) if route.methods else None
            )
        elif isinstance(route, WebSocketRoute):
            yield _Way(_template(prefix + route.path), frozenset({WEBSOCKET}))
        else:
            yield _Way(_template(prefix + _ANYWHERE), None)


def _template(path: str) -> tuple[Segment, ...]:
    return tuple(map(_segment, path.strip("/").split("/"))) if path.strip("/") else ()


def _segment(text: str) -> Segment:
    if "{" not in text:
        return Segment(LITERAL, text)
    return Segment(REST if text.endswith(":path}") else PARAMETER, "")


def _can_meet(rule: Rule, way: _Way) -> bool:
    if rule.methods and way.methods is not None and not rule.methods & way.methods:
        return False
    for ours, theirs in zip_longest(rule.template, way.template):
        if REST in {segment.kind for segment in (ours, theirs) if segment is not None}:
            return True
        if ours is None or theirs is None:
            return False
        if ours.kind == theirs.kind == LITERAL and ours.text != theirs.text:
            return False
    return True
