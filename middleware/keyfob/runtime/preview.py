"""What a narrowing of a key would have refused: the requests of the last 30 days, judged by the key as it would be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.gate.client_address import Networks
from keyfob.management.key_drafts import patched
from keyfob.policy.permissions import Held
from keyfob.runtime.configured import rules_of
from keyfob.store.contract.use_details import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from keyfob.config.settings import Settings
    from keyfob.management.actor import Actor
    from keyfob.management.keys import KeyLifecycle
    from keyfob.policy.catalogue import Catalogue
    from keyfob.rules.rule import Rule
    from keyfob.store.contract.key_store import KeyStore

DAYS: Final = 30
_AND: Final = " and "  # between the texts of rules that count together


@dataclass(frozen=True, slots=True)
class Preview:
    """How many admitted requests would have been refused; and how many cannot be told, by address or by rule."""

    refused: int = 0
    unknown: int = 0
    last_at: datetime | None = None
    last_address: str | None = None


class Previewer:
    """Judges past requests. *more_rules* are those beside the configuration's, such as the admin API's."""

    def __init__(
        self,
        store: KeyStore,
        lifecycle: KeyLifecycle,
        catalogue: Catalogue,
        settings: Settings,
        now: Callable[[], datetime],
        *,
        more_rules: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._catalogue = catalogue
        self._rule_sets = (*settings.rule_sets, *more_rules)
        self._now = now

    async def preview(self, team_id: str, key_id: str, patch: Mapping[str, object], *, actor: Actor) -> Preview:
        """Tell what *patch* would have refused; needs ``keys:read``, and changes nothing.

        Raises Forbidden, NotFound, and whatever the patch itself would raise for its values.
        """
        view = await self._lifecycle.get(team_id, key_id, actor=actor)
        now = self._now()
        after = patched(view.record, patch, self._catalogue, now=now)
        rules = self._rules()
        today = _Judge(Held(view.record.permissions), view.record.ip_allow, rules)
        judge = _Judge(Held(after.permissions), after.ip_allow, rules)
        first = now.astimezone(UTC).date() - timedelta(days=DAYS - 1)
        refused = unknown = 0
        last = None
        for rule, address, tally in await self._store.use_details.pairs(view.record.id, first):
            if today.passes(rule, address) is False:
                continue  # narrowed already: the patch takes nothing from it
            passes = judge.passes(rule, address)
            if passes is None:
                unknown += tally.admitted
            elif not passes:
                refused += tally.admitted
                if last is None or tally.last > last[0].last:
                    last = tally, address
        if last is None:
            return Preview(refused, unknown)
        tally, address = last
        return Preview(refused, unknown, tally.last_at, None if address in {"", OTHERS} else address)

    def _rules(self) -> dict[str, list[Rule]]:
        """Every rule by its text, which may stand in several sets."""
        found: dict[str, list[Rule]] = {}
        for raw in self._rule_sets:
            for rule in rules_of(raw, self._catalogue).rules:
                found.setdefault(rule.text, []).append(rule)
        return found


class _Judge:
    """Whether a key as it would be lets a past request pass."""

    def __init__(self, held: Held, ip_allow: Iterable[str], rules: Mapping[str, list[Rule]]) -> None:
        self._held = held
        self._networks = Networks(ip_allow) if tuple(ip_allow) else None
        self._rules = rules

    def passes(self, text: str, address: str) -> bool | None:
        """None where it cannot be told: the rule is not in the configuration, or the address is not told apart."""
        if self._networks is not None and address != OTHERS and not self._networks.contains(address or None):
            return False
        permitted = self._permits(text)
        if permitted and self._networks is not None and address == OTHERS:
            return None
        return permitted

    def _permits(self, text: str) -> bool | None:
        answers = [
            all(rule.allows(self._held) for rule in self._rules[part]) if part in self._rules else None
            for part in text.split(_AND)
        ]
        if False in answers:
            return False
        return None if None in answers else True
