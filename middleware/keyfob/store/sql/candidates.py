"""Statements that find the few keys which a rare filter fits, by an index that holds no others.

A filter that many keys fit needs none of this: the keys are walked through in the order asked for, and a page is soon
full. One that few fit would be walked for to the end, so its keys are found first, and sorted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import TEAM_OWNER, KeyQuery
from keyfob.store.sql.listing import EXPIRY, FEW

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARRANGING = {"team", "now", "order_by", "descending", "limit", "after", "suspended_types"}  # what narrows no list
_UNUSED = "last_used_at < :unused_since AND created_at <= :unused_since"
_NARROWING = {field.name for field in fields(KeyQuery)} - _ARRANGING


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine writes what the engines write differently."""

    schema: str
    hint: str  # names the index to read; empty where the engine cannot be given one
    lacking: str  # a plan and a key type that it lacks, in a row for each
    unknown_plan: str  # the condition of a team whose plan is none of those
    is_wide: str  # the condition of a role that counts in every team

    def keys(self, index: str) -> str:
        """The table of keys, read by *index*."""
        return f"{self.schema}keys k{self.hint.format(index=index)}"


def rare_keys(query: KeyQuery, dialect: Dialect) -> list[str]:
    """Statements for the ids of keys among which all are that *query* asks for, the likeliest to be few first.

    Each finds at most one more than `FEW`: where one finds no more than that, these are all that need be looked at.
    Parameters are those of the listing.
    """
    found = [*_by_column(query, dialect), *_by_other_tables(query, dialect)]
    return [f"{statement} LIMIT {FEW + 1}" for statement in found]


def _by_column(query: KeyQuery, dialect: Dialect) -> Iterator[str]:
    of_team = "k.team = :team" if query.team is not None else "true"
    person = query.owner is not None and query.owner != TEAM_OWNER
    owners = "keys_by_owner" if query.team is None else "keys_by_team_and_owner"
    expiry = "keys_by_expiry" if query.team is None else "keys_by_team_and_expiry"
    asked = {
        ("keys_by_external_id", "k.external_id = :external_id"): query.external_id is not None,
        (owners, f"k.owner_id = :owner AND {of_team}"): person,
        ("keys_replaced", f"k.replaced_by IS NOT NULL AND {of_team}"): query.replaced is True,
        ("keys_pending", f"k.pending_until IS NOT NULL AND {of_team}"): query.state == "pending",
        ("keys_by_creator", "k.creator_id = :created_by"): query.created_by is not None,
        ("keys_disabled", f"k.disabled_at IS NOT NULL AND {of_team}"): query.state == "disabled",
        (expiry, f"{' AND '.join(_lifetimes(query))} AND {of_team}"): bool(_lifetimes(query)),
    }
    if query.team is not None:
        asked |= {
            ("keys_by_team_and_type", "k.team = :team AND k.key_type = :key_type"): query.key_type is not None,
            ("keys_by_team_and_owner", "k.team = :team AND k.owner_id IS NULL"): query.owner == TEAM_OWNER,
        }
    for (index, condition), wanted in asked.items():
        if wanted:
            yield f"SELECT k.id FROM {dialect.keys(index)} WHERE k.deleted_at IS NULL AND {condition}"  # noqa: S608 (constants)


def _lifetimes(query: KeyQuery) -> list[str]:
    """The conditions on the expiry: what an index in its order can answer."""
    asked = {
        f"{EXPIRY} <= :now": query.state == "expired",
        f"{EXPIRY} > :now": query.state == "active",
        f"{EXPIRY} < :expires_before": query.expires_before is not None,
        f"{EXPIRY} > :expires_after": query.expires_after is not None,
    }
    return [condition for condition, wanted in asked.items() if wanted]


