"""What is said of the rules at start: those that overlap, and where they and the application's routes disagree."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyfob.rules.overlaps import overlapping_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from keyfob.gate.gate import Gate
    from keyfob.rules.readings import Router
    from keyfob.rules.rule import Rule

log = logging.getLogger("keyfob")

_MOST_NAMED = 20  # of one kind; the rest is counted


def router_behind(app: object, app_prefix: str) -> Router:
    """Return what is known of the router of *app*. Raises ConfigError."""
    from keyfob.asgi.application import router_of  # noqa: PLC0415 - `import keyfob` need not load Starlette's routing

    return router_of(app, app_prefix)


def report_overlaps(rules: Collection[Rule]) -> None:
    """Name the pairs of *rules* of which both count for a path that both match."""
    pairs = [str(pair) for pair in overlapping_rules(rules)]
    if pairs:
        log.warning(
            "rules overlap, and what both match needs what both need: %s",
            _named(pairs),
            extra={"event": "overlapping_rules"},
        )


def report_shared(rules: Iterable[Rule]) -> None:
    """Name the *rules* under which requests without a key are the application's to judge."""
    shared = [f'"{rule.text}"' for rule in rules if rule.otherwise_app]
    if shared:
        log.warning(
            "requests without a key pass to the application, which must judge them itself: %s",
            _named(shared),
            extra={"event": "otherwise_app"},
        )


def compare_with_routes(app: object, gate: Gate, app_prefix: str) -> None:
    """Judge for the application as it is now that it has started, and name the rules that do not fit its routes."""
    from keyfob.asgi.route_order import misplaced_routes  # noqa: PLC0415 - as above
    from keyfob.asgi.unused_rules import unused_rules  # noqa: PLC0415 - as above

    gate.use(router_behind(app, app_prefix))
    unused = [f'"{rule.text}"' for rule in unused_rules(app, gate.rules)]
    if unused:
        log.warning(
            "no route of the application answers to the rules %s: misspelled, or left of an example?",
            _named(unused),
            extra={"event": "unused_rules"},
        )
    for misplaced in misplaced_routes(app, gate.rules)[:_MOST_NAMED]:
        log.warning("%s", misplaced, extra={"event": "misplaced_route"})


def _named(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")
