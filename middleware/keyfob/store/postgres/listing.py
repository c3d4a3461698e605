"""Turns a query for keys or for events into a statement. Only names from this file become SQL; values are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.store.postgres.statements import SQL
from keyfob.store.sql.candidates import Dialect, alone, has_left, rare_keys
from keyfob.store.sql.listing import (
    EVENT_COLUMNS,
    EXPIRY,
    FEW,
    conditions,
    lacking,
    needs_search,
    parameters,
    search_statement,
    states,
    words,
)
from keyfob.store.sql.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store.contract.key_store import EventQuery, KeyQuery


# What each order sorts by: the value with its type, the id and the team, all three in one index.
_ORDERS = {
    "created_at": ("k.created_at", "bigint", "k.id", "k.team"),
    "name": ("k.name_folded", "text", "k.id", "k.team"),
    "expires_at": (EXPIRY, "bigint", "k.id", "k.team"),
    "last_used_at": ("u.last_used_at", "bigint", "u.key_id", "u.team"),
}
_JOINED = {
    "u": "JOIN keyfob.key_usage u ON u.key_id = k.id",
    "t": "JOIN keyfob.teams t ON t.id = k.team",
}
_TABLES = " ".join(["keyfob.keys k", *_JOINED.values()])
_SUSPENDED = (
    "(t.plan || chr(31) || k.key_type = ANY(:suspended::text[])"
    " OR (cardinality(:plans::text[]) > 0 AND k.key_type <> 'admin' AND t.plan <> ALL(:plans::text[])))"
)
_STATES = states(_SUSPENDED)
_DIALECT = Dialect(
    schema="keyfob.",
    hint="",
    lacking=(
        "(SELECT split_part(pair, chr(31), 1) AS plan, split_part(pair, chr(31), 2) AS key_type"
        " FROM unnest(:suspended::text[]) pair) s"
    ),
    unknown_plan="t.plan <> ALL(:plans::text[])",
    is_wide="m.role = ANY(:left_owners::text[])",
)
_LEFT = f"k.owner_id IS NOT NULL AND {has_left(_DIALECT, 'k')}"


def key_search(q: str) -> tuple[str, Mapping[str, object]]:
    """The statement that looks for the ids of what matches *q*: at most one more than is `FEW`."""
    return SQL[search_statement(q)], {"q": q, "q_folded": folded(q), "most": FEW + 1}


def few_keys(query: KeyQuery) -> list[tuple[str, Mapping[str, object]]]:
    """Statements for keys among which all are that *query* asks for, each by an index that holds no others."""
    sought = [key_search(query.q)] if query.q and needs_search(query.q) else []
    return [*sought, *((statement, _parameters(query)) for statement in rare_keys(query, _DIALECT))]


def few_to_count(query: KeyQuery) -> list[tuple[str, Mapping[str, object]]]:
    """What `few_keys` gives, where `key_count` does not count by one small table alone."""
    return [] if alone(query, _DIALECT) else few_keys(query)


def key_listing(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.sql.rows.view_of` takes them.

    Where *among* is given no other ids are looked at.
    """
    value, kind, key_id, team = _ORDERS[query.order_by]
    direction, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    where = _where(query, team, among)
    if query.after is not None:
        where.append(f"({value}, {key_id}) {beyond} (:after_value::{kind}, :after_id)")
    statement = (
        f"SELECT u.last_used_at, u.last_used_ip, {SQL['key_columns']} FROM {_TABLES} "  # noqa: S608 (constants)
        f"WHERE {' AND '.join(where)} ORDER BY {value} {direction}, {key_id} {direction} LIMIT :limit"
    )
    return statement, {**_parameters(query), "among": among}


def key_count(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement that counts what `key_listing` would list if it had no end."""
    where = " AND ".join(_where(query, "k.team", among)).replace("k.created_at", "u.created_at")
    joined = {name: table for name, table in _JOINED.items() if f"{name}." in where}  # often an index of keys is enough
    tables = " ".join(["keyfob.keys k", *joined.values()])
    sql = alone(query, _DIALECT) or f"SELECT count(*) FROM {tables} WHERE {where}"  # noqa: S608 (constants)
    return sql, {**_parameters(query), "among": among}


def _where(query: KeyQuery, team: str, among: Sequence[str] | None) -> list[str]:
    some = ["k.id = ANY(:among::text[])"] if among is not None else []
    return ["k.deleted_at IS NULL", *_conditions(query, team), *some]


def _conditions(query: KeyQuery, team: str) -> list[str]:
    asked = {
        f"{team} = :team": query.team is not None,
        "(strpos(k.name_folded, :q_folded) > 0 OR strpos(k.id, :q) > 0)": query.q is not None,
        "k.permissions ? :permission": query.permission is not None,
        "k.id = ANY(:ids::text[])": query.ids is not None,
        _LEFT: query.left_owners is not None,
    }
    chosen = [*(condition for condition, wanted in asked.items() if wanted), *conditions(query)]
    chosen += words(query, "keyfob.", "strpos")
    return chosen if query.state is None else [*chosen, _STATES[query.state]]


def _parameters(query: KeyQuery) -> dict[str, object]:
    after_value = query.after[0] if query.after else None
    return {
        **parameters(query),
        "suspended": lacking(query),
        "plans": list(query.suspended_types),
        "ids": list(query.ids or ()),
        "left_owners": list(query.left_owners or ()),
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
        "person": ("person_id = :person", query.person),
        "owner": ("key_id IN (SELECT id FROM keyfob.keys WHERE owner_id = :owner)", query.owner),
        "without_type": (
            "(key_id IS NULL OR key_id NOT IN (SELECT id FROM keyfob.keys WHERE key_type = :without_type))",
            query.without_type,
        ),
        "since": ("at >= :since", None if query.since is None else micros(query.since)),
        "bound": (f"seq {beyond} :bound", query.bound),
    }
    wanted = [condition for condition, value in asked.values() if value is not None]
    where = f"WHERE {' AND '.join(wanted)} " if wanted else ""
    statement = (
        f"SELECT {EVENT_COLUMNS} FROM keyfob.audit_events {where}"  # noqa: S608 (constants)
        f"ORDER BY seq {direction} LIMIT :limit"
    )
    return statement, {"limit": query.limit, **{name: value for name, (_, value) in asked.items()}}
