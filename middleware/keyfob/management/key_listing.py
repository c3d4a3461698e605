"""Reads one key, and lists many."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, NotFound
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.format import KEY_ID, key_id_of
from keyfob.keys.record import State
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
from keyfob.store.contract.key_store import KeyQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from keyfob.management.actor import Actor
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore, KeyView

ORDERS = ("created_at", "name", "last_used_at", "expires_at")


@dataclass(frozen=True, slots=True)
class KeySearch:
    """Which keys to list. Numbers and times may still be text from a query string.

    *q* searches names and ids. *order_by* is one of `ORDERS`, with ``-`` before it for descending. Without *team*
    all teams that the actor can see are searched. *owner* is the id of a person, or ``team``.
    """

    team: str | None = None
    q: str | None = None
    state: str | None = None
    key_type: str | None = None
    permission: str | None = None
    unused_since: datetime | str | None = None
    order_by: str = "created_at"
    page_size: int | str = DEFAULT_PAGE
    page_token: str | None = None
    expires_before: datetime | str | None = None
    expires_after: datetime | str | None = None
    created_by: str | None = None
    external_id: str | None = None
    owner: str | None = None
    never_used: bool = False
    ids: tuple[str, ...] | None = None  # only these
    words: tuple[str, ...] = ()  # each somewhere in what names and describes the key or its owner
    left_owners: tuple[str, ...] | None = None  # whose owner left the team; these roles count in every team

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the search but the team."""
        return replace(self, team=None, q=self.q or None) == KeySearch()


class KeyListing:
    """Reads keys for people; never any part of a secret or its hash."""

    def __init__(self, store: KeyStore, catalogue: Catalogue, now: Callable[[], datetime], prefix: str) -> None:
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._prefix = prefix

    async def one(self, team_id: str, key_id: str, *, actor: Actor, needed: str) -> KeyView:
        """Return one key. *key_id* may be its display form.

        Raises:
            Forbidden: the actor lacks *needed*.
            NotFound: the key does not exist, or belongs to another team.
        """
        actor.demand(needed)
        plain = key_id_of(key_id, self._prefix)
        view = await self._store.view(plain) if plain and actor.may_see(team_id) else None
        if view is None or view.record.team != team_id or not actor.may_see_key(view.record):
            raise NotFound("there is no such key")
        by = await as_known_to(actor, view.record.created_by, self._store.people)
        return replace(view, record=replace(view.record, created_by=by))

    async def many(self, search: KeySearch, *, actor: Actor) -> Page[KeyView]:
        """List keys; the first page says how many there are in all.

        Raises:
            Forbidden
            NotFound: for the team.
            Invalid: with the parameter as pointer.
        """
        query = await self._seen(search, actor)
        views = await self._store.views(query)
        shown = tuple(views[: query.limit - 1])  # one more was asked for, to know whether there is one
        is_last = len(views) < query.limit
        total = None
        if query.after is None:
            total = len(shown) if is_last else await self._store.count(query)
        token = None if is_last else write_token(search.order_by, *shown[-1].place(query.order_by))
        return Page(shown, token, total)

    async def count(self, search: KeySearch, *, actor: Actor) -> int:
        """How many keys `many` would list in all. Raises Forbidden, NotFound and Invalid."""
        return await self._store.count(await self._seen(search, actor))

    async def _seen(self, search: KeySearch, actor: Actor) -> KeyQuery:
        """Ask only for what *actor* may see."""
        actor.demand("keys:read")
        team = search.team if search.team is not None or actor.acts_everywhere else actor.team
        query = await self._query(search, team, await self._plans(team, actor))
        if actor.own_keys_only:
            query = replace(query, ids=query.ids if query.owner in {None, actor.id} else (), owner=actor.id)
        return replace(query, without_type=actor.unseen_type)

    async def demand_team(self, team_id: str, actor: Actor) -> None:
        """Raise NotFound unless *actor* can see the team."""
        await self._plans(team_id, actor)

    async def _plans(self, team_id: str | None, actor: Actor) -> set[str]:
        """Return every plan that the listed keys may be under."""
        if team_id is None:
            return {team.plan for team in await self._store.teams()}
        team = await self._store.team(team_id) if actor.may_see(team_id) else None
        if team is None:
            raise NotFound("there is no such team")
        return {team.plan}

    async def _query(self, search: KeySearch, team: str | None, plans: Iterable[str]) -> KeyQuery:
        types = self._catalogue.key_types
        order_by = search.order_by.removeprefix("-")
        _check_choice(order_by, ORDERS, "order_by")
        _check_choice(search.state, State, "state")
        _check_choice(search.key_type, types, "type")
        return KeyQuery(
            team=team,
            now=self._now(),
            q=self._sought(search.q) if search.q else None,
            state=search.state,
            key_type=search.key_type,
            permission=read_text(search.permission, "permission") if search.permission is not None else None,
            unused_since=_moment(search.unused_since, "unused_since"),
            order_by=order_by,
            descending=search.order_by.startswith("-"),
            limit=read_number(search.page_size, "page_size", most=LARGEST_PAGE) + 1,
            after=_place(search.page_token, search.order_by) if search.page_token else None,
            expires_before=_moment(search.expires_before, "expires_before"),
            expires_after=_moment(search.expires_after, "expires_after"),
            created_by=self._creator(search.created_by),
            external_id=read_text(search.external_id, "external_id") if search.external_id is not None else None,
            owner=read_text(search.owner, "owner") if search.owner is not None else None,
            never_used=search.never_used,
            ids=search.ids,
            words=[_word(word) for word in search.words],
            left_owners=search.left_owners,
            suspended_types=_suspended(self._catalogue, plans),
        )

    def _creator(self, created_by: str | None) -> str | None:
        """Give the id of who made keys, from the id or the display form of a key."""
        if created_by is None:
            return None
        return key_id_of(created_by, self._prefix) or read_text(created_by, "created_by")

    def _sought(self, q: str) -> str | None:
        """Cut a whole key to its id: it was pasted by mistake, and must not reach a log or the database."""
        text = unicodedata.normalize("NFC", read_text(q, "q")).strip()
        return key_id_of(text, self._prefix) or text or None


