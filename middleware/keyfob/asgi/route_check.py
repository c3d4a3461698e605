"""Compares the routes of an application with the rules: what each route will need, and what fits nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyfob.asgi.application import layers_of, router_of
from keyfob.asgi.middleware import APIKeyMiddleware
from keyfob.asgi.route_order import misplaced_routes
from keyfob.asgi.routes import ways_of
from keyfob.asgi.unused_rules import unused_rules
from keyfob.config.settings import load_settings
from keyfob.gate.demands import Demands
from keyfob.rules.rule import WEBSOCKET, Match
from keyfob.rules.template import LITERAL
from keyfob.runtime.configured import catalogue_of, rules_of, targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keyfob.asgi.route_order import Misplaced
    from keyfob.asgi.routes import Way
    from keyfob.config.settings import Settings
    from keyfob.gate.target import Targets
    from keyfob.policy.catalogue import Catalogue
    from keyfob.rules.rule import Rule
    from keyfob.rules.table import RuleTable
    from keyfob.rules.template import Template

ANY: Final = "*"
"""Stands for every method, where the route does not say which it answers."""

_USUAL: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", WEBSOCKET)
_ANSWERED_ALONG: Final = frozenset(("HEAD", "OPTIONS"))  # HEAD follows GET, and OPTIONS belongs to CORS
_SOMETHING: Final = "keyfob-example"  # what a parameter may be; no rule has it for a literal


@dataclass(frozen=True, slots=True)
class CheckedRoute:
    """One route under one method, and what a request to it needs. *rule* is None where no rule names it."""

    method: str
    path: str
    rule: str | None
    public: bool = False
    demands: Demands | None = None


@dataclass(frozen=True, slots=True)
class RouteCheck:
    """All routes, and what does not fit. *routes* is None where they cannot be read."""

    routes: tuple[CheckedRoute, ...] | None
    unused: tuple[Rule, ...] = ()
    misplaced: tuple[Misplaced, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether each route has a rule, each rule a route, and each rule the route that it is written for."""
        routes = self.routes or ()
        return not self.unused and not self.misplaced and all(route.rule is not None for route in routes)


def check_routes(app: object, settings: Settings, catalogue: Catalogue) -> RouteCheck:
    """Compare the routes of *app* with the rules of the Keyfob around or in it, else with those of *settings*.

    Raises ConfigError for rules that cannot work.
    """
    ways = ways_of(app)
    if ways is None:
        return RouteCheck(None)
    table, settings = _rules_for(app, settings, catalogue)
    targets = targets_of(settings, table, router_of(app, settings.app_prefix))
    return RouteCheck(
        tuple(route for way in ways for route in _checked(way, targets)),
        tuple(unused_rules(app, table.rules)),
        tuple(misplaced_routes(app, table.rules)),
    )


def _rules_for(app: object, settings: Settings, catalogue: Catalogue) -> tuple[RuleTable, Settings]:
    """Find the rules of the Keyfob around *app*, or of the one that *app* will put around itself.

    The latter is not made, only its settings: that needs neither a keyring nor a database.
    """
    for layer in layers_of(app):
        if isinstance(layer, APIKeyMiddleware):
            return layer.gate.table, layer.runtime.settings
        for entry in (*_listed(layer, "user_middleware"), *_listed(layer, "middleware")):
            if APIKeyMiddleware in {getattr(entry, "cls", None), getattr(entry, "middleware", None)}:
                options = dict(getattr(entry, "kwargs", {}))
                settings = load_settings(options.pop("config", None), environ=os.environ, overrides=options)
                catalogue = catalogue_of(settings)
    return rules_of(settings.rules, catalogue), settings


def _listed(layer: object, name: str) -> Iterable[object]:
    entries = getattr(layer, name, ())
    return entries if isinstance(entries, list | tuple) else ()


def _checked(way: Way, targets: Targets) -> Iterator[CheckedRoute]:
    """What *way* needs, by method; one row for all methods where they are not known and need the same."""
    if way.methods is not None:
        methods = sorted(way.methods - _ANSWERED_ALONG) or sorted(way.methods)
        yield from (_judged(way, method, targets) for method in methods)
        return
    rows = [_judged(way, method, targets) for method in _USUAL]
    if len({row.rule for row in rows}) == 1:
        yield CheckedRoute(ANY, way.text, rows[0].rule, rows[0].public, rows[0].demands)
    else:  # a method without a rule is refused, and may be none that the route answers
        yield from (row for row in rows if row.rule is not None)


def _judged(way: Way, method: str, targets: Targets) -> CheckedRoute:
    found = targets.of(request_to(way.template, method))
    if not isinstance(found, Match):
        return CheckedRoute(method, way.text, None)
    return CheckedRoute(method, way.text, found.rule.text, found.rule.public, Demands.of(found))


def request_to(template: Template, method: str, something: str = _SOMETHING) -> dict[str, Any]:
    """Make a request that *template* matches, with *something* for each of its parameters."""
    path = "".join(f"/{part.text if part.kind == LITERAL else something}" for part in template) or "/"
    kind = "websocket" if method == WEBSOCKET else "http"
    return {"type": kind, "method": method, "path": path, "root_path": "", "headers": []}
