"""The verbs of the admin API in Python, for programs that share an installation's configuration.

::

    async with keyfob.open("keyfob.toml") as kf:
        created = await kf.keys.create(team="acme", name="nightly job", permissions=["items:read"], actor="billing")

Every call is judged, audited and in force exactly as one of the admin API. *actor* says who acts: a name, for the
program itself, which may do everything; or the `Grant` of a request, which may do what its key may.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from keyfob.config.settings import load_settings
from keyfob.errors import Forbidden, Invalid
from keyfob.errors.suggestions import did_you_mean
from keyfob.gate.verdict import Grant
from keyfob.management.actor import Actor
from keyfob.management.audit.audit_log import EventSearch
from keyfob.management.handover_link import DEFAULT_EXPIRY
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from keyfob.management.key_replacement import DEFAULT_OVERLAP
from keyfob.policy.key_types import ADMIN
from keyfob.runtime.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from pathlib import Path

    from keyfob.audit import ChainedEvent
    from keyfob.gate.verdict import Denied, Granted
    from keyfob.keys.record import Team
    from keyfob.management.key_finder import Match
    from keyfob.management.key_usage import UsageRow
    from keyfob.management.keys import Changed, CreatedKey
    from keyfob.management.pagination import Page
    from keyfob.store.contract.key_store import KeyView, UseDay

    By = str | Grant | Actor
    """Who acts: a program's name, the grant of a request, or an `Actor` made by hand."""

_DRAFT_FIELDS = frozenset(field.name for field in fields(KeyDraft))
_SEARCH_FIELDS = frozenset(field.name for field in fields(KeySearch)) - {"team"}
_EVENT_FIELDS = frozenset(field.name for field in fields(EventSearch))
_ADMIN_KEY = "*"  # what a key of another type lacks, to whoever asks
_ALSO_CALLED = {"type": "key_type", "by": "actor"}  # the admin API calls it type; actor is who asks


@asynccontextmanager
async def open(config: str | Path | None = None, **options: Any) -> AsyncIterator[Management]:  # noqa: A001, ANN401 - its name is keyfob.open
    """Open the installation that the file *config*, the environment and *options* describe, and close it afterwards.

    Raises:
        ConfigError: the settings cannot work, or the keyring is not the one that the database knows.
        StoreUnavailable: the database cannot be read.
    """
    runtime = Runtime(load_settings(config, environ=os.environ, overrides=options))
    try:
        await runtime.ready()
        yield Management(runtime)
    finally:
        await runtime.stop()


