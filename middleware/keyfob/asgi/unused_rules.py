"""Rules that no route of the application answers to: most likely misspelled, so nobody is let in by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.asgi.routes import ways_of
from keyfob.rules.template import overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.asgi.routes import Way
    from keyfob.rules.rule import Rule


def unused_rules(app: object, rules: Iterable[Rule]) -> list[Rule]:
    """Return those of *rules* for which *app* has no route, as far as can be told.

    What an application without readable routes does with a path, or one that is mounted, is not known, so no rule for
    it is unused.
    """
    ways = ways_of(app)
    if ways is None:
        return []
    return [rule for rule in rules if not any(_can_meet(rule, way) for way in ways)]


def _can_meet(rule: Rule, way: Way) -> bool:
    if rule.methods and way.methods is not None and not rule.methods & way.methods:
        return False
    return overlap(rule.shape, way.template)
