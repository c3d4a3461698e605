"""Rules whose requests reach another route than the one they are written for.

Starlette, FastAPI and Django take the first route that matches. Where a wider route is registered before a narrower
one, the wider one's handler runs under the narrower one's rule: with ``/items/{id}`` before ``/items/export``, a public
rule for ``/items/export`` opens the handler of ``/items/{id}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keyfob.asgi.routes import ways_of
from keyfob.rules.template import covers, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.asgi.routes import Way
    from keyfob.rules.rule import Rule


class Misplaced(NamedTuple):
    """A rule, the route that takes its requests, and the narrower one that never gets them."""

    rule: Rule
    wider: str
    narrower: str

    def __str__(self) -> str:
        """Say it, and how to fix it."""
        return (
            f'under the rule "{self.rule.text}" the route {self.wider} runs, because it comes before '
            f"{self.narrower}: register {self.narrower} first"
        )


def misplaced_routes(app: object, rules: Iterable[Rule]) -> list[Misplaced]:
    """Return every one of *rules* that a wider route of *app* takes from a narrower one, where routes can be read."""
    ways = [way for way in ways_of(app) or () if way.is_exact]
    found = []
    for rule in rules:
        for method in sorted(rule.methods) or ("GET", "POST", "PUT", "PATCH", "DELETE", "WS"):
            taking = [way for way in ways if _takes(way, method, rule)]
            narrower = next((way for way in taking[1:] if is_inside(way.template, taking[0].template)), None)
            if narrower is not None:
                found.append(Misplaced(rule, taking[0].text, narrower.text))
                break
    return found


def _takes(way: Way, method: str, rule: Rule) -> bool:
    return (way.methods is None or method in way.methods) and covers(way.template, rule.shape)
