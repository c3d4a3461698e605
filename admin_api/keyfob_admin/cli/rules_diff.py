"""Which keys in use gain or lose a route when rules change."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from keyfob.asgi.route_check import request_to
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.policy.permissions import Held
from keyfob.rules.compiler import compile_rules
from keyfob.rules.rule import Match
from keyfob.rules.template import shown
from keyfob.runtime.configured import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keyfob.config.settings import Settings
    from keyfob.keys.record import KeyRecord
    from keyfob.rules.rule import Rule
    from keyfob.rules.template import Template
    from keyfob_admin.cli.context import CliContext

_USUAL = ("GET", "POST", "PUT", "PATCH", "DELETE", "WS")  # for a rule without a method


class Affected(Struct, frozen=True):
    """A key in use and a route that it gains or loses; *requests*: how many the rules of before admitted there."""

    key_id: str
    display: str
    name: str
    team: str
    change: Literal["gains", "loses"]
    route: str
    requests: int


class _Rules:
    """The rules of one file, asked whether a key may use a route."""

    def __init__(self, settings: Settings) -> None:
        types = {"api", "computer", "scim", "admin", *settings.key_types}
        table = compile_rules(settings.rules, known=None, key_types=types)
        self.all = table.rules
        self._targets = targets_of(settings, table)

    def match(self, template: Template, method: str, team: str) -> Match | None:
        """The rule for a request to *template*, whose parameters are all the key's own team."""
        found = self._targets.of(request_to(template, method, team))
        return found if isinstance(found, Match) else None


def _admits(match: Match | None, record: KeyRecord) -> bool:
    """Whether *record* passes, wherever its requests come from."""
    if match is None:
        return False
    rule = match.rule
    if rule.public:
        return True
    if record.key_type not in rule.key_types:
        return False
    if rule.team_parameter is not None and match.params[rule.team_parameter] != record.team:
        return False
    return rule.allows(Held(record.permissions))


async def affected_keys(context: CliContext, before: Settings, after: Settings, *, days: int) -> list[Affected]:
    """Compare for every active key that was used in the last *days*."""
    old, new = _Rules(before), _Rules(after)
    routes = list(_routes((*old.all, *new.all)))
    since = context.runtime.now() - timedelta(days=days)
    views = await context.all_keys(KeySearch(state="active", page_size=LARGEST_PAGE))
    found: list[Affected] = []
    for view in views:
        if view.last_used is None or view.last_used.at < since:
            continue
        used = {
            row.label: row.tally.admitted
            for row in await context.store.use_details.by_rule(view.record.id, since.date())
        }
        found.extend(_changes(context, view.record, routes, (old, new), used))
    return found


def _changes(
    context: CliContext,
    record: KeyRecord,
    routes: Iterable[tuple[str, Template]],
    rules: tuple[_Rules, _Rules],
    used: dict[str, int],
) -> Iterator[Affected]:
    old, new = rules
    for method, template in routes:
        match = old.match(template, method, record.team)
        could, can = _admits(match, record), _admits(new.match(template, method, record.team), record)
        if could != can:
            yield Affected(
                key_id=record.id,
                display=context.display(record),
                name=record.name,
                team=record.team,
                change="gains" if can else "loses",
                route=f"{method} {shown(template)}",
                requests=used.get(match.rule.text, 0) if could and match is not None else 0,
            )


def _routes(rules: Iterable[Rule]) -> Iterator[tuple[str, Template]]:
    """Each method and template that some rule names, once."""
    seen = set()
    for rule in rules:
        for method in sorted(rule.methods) or _USUAL:
            if (method, rule.shape) not in seen:
                seen.add((method, rule.shape))
                yield method, rule.template
