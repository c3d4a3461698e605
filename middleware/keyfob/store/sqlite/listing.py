"""Turns a query for keys or for events into a statement. Only names from this file become SQL; values are bound."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import NEVER
from keyfob.store.sql.candidates import Dialect, alone, has_left, rare_keys
from keyfob.store.sql.listing import (
    EVENT_COLUMNS,
    EXPIRY,
    FEW,
    INDEXED,
    conditions,
    lacking,
    needs_search,
    parameters,
    search_statement,
    states,
    words,
)
from keyfob.store.sql.rows import folded, micros
from keyfob.store.sqlite.transaction import SQL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store.contract.key_store import EventQuery, KeyQuery

WINDOW = 1_000  # keys that are looked at in their order before any index is asked: enough where one in twenty matches

# How each order walks: the tables, outermost first (CROSS JOIN keeps SQLite from turning them round, and naming the
# index from reading another and sorting), the column of the order and that of the team, all three in one index.
_KEYS = "keys k INDEXED BY {} CROSS JOIN key_usage u ON u.key_id = k.id"
_ORDERS = {
    "created_at": (_KEYS, "k.created_at", "k.id", "k.team"),
    "name": (_KEYS, "k.name_folded", "k.id", "k.team"),
    "expires_at": (_KEYS, EXPIRY, "k.id", "k.team"),
    "last_used_at": (
        "key_usage u INDEXED BY {} CROSS JOIN keys k ON k.id = u.key_id",
        "u.last_used_at",
        "u.key_id",
        "u.team",
    ),
}
_WALKS = {
    "created_at": ("keys_by_age", "keys_by_team_and_age", "keys_disabled"),
    "name": ("keys_by_name", "keys_by_team_and_name", "keys_disabled_by_name"),
    "expires_at": ("keys_by_expiry", "keys_by_team_and_expiry", "keys_disabled_by_expiry"),
    "last_used_at": ("usage_by_time", "usage_by_team", "usage_by_team"),
}
_OF_THESE = "({}) f CROSS JOIN keys k ON k.id = f.id CROSS JOIN key_usage u ON u.key_id = k.id"
_AMONG = _OF_THESE.format("SELECT value AS id FROM json_each(:among)")
_AMONG_OF_TEAMS = f"{_AMONG} JOIN teams t ON t.id = k.team"
_WILD = re.compile(r"[*?[]")
_SUSPENDED = (  # the plan is asked only for a type that some plan lacks: to join texts takes the longest
    "(:suspended <> '[]'"
    " AND k.key_type IN (SELECT substr(value, instr(value, char(31)) + 1) FROM json_each(:suspended))"
    " AND t.plan || char(31) || k.key_type IN (SELECT value FROM json_each(:suspended))"
    " OR (:plans <> '[]' AND k.key_type <> 'admin' AND t.plan NOT IN (SELECT value FROM json_each(:plans))))"
)
_STATES = states(_SUSPENDED)
_DIALECT = Dialect(
    schema="",
    hint=" INDEXED BY {index}",
    lacking=(
        "(SELECT substr(value, 1, instr(value, char(31)) - 1) AS plan,"
        " substr(value, instr(value, char(31)) + 1) AS key_type FROM json_each(:suspended)) s"
    ),
    unknown_plan="t.plan NOT IN (SELECT value FROM json_each(:plans))",
    is_wide="m.role IN (SELECT value FROM json_each(:left_owners))",
)
_LEFT = f"k.owner_id IS NOT NULL AND {has_left(_DIALECT, 'k')}"


def key_search(q: str) -> tuple[str, Mapping[str, object]]:
    """The statement that looks for the ids of what may match *q*: at most one more than is `FEW`, for each half."""
    sought, statement = folded(q), search_statement(q)
    if statement == "search" and not (_runs(sought) and _runs(q)):
        statement = "search_all"
    needles = {"q": q, "q_folded": sought, "name_part": _pattern(sought), "id_part": _pattern(q), "most": FEW + 1}
    return SQL[statement], needles


def _pattern(text: str) -> str:
    """A GLOB pattern for whatever holds *text*, and perhaps for more, which the index of trigrams can answer."""
    return "*".join(("", *_runs(text), ""))


def _runs(text: str) -> list[str]:
    """The parts of *text* between what GLOB takes for another sign that are long enough for the index.

    Of a shorter one with letters beyond ASCII FTS5 (3.40) counts the bytes, looks for it, and finds nothing.
    """
    return [run for run in _WILD.split(text) if len(run) >= INDEXED]


def few_keys(query: KeyQuery) -> list[tuple[str, Mapping[str, object]]]:
    """Statements for keys among which all are that *query* asks for, each by an index that holds no others."""
    sought = [key_search(query.q)] if query.q and needs_search(query.q) else []
    return [*sought, *((statement, _parameters(query)) for statement in rare_keys(query, _DIALECT))]


def few_to_count(query: KeyQuery) -> list[tuple[str, Mapping[str, object]]]:
    """What `few_keys` gives, where `key_count` does not count by one small table alone."""
    return [] if alone(query, _DIALECT) else few_keys(query)


def first_keys(query: KeyQuery) -> tuple[str, Mapping[str, object]]:
    """The statement for those that *query* asks for among the next `WINDOW` keys in its order."""
    _, value, key_id, team = _ORDERS[query.order_by]
    table, there = ("key_usage u", "true") if value.startswith("u.") else ("keys k", "k.deleted_at IS NULL")
    walk = [there, *([f"{team} = :team"] if query.team is not None else []), *_beyond(query)]
    window = f"SELECT {key_id} AS id FROM {table} WHERE {' AND '.join(walk)} {_in_order(query)} LIMIT {WINDOW}"  # noqa: S608 (constants)
    return _listing(query, _OF_THESE.format(window))


def key_listing(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.sql.rows.view_of` takes them.

    Where *among* is given no other ids are looked at; else the keys are walked through in the order asked for.
    """
    statement, parameters = _listing(query, _walk(query) if among is None else _AMONG)
    return statement, {**parameters, "among": json.dumps(among)}


