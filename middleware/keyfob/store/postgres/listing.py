"""Turns a query for keys or for events into a statement. Only names from this file become SQL; values are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.store.postgres.statements import SQL
from keyfob.store.sql.listing import EVENT_COLUMNS, lacking, parameters, search_statement, states
from keyfob.store.sql.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store.contract import EventQuery, KeyQuery

FEW = 5_000  # matches that are worth sorting; of more, a walk through the keys in their order soon finds a page

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
_STATES = states(_SUSPENDED)


def key_search(q: str) -> tuple[str, Mapping[str, object]]:
    """The statement that looks for the ids of what matches *q*: at most one more than is `FEW`."""
    return SQL[search_statement(q)], {"q": q, "q_folded": folded(q), "most": FEW + 1}


def key_listing(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.sql.rows.view_of` takes them.

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


def _parameters(query: KeyQuery) -> dict[str, object]:
    after_value = query.after[0] if query.after else None
    return {
        **parameters(query),
        "suspended": lacking(query),
        "plans": list(query.suspended_types),
        # A key never used stands at 0.
        "after_value": folded(str(after_value or "")) if query.order_by == "name" else int(after_value or 0),
    }


def event_listing(query: EventQuery) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.sql.rows.event_of` takes them."""
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
        f"SELECT {EVENT_COLUMNS} FROM keyfob.audit_events {where}"  # noqa: S608 (constants)
        f"ORDER BY seq {direction} LIMIT :limit"
    )
    return statement, {"limit": query.limit, **{name: value for name, (_, value) in asked.items()}}
