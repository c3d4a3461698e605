"""Reads the audit log, limited to the events that the actor may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyfob.audit import ACTIONS
from keyfob.errors import Invalid
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.format import key_id_of
from keyfob.management.actor import creator_of
from keyfob.management.audited_state import AFTER
from keyfob.management.operators import as_known_to
from keyfob.management.pagination import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    Page,
    read_moment,
    read_number,
    read_text,
    read_token,
    write_token,
)
from keyfob.policy.permissions import covers
from keyfob.store.contract.key_store import EventQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from keyfob.audit import ChainedEvent
    from keyfob.management.actor import Actor
    from keyfob.store.contract.key_store import KeyStore

_LISTING = "audit"
_ATTRIBUTES = frozenset({"metadata", "external_id"})


@dataclass(frozen=True, slots=True)
class EventSearch:
    """Which events to read. Numbers and times may still be text from a query string.

    *key* is an id or a display form. *actor* is the id or the name of the one who acted, *person* the id of
    the one whom it happened to.
    """

    team: str | None = None
    key: str | None = None
    actor: str | None = None
    action: str | None = None
    person: str | None = None
    since: datetime | str | None = None
    page_size: int | str = DEFAULT_PAGE
    page_token: str | None = None


class AuditLog:
    """Returns events, newest first: those of the actor's team, or of all teams if the actor acts in every team."""

    def __init__(self, store: KeyStore, *, prefix: str = "kf") -> None:
        self._store = store
        self._prefix = prefix

    async def events(self, search: EventSearch, *, actor: Actor) -> Page[ChainedEvent]:
        """Return one page. Raises Forbidden without ``audit:read``, and Invalid with the parameter as pointer."""
        query = self._query(search, actor)
        if query is None:
            return Page((), None)
        found = await self._store.events(replace(query, limit=query.limit + 1))
        shown = tuple([await self._as_shown(chained, actor) for chained in found[: query.limit]])
        return Page(shown, write_token(_LISTING, shown[-1].seq) if len(found) > query.limit else None)

    def stream(self, search: EventSearch, *, actor: Actor) -> AsyncIterator[ChainedEvent]:
        """Stream all pages in bounded memory. Raises like `events`, before the first event."""
        return self._pages(self._query(replace(search, page_size=LARGEST_PAGE), actor), actor)

    async def _pages(self, query: EventQuery | None, actor: Actor) -> AsyncIterator[ChainedEvent]:
        while query is not None:
            found = await self._store.events(query)
            for chained in found:
                yield await self._as_shown(chained, actor)
            query = replace(query, bound=found[-1].seq) if len(found) == query.limit else None

    async def _as_shown(self, chained: ChainedEvent, actor: Actor) -> ChainedEvent:
        """*chained* as *actor* may see it."""
        if not covers(actor.permissions, "keys:read"):
            told = _without_attributes(chained.event.detail)
            chained = replace(chained, event=replace(chained.event, detail=told))
        event, by = chained.event, creator_of(chained.event)
        known = await as_known_to(actor, by, self._store.people)
        if known == by:
            return chained
        detail = {name: value for name, value in event.detail.items() if name != "actor_email"}
        hidden = replace(event, actor_id=known.id, actor_name=known.name, ip=None, detail=detail)
        return replace(chained, event=hidden)

    def _query(self, search: EventSearch, actor: Actor) -> EventQuery | None:
        """Return the query, or None if the result is empty: teams that the actor cannot see have no events."""
        actor.demand("audit:read")
        query = EventQuery(
            team=None if search.team is None else read_text(search.team, "team"),
            key=None if search.key is None else self._key_id(search.key),
            actor=None if search.actor is None else self._actor(search.actor),
            action=None if search.action is None else _action(search.action),
            person=None if search.person is None else read_text(search.person, "person"),
            since=None if search.since is None else read_moment(search.since, "since"),
            limit=read_number(search.page_size, "page_size", most=LARGEST_PAGE),
            bound=_bound(search.page_token) if search.page_token else None,
        )
        if query.team is None and not actor.acts_everywhere:
            query = replace(query, team=actor.team)
        if actor.own_keys_only:
            query = replace(query, owner=actor.id)
        query = replace(query, without_type=actor.unseen_type)
        return query if query.team is None or actor.may_see(query.team) else None

    def _key_id(self, key: str) -> str:
        key_id = key_id_of(key, self._prefix)
        if key_id is None:
            raise Invalid(("/key", "This must be the id of a key"))
        return key_id

    def _actor(self, actor: str) -> str:
        return key_id_of(actor, self._prefix) or read_text(actor, "actor")


def _without_attributes(detail: Mapping[str, object]) -> dict[str, object]:
    """*detail* without metadata and external ids, which only those see who may read keys."""
    return {
        name: _without_attributes(value) if isinstance(value, Mapping) and name == AFTER else value
        for name, value in detail.items()
        if name not in _ATTRIBUTES
    }


def _action(action: str) -> str:
    if action in ACTIONS:
        return action
    raise Invalid(("/action", f"There is no action {action[:60]}{did_you_mean(action[:60], ACTIONS)}"))


def _bound(token: str) -> int:
    return int(read_token(token, listing=_LISTING, kinds=(int,))[0])
