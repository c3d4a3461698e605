"""No list reads more as more keys are there: an index leads to what is rare, and the order to all else."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.management.key_listing import ORDERS
from keyfob.store.contract.key_store import TEAM_OWNER, KeyQuery
from tests.keyfob.conftest import engine, here, on_both_stores
from tests.keyfob.store.samples import NOON
from tests.keyfob.store.test_many_keys import multiply
from tests.postgres_server import run_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.testing import Installation

__all__ = ["engine", "here"]  # fixtures of the gate's tests, used here as well

Statement = "tuple[str, Mapping[str, object]]"
TEAM = "default"
LEADS: dict[str, tuple[dict[str, Any], str]] = {
    "active": ({"state": "active"}, "keys_by_team_and_expiry"),
    "expired": ({"state": "expired"}, "keys_by_team_and_expiry"),
    "disabled": ({"state": "disabled"}, "keys_disabled"),
    "pending": ({"state": "pending"}, "keys_pending"),
    "suspended": ({"state": "suspended", "suspended_types": {"enterprise": ["scim"]}}, "keys_by_team_and_type"),
    "type": ({"key_type": "scim"}, "keys_by_team_and_type"),
    "permission": ({"permission": "items:read"}, "key_permissions"),
    "unused since": ({"unused_since": NOON}, "usage_by_team"),
    "never used": ({"never_used": True}, "usage_by_team"),
    "expires before": ({"expires_before": NOON}, "keys_by_team_and_expiry"),
    "expires after": ({"expires_after": NOON}, "keys_by_team_and_expiry"),
    "owner": ({"owner": "ana"}, "keys_by_team_and_owner"),
    "the team's own": ({"owner": TEAM_OWNER}, "keys_by_team_and_owner"),
    "owner left": ({"left_owners": ["owner"]}, "keys_by_team_and_owner"),
    "created by": ({"created_by": "m" * 16}, "keys_by_creator"),
    "external id": ({"external_id": "org_1"}, "keys_by_external_id"),
    "replaced": ({"replaced": True}, "keys_replaced"),
}
WALKS = {
    "created_at": "keys_by_team_and_age",
    "name": "keys_by_team_and_name",
    "last_used_at": "usage_by_team",
    "expires_at": "keys_by_team_and_expiry",
}
DISABLED = {"created_at": "keys_disabled", "name": "keys_disabled_by_name", "expires_at": "keys_disabled_by_expiry"}
COUNTS = ("active", "type", "the team's own", "disabled")
SPREAD = (  # over ten teams, as the planner of PostgreSQL goes by what it has seen
    "INSERT INTO keyfob.teams (id, name, plan, created_at) SELECT 'team' || n, '', '', 1 FROM generate_series(0, 8) n",
    "UPDATE keyfob.keys SET team = 'team' || right(id, 1) WHERE id LIKE 'many%' AND id NOT LIKE '%9'",
    "UPDATE keyfob.key_usage u SET team = k.team FROM keyfob.keys k WHERE k.id = u.key_id",
    "UPDATE keyfob.key_permissions p SET team = k.team FROM keyfob.keys k WHERE k.id = p.key_id",
    "VACUUM ANALYZE",
)
_SCAN = re.compile(r"(SCAN|Seq Scan on) (k|u|keys|key_usage|key_permissions)\b")
_SORTED = "SET enable_sort = off; SET enable_incremental_sort = off"  # statistics of keys that are all alike mislead


async def plan(here: Installation, sql: str, parameters: Mapping[str, object]) -> str:
    """How the engine would run *sql* if the tables were large, step by step."""
    if here.url is None:
        return "\n".join(row[3] for row in await here.store.read(f"EXPLAIN QUERY PLAN {sql}", parameters))  # type: ignore[attr-defined]
    import asyncpg  # noqa: PLC0415 (the tests of other stores need no driver)

    from keyfob.store.postgres.statements import bound  # noqa: PLC0415 (as above)

    text, values = bound(sql, parameters)
    connection = await asyncpg.connect(here.url)
    try:
        await connection.execute(_SORTED)
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}", *values))
    finally:
        await connection.close()


async def fill(here: Installation) -> None:
    """Make so many keys, in so many teams, that the indexes are worth reading."""
    await here.issue("items:read")
    await multiply(here, 3_000)
    if here.url is not None:
        for statement in SPREAD:
            await run_sql(statement, database=here.url.rpartition("/")[2])


def statements(here: Installation) -> Any:
    """The module that writes the statements of this engine."""
    return import_module(f"keyfob.store.{'sqlite' if here.url is None else 'postgres'}.listing")


def reads_all(steps: str) -> Sequence[str]:
    """The steps that go through a table of keys, or of what belongs to each, from end to end."""
    return [step.strip() for step in steps.splitlines() if _SCAN.search(step)]


@on_both_stores
async def test_what_few_keys_fit_is_found_by_an_index(here: Installation) -> None:
    """Of every filter an index leads to its keys, in one team: the same one on both engines, but for owners."""
    await fill(here)
    for what, (asked, index) in LEADS.items():
        (found,) = statements(here).few_keys(KeyQuery(TEAM, NOON, **asked))
        steps = await plan(here, *found)
        assert index in steps or (what == "owner" and "keys_by_owner" in steps), (what, steps)
        assert not reads_all(steps), (what, steps)


@on_both_stores
@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("order_by", ORDERS)
async def test_what_many_keys_fit_is_walked_through_in_order(
    here: Installation,
    order_by: str,
    descending: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """Whatever is asked for, a page starts in the index of its order, behind the page before, and nothing is sorted."""
    place = ("name" if order_by == "name" else 1, "k" * 16)
    for what, (asked, _) in {"all": ({}, ""), **LEADS}.items():
        for after in (None, place):
            query = KeyQuery(TEAM, NOON, order_by=order_by, descending=descending, after=after, **asked)
            steps = await plan(here, *statements(here).key_listing(query, None))
            wanted = DISABLED.get(order_by, WALKS[order_by]) if what == "disabled" else WALKS[order_by]
            assert here.url is not None or wanted in steps, (what, steps)
            assert "TEMP B-TREE FOR ORDER BY" not in steps, (what, steps)
            assert not reads_all(steps), (what, steps)


@on_both_stores
async def test_the_keys_of_a_team_are_in_the_order_of_an_index(here: Installation) -> None:
    """Without a filter, and with the filter that has indexes of its own, on both engines."""
    await fill(here)
    for order_by in ORDERS:
        for what, index in {"all": WALKS[order_by], "disabled": DISABLED.get(order_by, WALKS[order_by])}.items():
            query = KeyQuery(TEAM, NOON, order_by=order_by, state="disabled" if what == "disabled" else None)
            steps = await plan(here, *statements(here).key_listing(query, None))
            assert index in steps or (what == "disabled" and "keys_disabled" in steps), (order_by, steps)
            assert "Sort" not in steps, (order_by, steps)


@on_both_stores
async def test_counting_reads_an_index_alone(here: Installation) -> None:
    """The total of the first page needs no key's row, however many fit."""
    await fill(here)
    for what in COUNTS:
        steps = await plan(here, *statements(here).key_count(KeyQuery(TEAM, NOON, **LEADS[what][0]), None))
        assert "COVERING INDEX" in steps or "Index Only Scan" in steps, (what, steps)
        assert not reads_all(steps), (what, steps)


@on_both_stores
async def test_what_one_small_table_counts_is_not_looked_for(here: Installation) -> None:
    """Their total needs no index of few keys before; that of every other filter does."""
    for what, (asked, _) in LEADS.items():
        alone = what in {"never used", "unused since", "permission"}
        assert alone is not bool(statements(here).few_to_count(KeyQuery(TEAM, NOON, **asked))), what


@on_both_stores
async def test_the_next_page_starts_behind_the_one_before(here: Installation) -> None:
    """Not at a bound of the filter in the same order, which every page before it has passed already."""
    later = NOON + timedelta(days=1)
    for asked in ({"state": "active"}, {"expires_after": NOON}, {"state": "active", "expires_before": later}):
        query = KeyQuery(TEAM, NOON, order_by="expires_at", after=(1, "k" * 16), **asked)
        steps = await plan(here, *statements(here).key_listing(query, None))
        assert here.url is not None or "(team=? AND (expiry,id)>(?,?)" in steps, steps
