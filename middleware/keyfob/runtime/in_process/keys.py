"""The verbs for keys."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid
from keyfob.management.handover_link import DEFAULT_EXPIRY
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from keyfob.management.key_replacement import DEFAULT_OVERLAP
from keyfob.management.validation import clean_owner
from keyfob.runtime.in_process.arguments import actor_of, known
from keyfob.store.contract.key_store import TEAM_OWNER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from keyfob.gate.verdict import Denied, Granted
    from keyfob.management.key_finder import Match
    from keyfob.management.key_standings import LimitStanding, QuotaStandings
    from keyfob.management.key_usage import UsageRow
    from keyfob.management.keys import Changed, CreatedKey
    from keyfob.management.pagination import Page
    from keyfob.runtime.in_process.arguments import By
    from keyfob.runtime.preview import Preview
    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.key_store import KeyView, UseDay

_DRAFT_FIELDS: Final = frozenset(field.name for field in fields(KeyDraft))
_SEARCH_FIELDS: Final = frozenset(field.name for field in fields(KeySearch)) - {"team"}
_CONDITIONS: Final = _SEARCH_FIELDS - {"page_size", "page_token", "order_by"}


class Keys:
    """What can be done with keys. *key* is an id, alone or in the display form."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def create(
        self,
        *,
        team: str,
        name: str,
        actor: By,
        permissions: Sequence[str] | None = None,
        replace: bool = False,
        handover: str | None = None,
        **others: Any,  # noqa: ANN401 - the fields of a key have different types
    ) -> CreatedKey:
        """Make a key; its text is ``secret`` of what is returned, here and never again.

        Args:
            team: the id of its team.
            name: what people call it.
            actor: who acts.
            permissions: what it may do; None for types whose permissions are fixed.
            replace: delete the team's key of the type first, where it may have only one.
            handover: how long a link works that makes the secret; ``link.token`` of what is returned is to be sent.
            others: the other fields of the admin API: ``type``, ``description``, ``expires_at``, ``ip_allow`` …

        Raises:
            Forbidden, NotFound, Invalid, PlanRequired, FixedPermissions, ExceedsOwnPermissions, ExceedsOwnLimits,
            KeyTypeTaken, LastAdmin, StoreUnavailable
        """
        given = known(others, _DRAFT_FIELDS - {"name", "permissions"})
        draft = _draft(name, permissions, given)
        await self._runtime.ready()
        lifecycle, doer = self._runtime.lifecycle, actor_of(actor)
        if handover is None:
            return await lifecycle.create(team, draft, actor=doer, replace=replace)
        return await lifecycle.handovers.create(team, draft, expires_in=handover, actor=doer, replace=replace)

    async def hand_over(self, *, team: str, key: str, actor: By, expires_in: str = DEFAULT_EXPIRY) -> CreatedKey:
        """Make another link to a pending key, whose ``link.token`` is to be sent. Raises KeyNotPending."""
        await self._runtime.ready()
        handovers = self._runtime.lifecycle.handovers
        return await handovers.renew(team, key, expires_in=expires_in, actor=actor_of(actor))

    async def duplicate(self, *, team: str, key: str, actor: By, **overrides: Any) -> CreatedKey:  # noqa: ANN401
        """Make an active copy with a new secret. What *overrides* does not name is copied, but for the name."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.duplicate(team, key, overrides, actor=actor_of(actor))

    async def rotate(
        self,
        *,
        team: str,
        key: str,
        actor: By,
        overlap: str | None = DEFAULT_OVERLAP,
        **overrides: Any,  # noqa: ANN401 - the fields of a key have different types
    ) -> CreatedKey:
        """Make a key that takes this one's place, which ends after *overlap*; None: until somebody ends it.

        Raises:
            AlreadyRotated, KeyNotActive, and what `create` raises
        """
        await self._runtime.ready()
        return await self._runtime.lifecycle.rotate(team, key, overrides, overlap=overlap, actor=actor_of(actor))

    async def find(self, text: str, *, actor: By) -> Sequence[Match]:
        """Find every key in a pasted text, over all teams that *actor* can see. The text is not kept."""
        await self._runtime.ready()
        return await self._runtime.finder.find(text, actor=actor_of(actor))

    async def get(self, *, team: str, key: str, actor: By) -> KeyView:
        """Look at one key. Raises NotFound."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.get(team, key, actor=actor_of(actor))

    async def list(self, *, actor: By, team: str | None = None, **filters: Any) -> Page[KeyView]:  # noqa: ANN401
        """Give one page of keys: of *team*, or of every team that *actor* can see. *filters* are those of the API."""
        search = KeySearch(team=team, **known(filters, _SEARCH_FIELDS))
        await self._runtime.ready()
        return await self._runtime.lifecycle.list_keys(search, actor=actor_of(actor))

    async def usage(self, *, team: str, key: str, actor: By, days: int = 30) -> Sequence[UseDay]:
        """Give each of the last *days* (1–365, UTC), today last."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.usage.days(team, key, days, actor=actor_of(actor))

    async def usage_by(self, by: str, *, team: str, key: str, actor: By, days: int = 30) -> Sequence[UsageRow]:
        """Group the requests of the last *days* by ``rule``, ``address`` or ``reason``, the most frequent first."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.usage.rows(team, key, by, days, actor=actor_of(actor))

    async def update(self, *, team: str, key: str, actor: By, if_match: int | None = None, **changes: Any) -> KeyView:  # noqa: ANN401
        """Change fields, if the key still has the revision *if_match*; None clears one. Raises PreconditionFailed."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.update(team, key, changes, actor=actor_of(actor), if_match=if_match)

    async def disable(
        self, *, team: str, key: str, actor: By, wait: bool = False, reason: str | None = None
    ) -> Changed:
        """Switch the key off. With *wait*, return when every worker refuses it. Raises LastAdmin.

        *reason* is kept in the audit log.
        """
        await self._runtime.ready()
        changed = await self._runtime.lifecycle.disable(team, key, actor=actor_of(actor), reason=reason)
        if not wait:
            return changed
        acknowledged = await self._runtime.lifecycle.acknowledged(changed)
        return replace(changed, effective_by=acknowledged.effective_at, is_immediate=True)

    async def disable_many(
        self,
        *,
        team: str,
        actor: By,
        keys: Collection[str] | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        **filters: Any,  # noqa: ANN401 - conditions have different types
    ) -> Sequence[KeyView]:
        """Switch off *keys*, or those that *filters* find, all or none, and give them as they are then.

        *filters* are those of `list`, but for the pages and their order. With *dry_run* nothing is changed.

        Raises:
            Invalid: neither keys nor a filter, both, or too many; LastAdmin.
        """
        search = KeySearch(team=team, **known(filters, _CONDITIONS)) if filters else None
        await self._runtime.ready()
        return await self._runtime.lifecycle.bulk.run(
            team, ids=keys, search=search, dry_run=dry_run, reason=reason, actor=actor_of(actor)
        )

    async def preview(self, *, team: str, key: str, actor: By, **changes: Any) -> Preview:  # noqa: ANN401
        """Tell what *changes* would have refused of the last 30 days, by the rules of the configuration."""
        await self._runtime.ready()
        return await self._runtime.previewer().preview(team, key, changes, actor=actor_of(actor))

    async def limits(self, *, team: str, key: str, actor: By) -> Sequence[LimitStanding]:
        """Give every limit of the key, and where it stands."""
        await self._runtime.ready()
        return await self._runtime.standings.of(team, key, actor=actor_of(actor))

    async def quotas(self, *, team: str, key: str, actor: By) -> QuotaStandings:
        """Give the quotas of the key and of its team, and where they stand."""
        await self._runtime.ready()
        return await self._runtime.standings.quotas(team, key, actor=actor_of(actor))

    async def adjust_quota(
        self, *, team: str, key: str, actor: By, add: int | None = None, set_to: int | None = None
    ) -> KeyView:
        """Let the key use *add* more in the present period, or less, or *set_to* in all. Raises NoQuota."""
        await self._runtime.ready()
        quotas = self._runtime.lifecycle.quotas
        return (await quotas.adjust(team, key, add=add, set_to=set_to, actor=actor_of(actor))).view

    async def enable(self, *, team: str, key: str, actor: By) -> Changed:
        """Switch the key on again; an expired key stays expired."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.enable(team, key, actor=actor_of(actor))

    async def delete(self, *, team: str, key: str, actor: By, reason: str | None = None) -> None:
        """End a disabled key for good; *reason* is kept in the audit log. Raises KeyNotDisabled."""
        await self._runtime.ready()
        await self._runtime.lifecycle.delete(team, key, actor=actor_of(actor), reason=reason)

    async def verify(self, text: str) -> Granted | Denied:
        """Say what a presented key is good for. This is not counted as use."""
        await self._runtime.ready()
        return await self._runtime.inspect(text)


def _draft(name: str, permissions: Sequence[str] | None, given: dict[str, Any]) -> KeyDraft:
    """Make of what the caller gave the draft of a key. Raises Invalid."""
    if isinstance(permissions, str):  # a sequence, too: of letters
        raise Invalid(("/permissions", "This must be a list of permissions"))
    rest: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if rest.get("owner") is not None:  # as `update` takes it, or the id alone
        owner = rest["owner"]
        is_id = isinstance(owner, str) and owner != TEAM_OWNER
        rest["owner"] = clean_owner({"person": owner} if is_id else owner)
    return KeyDraft(name=name, permissions=None if permissions is None else tuple(permissions), **rest)