class Management:
    """What can be done in an installation. `keyfob.open` gives one, and so does ``APIKeyMiddleware(…).management``."""

    def __init__(self, runtime: Runtime) -> None:
        """*runtime* is the running installation; its owner starts and stops it."""
        self._runtime = runtime
        self.keys = Keys(runtime)
        self.teams = TeamVerbs(runtime)
        self.audit = Audit(runtime)


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
        given = _known(others, _DRAFT_FIELDS - {"name", "permissions"})
        rest: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        draft = KeyDraft(name=name, permissions=None if permissions is None else tuple(permissions), **rest)
        await self._runtime.ready()
        lifecycle, doer = self._runtime.lifecycle, _actor(actor)
        if handover is None:
            return await lifecycle.create(team, draft, actor=doer, replace=replace)
        return await lifecycle.handovers.create(team, draft, expires_in=handover, actor=doer, replace=replace)

    async def hand_over(self, *, team: str, key: str, actor: By, expires_in: str = DEFAULT_EXPIRY) -> CreatedKey:
        """Make another link to a pending key, whose ``link.token`` is to be sent. Raises KeyNotPending."""
        await self._runtime.ready()
        handovers = self._runtime.lifecycle.handovers
        return await handovers.renew(team, key, expires_in=expires_in, actor=_actor(actor))

    async def duplicate(self, *, team: str, key: str, actor: By, **overrides: Any) -> CreatedKey:  # noqa: ANN401
        """Make an active copy with a new secret. What *overrides* does not name is copied, but for the name."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.duplicate(team, key, overrides, actor=_actor(actor))

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
        return await self._runtime.lifecycle.rotate(team, key, overrides, overlap=overlap, actor=_actor(actor))

    async def find(self, text: str, *, actor: By) -> Sequence[Match]:
        """Find every key in a pasted text, over all teams that *actor* can see. The text is not kept."""
        await self._runtime.ready()
        return await self._runtime.finder.find(text, actor=_actor(actor))

    async def get(self, *, team: str, key: str, actor: By) -> KeyView:
        """Look at one key. Raises NotFound."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.get(team, key, actor=_actor(actor))

    async def list(self, *, actor: By, team: str | None = None, **filters: Any) -> Page[KeyView]:  # noqa: ANN401
        """Give one page of keys: of *team*, or of every team that *actor* can see. *filters* are those of the API."""
        search = KeySearch(team=team, **_known(filters, _SEARCH_FIELDS))
        await self._runtime.ready()
        return await self._runtime.lifecycle.list_keys(search, actor=_actor(actor))

    async def usage(self, *, team: str, key: str, actor: By, days: int = 30) -> Sequence[UseDay]:
        """Give each of the last *days* (1–365, UTC), today last."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.usage.days(team, key, days, actor=_actor(actor))

    async def usage_by(self, by: str, *, team: str, key: str, actor: By, days: int = 30) -> Sequence[UsageRow]:
        """Group the requests of the last *days* by ``rule``, ``address`` or ``reason``, the most frequent first."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.usage.rows(team, key, by, days, actor=_actor(actor))

    async def update(self, *, team: str, key: str, actor: By, if_match: int | None = None, **changes: Any) -> KeyView:  # noqa: ANN401
        """Change fields, if the key still has the revision *if_match*; None clears one. Raises PreconditionFailed."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.update(team, key, changes, actor=_actor(actor), if_match=if_match)

    async def disable(
        self, *, team: str, key: str, actor: By, wait: bool = False, reason: str | None = None
    ) -> Changed:
        """Switch the key off. With *wait*, return when every worker refuses it. Raises LastAdmin.

        *reason* is kept in the audit log.
        """
        await self._runtime.ready()
        changed = await self._runtime.lifecycle.disable(team, key, actor=_actor(actor), reason=reason)
        if not wait:
            return changed
        acknowledged = await self._runtime.lifecycle.acknowledged(changed)
        return replace(changed, effective_by=acknowledged.effective_at, is_immediate=True)

    async def enable(self, *, team: str, key: str, actor: By) -> Changed:
        """Switch the key on again; an expired key stays expired."""
        await self._runtime.ready()
        return await self._runtime.lifecycle.enable(team, key, actor=_actor(actor))

    async def delete(self, *, team: str, key: str, actor: By, reason: str | None = None) -> None:
        """End a disabled key for good; *reason* is kept in the audit log. Raises KeyNotDisabled."""
        await self._runtime.ready()
        await self._runtime.lifecycle.delete(team, key, actor=_actor(actor), reason=reason)

    async def verify(self, text: str) -> Granted | Denied:
        """Say what a presented key is good for. This is not counted as use."""
        await self._runtime.ready()
        return await self._runtime.inspect(text)


class TeamVerbs:
    """What can be done with teams."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def create(self, *, team: str, actor: By, name: str | None = None, plan: str | None = None) -> Team:
        """Make a team with the id *team*. Raises TeamExists."""
        await self._runtime.ready()
        return await self._runtime.teams.create(team, name, plan, actor=_actor(actor))

    async def get(self, *, team: str, actor: By) -> Team:
        """Look at one team. Raises NotFound."""
        await self._runtime.ready()
        return await self._runtime.teams.get(team, actor=_actor(actor))

    async def list(self, *, actor: By) -> tuple[Team, ...]:
        """Give every team that *actor* can see, by id."""
        await self._runtime.ready()
        return await self._runtime.teams.list(actor=_actor(actor))

    async def update(self, *, team: str, actor: By, **changes: Any) -> Team:  # noqa: ANN401
        """Change the name or the plan. A new plan suspends or restores keys immediately."""
        await self._runtime.ready()
        return await self._runtime.teams.update(team, changes, actor=_actor(actor))


class Audit:
    """Who did what."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def events(self, *, actor: By, **filters: Any) -> Page[ChainedEvent]:  # noqa: ANN401
        """Give one page of events, newest first. *filters* are those of the API, with ``by`` for who acted."""
        search = EventSearch(**_known(filters, _EVENT_FIELDS))
        await self._runtime.ready()
        return await self._runtime.audit_log.events(search, actor=_actor(actor))


def _actor(by: By) -> Actor:
    """Who acts. What a key holds is read again in the transaction, so that a grant need not be of this moment."""
    if isinstance(by, Actor):
        return by
    if isinstance(by, Grant):
        if by.key_type != ADMIN:  # as at the admin API, whatever permissions the key holds
            raise Forbidden(_ADMIN_KEY)
        return Actor("key", by.key_id, by.name, by.team, by.permissions, expires_at=by.expires_at)
    name: object = by  # callers without a type checker pass anything
    if not isinstance(name, str) or not name.strip():
        raise Invalid(("/actor", "Name who acts: a text, a grant, or an Actor"))
    return Actor("system", None, name, None, frozenset({"*"}))


def _known(given: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Give *given* under the names that the dataclasses have. Raises Invalid for a field that there is not."""
    for name in given:
        if _ALSO_CALLED.get(name, name) not in names:
            raise Invalid((f"/{name}", f"There is no such field{did_you_mean(name, sorted(names))}"))
    return {_ALSO_CALLED.get(name, name): value for name, value in given.items()}