def _word(word: str) -> str:
    return unicodedata.normalize("NFC", read_text(word, "q"))


def _moment(value: datetime | str | None, name: str) -> datetime | None:
    return None if value is None else read_moment(value, name)


def _check_choice(value: str | None, choices: Iterable[str], name: str) -> None:
    if value is not None and value not in list(choices):
        raise Invalid((f"/{name}", f"There is no {value[:60]} here{did_you_mean(value[:60], choices)}"))


def _place(token: str, order_by: str) -> tuple[str | int, str]:
    kind = str if order_by.removeprefix("-") == "name" else int
    value, key_id = read_token(token, listing=order_by, kinds=(kind, str))
    if not KEY_ID.match(str(key_id)):
        raise Invalid(("/page_token", "This page token does not belong to this listing; start without one"))
    return value, str(key_id)


async def count_by_state(store: KeyStore, catalogue: Catalogue, now: datetime) -> dict[State, int]:
    """Count all keys of the installation, for its operator. Raises StoreUnavailable."""
    suspended = _suspended(catalogue, {team.plan for team in await store.teams()})
    queries = {state: KeyQuery(team=None, now=now, state=state, suspended_types=suspended) for state in State}
    return {state: await store.count(query) for state, query in queries.items()}


def _suspended(catalogue: Catalogue, plans: Iterable[str]) -> dict[str, list[str]]:
    """Map each plan to the key types that it lacks."""
    types = catalogue.key_types
    return {plan: [name for name in types if catalogue.suspends(plan, name)] for plan in plans}
