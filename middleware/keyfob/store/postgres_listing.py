"""Turns a query for keys or for events into a statement. Only names from this file become SQL; values are bound."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.store.postgres_statements import SQL
from keyfob.store.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store import EventQuery, KeyQuery

_EVENT_COLUMNS = "seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, ring_char, seal"

FEW = 5_000  # matches that are worth sorting; of more, a walk through the keys in their order soon finds a page
_IN_IDS = re.compile(r"[0-9A-Za-z]+")
_INDEXED = 3  # letters that the index of trigrams needs to be of use
_SEPARATOR = chr(31)  # between a plan and a key type

# What each order sorts by: the value with its type, the id and the team, all three in one index.
_ORDERS = {
    "created_at": ("k.created_at", "bigint", "k.id", "k.team"),
    "name": ("k.name_folded", "text", "k.id", "k.team"),
    "last_used_at": ("u.last_used_at", "bigint", "u.key_id", "u.team"),
}
_TABLES = "keyfob.keys k JOIN keyfob.key_usage u ON u.key_id = k.id JOIN keyfob.teams t ON t.id = k.team"
_SUSPENDED = (
    "(t.plan || chr(31) || k.key_type = ANY(:suspended::text[])"
    " OR (cardinality(:plans::text[]) > 0 AND k.key_type <> 'admin' AND t.plan <> ALL(:plans::text[])))"
)
_EXPIRED = "(k.expires_at IS NOT NULL AND k.expires_at <= :now)"
_STATES = {
    "disabled": "k.disabled_at IS NOT NULL",
    "suspended": f"k.disabled_at IS NULL AND {_SUSPENDED}",
    "expired": f"k.disabled_at IS NULL AND NOT {_SUSPENDED} AND {_EXPIRED}",
    "active": f"k.disabled_at IS NULL AND NOT {_SUSPENDED} AND NOT {_EXPIRED}",
}


def needs_search(q: str) -> bool:
    """Whether to look for the ids that match *q* before the keys are walked through.

    Not for one or two letters that ids are made of: ids are random, so that in each 250 one has both in a row, and a
    walk in the order asked for meets a page of them soon. The index could not tell either.
    """
    return len(q) >= _INDEXED or not _IN_IDS.fullmatch(q)


def key_search(q: str) -> tuple[str, Mapping[str, object]]:
    """The statement that looks for the ids of what matches *q*: at most one more than is `FEW`."""
    name = "search" if min(len(q), len(folded(q))) >= _INDEXED else "search_all"
    return SQL[name], {"q": q, "q_folded": folded(q), "most": FEW + 1}


def key_listing(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.rows.view_of` takes them.

    Where *among* is given no other ids are looked at.
    """
    value, kind, key_id, team = _ORDERS[query.order_by]
    direction, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    conditions = ["k.deleted_at IS NULL", *_conditions(query, team)]
    if among is not None:
        conditions.append("k.id = ANY(:among::text[])")
    if query.after is not None:
        conditions.append(f"({value}, {key_id}) {beyond} (:after_value::{kind}, :after_id)")
    statement = (
        f"SELECT u.last_used_at, u.last_used_ip, {SQL['key_columns']} FROM {_TABLES} "  # noqa: S608 (constants)
        f"WHERE {' AND '.join(conditions)} ORDER BY {value} {direction}, {key_id} {direction} LIMIT :limit"
    )
    return statement, {**_parameters(query), "among": among}


def _conditions(query: KeyQuery, team: str) -> list[str]:
    asked = {
        f"{team} = :team": query.team is not None,
        "(strpos(k.name_folded, :q_folded) > 0 OR strpos(k.id, :q) > 0)": query.q is not None,
        "k.key_type = :key_type": query.key_type is not None,
        "k.permissions ? :permission": query.permission is not None,
        "u.last_used_at < :unused_since": query.unused_since is not None,
    }
    chosen = [condition for condition, wanted in asked.items() if wanted]
    return chosen if query.state is None else [*chosen, _STATES[query.state]]


def _parameters(query: KeyQuery) -> Mapping[str, object]:
    after_value, after_id = query.after or (None, None)
    after_value = folded(str(after_value or "")) if query.order_by == "name" else int(after_value or 0)
    lacking = [f"{plan}{_SEPARATOR}{kind}" for plan, kinds in query.suspended_types.items() for kind in kinds]
    return {
        "team": query.team,
        "now": micros(query.now),
        "q": query.q,
        "q_folded": folded(query.q or ""),
        "key_type": query.key_type,
        "permission": query.permission,
        "unused_since": None if query.unused_since is None else micros(query.unused_since),
        "suspended": lacking,
        "plans": list(query.suspended_types),
        "after_value": after_value,  # a key never used stands at 0
        "after_id": after_id,
        "limit": query.limit,
    }


def event_listing(query: EventQuery) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.rows.event_of` takes them."""
    beyond, direction = (">", "ASC") if query.oldest_first else ("<", "DESC")
    asked: dict[str, tuple[str, object]] = {
        "team": ("team = :team", query.team),
        "key": ("key_id = :key", query.key),
        "actor": (":actor IN (actor_id, actor_name)", query.actor),
        "action": ("action = :action", query.action),
        "since": ("at >= :since", None if query.since is None else micros(query.since)),
        "bound": (f"seq {beyond} :bound", query.bound),
    }
    conditions = [condition for condition, value in asked.values() if value is not None]
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    statement = (
        f"SELECT {_EVENT_COLUMNS} FROM keyfob.audit_events {where}"  # noqa: S608 (constants)
        f"ORDER BY seq {direction} LIMIT :limit"
    )
    return statement, {"limit": query.limit, **{name: value for name, (_, value) in asked.items()}}