def _walk(query: KeyQuery) -> str:
    """The tables, read by the index in whose order the keys are asked for."""
    of_all, of_team, disabled = _WALKS[query.order_by]
    index = of_all if query.team is None else disabled if query.state == "disabled" else of_team
    return _ORDERS[query.order_by][0].format(index)


def _listing(query: KeyQuery, tables: str) -> tuple[str, Mapping[str, object]]:
    _, value, _, team = _ORDERS[query.order_by]
    conditions, bound = _conditions(query, team), f"{value} {'<' if query.descending else '>'}"
    if query.after is not None:  # the plus keeps SQLite from starting at a bound that the pages before have passed
        conditions = [condition.replace(bound, f"+{bound}") for condition in conditions]
    wanted = ["k.deleted_at IS NULL", *conditions, *_beyond(query)]
    statement = (
        f"SELECT u.last_used_at, u.last_used_ip, {SQL['key_columns']} FROM {tables} JOIN teams t ON t.id = k.team "  # noqa: S608
        f"WHERE {' AND '.join(wanted)} {_in_order(query)} LIMIT :limit"
    )
    return statement, _parameters(query)


def key_count(query: KeyQuery, among: Sequence[str] | None = None) -> tuple[str, Mapping[str, object]]:
    """The statement that counts what `key_listing` would list if it had no end."""
    where = " AND ".join(["k.deleted_at IS NULL", *_conditions(query, "k.team")])
    where = where.replace(EXPIRY, f"coalesce(k.expires_at, {NEVER})")  # no index holds a column that is not stored
    where = where.replace("k.created_at", "u.created_at")  # so that the index with what states are made of is enough
    tables = _counted(where) if among is None else _AMONG_OF_TEAMS
    sql = alone(query, _DIALECT) or f"SELECT count(*) FROM {tables} WHERE {where}"  # noqa: S608 (constants)
    return sql, {**_parameters(query), "among": json.dumps(among)}


def _counted(where: str) -> str:
    """The tables that *where* speaks of: most often an index of the keys is enough."""
    tables = {"k": "keys k", "u": "CROSS JOIN key_usage u ON u.key_id = k.id", "t": "JOIN teams t ON t.id = k.team"}
    return " ".join(table for name, table in tables.items() if name == "k" or f"{name}." in where)


def _in_order(query: KeyQuery) -> str:
    _, value, key_id, _ = _ORDERS[query.order_by]
    direction = "DESC" if query.descending else "ASC"
    return f"ORDER BY {value} {direction}, {key_id} {direction}"


def _beyond(query: KeyQuery) -> list[str]:
    """The condition that leaves out what was listed already."""
    _, value, key_id, _ = _ORDERS[query.order_by]
    return (
        []
        if query.after is None
        else [f"({value}, {key_id}) {'<' if query.descending else '>'} (:after_value, :after_id)"]
    )


def _conditions(query: KeyQuery, team: str) -> list[str]:
    asked = {
        f"{team} = :team": query.team is not None,
        "(instr(k.name_folded, :q_folded) > 0 OR instr(k.id, :q) > 0)": query.q is not None,
        "EXISTS (SELECT 1 FROM json_each(k.permissions) WHERE value = :permission)": query.permission is not None,
        "k.id IN (SELECT value FROM json_each(:ids))": query.ids is not None,
        _LEFT: query.left_owners is not None,
    }
    chosen = [*(condition for condition, wanted in asked.items() if wanted), *conditions(query)]
    chosen += words(query, "", "instr")
    return chosen if query.state is None else [*chosen, _STATES[query.state]]


def _parameters(query: KeyQuery) -> dict[str, object]:
    after_value = query.after[0] if query.after else None
    return {
        **parameters(query),
        "suspended": json.dumps(lacking(query)),
        "plans": json.dumps(list(query.suspended_types)),
        "ids": json.dumps(list(query.ids or ())),
        "left_owners": json.dumps(list(query.left_owners or ())),
        "after_value": (folded(after_value) if isinstance(after_value, str) else after_value) or 0,  # 0: never used
    }


def event_listing(query: EventQuery) -> tuple[str, Sequence[object]]:
    """The statement for *query* and its parameters; rows as `keyfob.store.sql.rows.event_of` takes them."""
    beyond, direction = (">", "ASC") if query.oldest_first else ("<", "DESC")
    asked: dict[str, object] = {
        "team = ?": query.team,
        "key_id = ?": query.key,
        "? IN (actor_id, actor_name)": query.actor,
        "action = ?": query.action,
        "person_id = ?": query.person,
        "key_id IN (SELECT id FROM keys WHERE owner_id = ?)": query.owner,
        "(key_id IS NULL OR key_id NOT IN (SELECT id FROM keys WHERE key_type = ?))": query.without_type,
        "at >= ?": None if query.since is None else micros(query.since),
        f"seq {beyond} ?": query.bound,
    }
    wanted = {condition: value for condition, value in asked.items() if value is not None}
    where = f"WHERE {' AND '.join(wanted)} " if wanted else ""
    statement = (
        f"SELECT {EVENT_COLUMNS} FROM audit_events {where}"  # noqa: S608 (constants)
        f"ORDER BY seq {direction} LIMIT ?"
    )
    return statement, [*wanted.values(), query.limit]