def _by_other_tables(query: KeyQuery, dialect: Dialect) -> Iterator[str]:
    schema, of_team = dialect.schema, "team = :team" if query.team is not None else "true"
    if query.permission is not None:
        held = f"{schema}key_permissions WHERE permission = :permission AND {of_team}"
        yield f"SELECT key_id AS id FROM {held}"  # noqa: S608 (constants)
    if query.state == "suspended":
        yield _suspended(query, dialect)
    if query.left_owners is not None:
        yield _left(query, dialect)
    disuse = {"last_used_at = 0": query.never_used, _UNUSED: query.unused_since is not None}
    for condition, wanted in disuse.items():
        if wanted:
            yield f"SELECT key_id AS id FROM {schema}key_usage WHERE {of_team} AND {condition}"  # noqa: S608 (constants)


def _suspended(query: KeyQuery, dialect: Dialect) -> str:
    """Keys of the types that their teams' plans lack; of all types, where a plan is unknown."""
    of_team = " AND t.id = :team" if query.team is not None else ""
    keys, teams = dialect.keys("keys_by_team_and_type"), f"{dialect.schema}teams t"
    lacked = f"{teams} CROSS JOIN {dialect.lacking} CROSS JOIN {keys}"
    found = f"SELECT k.id FROM {lacked} WHERE s.plan = t.plan{of_team} AND k.team = t.id AND k.key_type = s.key_type"  # noqa: S608 (constants)
    found += " AND k.deleted_at IS NULL"
    if not query.suspended_types:
        return found
    unknown = f"{teams} CROSS JOIN {keys} WHERE {dialect.unknown_plan}{of_team} AND k.team = t.id"
    return f"{found} UNION ALL SELECT k.id FROM {unknown} AND k.deleted_at IS NULL"  # noqa: S608 (constants)


def _left(query: KeyQuery, dialect: Dialect) -> str:
    """Keys of those who left: every owner in a team is visited once, not every key."""
    of_team = " WHERE t.id = :team" if query.team is not None else ""
    keys = dialect.keys("keys_by_team_and_owner")
    following = (
        f"SELECT k.owner_id FROM {keys} WHERE k.deleted_at IS NULL AND k.team = {{team}} AND k.owner_id > {{owner}}"  # noqa: S608 (constants)
        " ORDER BY k.owner_id LIMIT 1"
    )
    first, later = following.format(team="t.id", owner="''"), following.format(team="o.team", owner="o.owner_id")
    return (
        f"WITH RECURSIVE o (team, owner_id) AS (SELECT t.id, ({first}) FROM {dialect.schema}teams t{of_team}"  # noqa: S608 (constants)
        f" UNION ALL SELECT o.team, ({later}) FROM o WHERE o.owner_id IS NOT NULL)"
        f" SELECT k.id FROM o CROSS JOIN {keys} WHERE k.deleted_at IS NULL AND k.team = o.team"
        f" AND k.owner_id = o.owner_id AND {has_left(dialect, 'o')}"
    )


def alone(query: KeyQuery, dialect: Dialect) -> str | None:
    """The statement that counts by one small table, where what *query* asks for stands in it; else None."""
    bare = KeyQuery(query.team, query.now)
    asked = frozenset(name for name in _NARROWING if getattr(query, name) != getattr(bare, name))
    of_team = "team = :team" if query.team is not None else "true"
    conditions = {
        frozenset[str](): ("key_usage", of_team),
        frozenset({"never_used"}): ("key_usage", f"{of_team} AND last_used_at = 0"),
        frozenset({"unused_since"}): ("key_usage", f"{of_team} AND {_UNUSED}"),
        frozenset({"permission"}): ("key_permissions", f"{of_team} AND permission = :permission"),
    }
    if asked not in conditions:
        return None
    table, condition = conditions[asked]
    return f"SELECT count(*) FROM {dialect.schema}{table} WHERE {condition}"  # noqa: S608 (constants)


def has_left(dialect: Dialect, owned: str) -> str:
    """The condition that the owner in *owned* has no role in the team there, nor one that counts in every team."""
    return (
        f"NOT EXISTS (SELECT 1 FROM {dialect.schema}memberships m JOIN {dialect.schema}people p ON p.id = m.person"  # noqa: S608 (constants)
        f" WHERE m.person = {owned}.owner_id AND p.state <> 'left' AND (m.team = {owned}.team OR {dialect.is_wide}))"
    )
