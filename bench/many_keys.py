"""Makes many keys in a few statements, to measure lists of them: varied as in service, but none can be used.

A bulk of rows is in the tables before their indexes are built, which takes a tenth of the time. The indexes of searches
are left out, and nothing is added to what SQLite searches: `bench.scale` measures those.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from tests.postgres_server import run_sql

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.testing import Installation

PEOPLE: Final = 1_000  # who own keys; one in fifty has left the team
TEAM: Final = "default"
_DAY: Final = 86_400 * 10**6
_INDEXES: Final = """
SELECT string_agg(indexname || ' ' || indexdef, chr(31)) FROM pg_indexes
WHERE schemaname = 'keyfob' AND tablename IN ('keys', 'key_usage') AND indexname NOT LIKE '%_pkey'
"""
_SEARCH: Final = ("trigram", "characters")


def _share(factor: int, prime: int) -> str:
    """A number from 0 to 1 that goes up and down from row to row."""
    return f"((n * {factor} % {prime}) / {prime}.0)"


def _text(prefix: str, number: str, width: int) -> str:
    """*number* after *prefix*, with zeros before it, as both engines write it."""
    return f"'{prefix}' || substr(CAST({10**width} + {number} AS text), 2)"


def _days(share: str) -> str:
    return f"CAST(365.0 * {_DAY} * {share} AS bigint)"


def _columns(now: int, as_json: str) -> dict[str, str]:
    """What stands in each column of the row *n*: most keys are alike, a few have what is seldom asked for."""
    age, name = _share(7919, 1_000_003), _text("billing-api staging ", "n * 6007 % 999983", 7)
    few, some, many = '["audit:export"]', '["items:read", "items:write"]', '["items:read"]'
    held = f"CASE WHEN n % 1000 = 0 THEN '{few}' WHEN n % 10 = 0 THEN '{some}' ELSE '{many}' END"
    ends = f"{now} + {_days(f'({_share(6151, 1_000_033)} - 0.08)')}"
    return {
        "id": _text("k", "n * 104729 % 1000003", 15),
        "name": name,
        "name_folded": name,
        "key_type": "CASE WHEN n % 3000 = 0 THEN 'scim' WHEN n % 50 = 0 THEN 'computer' ELSE 'api' END",
        "team": f"'{TEAM}'",
        "permissions": as_json.format(held),
        "created_at": f"{now} - {_days(age)}",
        "creator_kind": "'person'",
        "creator_id": _text("m", "n % 1000", 15),
        "creator_name": "'Ana'",
        "ip_allow": as_json.format("'[]'"),
        "expires_at": f"CASE WHEN {_share(31_337, 999_979)} >= 0.4 THEN {ends} END",
        "disabled_at": f"CASE WHEN {age} > 0.5 AND {_share(911, 1_000_037)} < 0.06 THEN {now} END",
        "pending_until": f"CASE WHEN n % 1000 = 7 THEN {now + _DAY} END",
        "revision": "1",
        "external_id": f"CASE WHEN n % 2 = 0 THEN {_text('org_', 'n', 8)} END",
        "owner_id": f"CASE WHEN n % 10 < 3 THEN {_text('person', f'n % {PEOPLE}', 10)} END",
    }


def _statements(count: int, now: datetime, schema: str, as_json: str) -> list[str]:
    columns = _columns(int(now.timestamp()) * 10**6, as_json)
    rows = "WITH RECURSIVE c (n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM c WHERE n < {}) "
    use = " * ".join(_share(factor, 999_961) for factor in (7919, 313, 577))
    used = f"CASE WHEN {_share(577, 999_959)} < 0.2 THEN 0 ELSE {int(now.timestamp()) * 10**6} - {_days(use)} END"
    person, many, few = _text("person", "n - 1", 10), rows.format(count), rows.format(PEOPLE)
    inserts = {
        f"keys ({', '.join(columns)})": f"{many} SELECT {', '.join(columns.values())} FROM c",  # noqa: S608 (constants)
        "key_usage (key_id, team, created_at, last_used_at)": (
            f"{many} SELECT {columns['id']}, '{TEAM}', {columns['created_at']}, {used} FROM c"  # noqa: S608 (constants)
        ),
        "people (id, source, subject, email_folded, name, name_folded, state, created_at, sealed_by, seal)": (
            f"{few} SELECT {person}, 'local', {person}, '', 'P', 'p', 'active', 1, '', '' FROM c"  # noqa: S608 (constants)
        ),
        "memberships": f"{few} SELECT {person}, '{TEAM}', 'member', 'person' FROM c WHERE n % 50 <> 1",  # noqa: S608 (constants)
    }
    return [f"INSERT INTO {schema}{table} {chosen}" for table, chosen in inserts.items()]


async def fill(here: Installation, count: int, now: datetime) -> None:
    """Put *count* keys into the database of *here*."""
    if here.url is None:
        _fill_sqlite(here, count, now)
    else:
        await _fill_postgres(here.url, count, now)


async def _fill_postgres(url: str, count: int, now: datetime) -> None:
    database = url.rpartition("/")[2]
    indexes = await run_sql(_INDEXES, database=database)
    for index in indexes.split(chr(31)):
        await run_sql(f"DROP INDEX keyfob.{index.split()[0]}", database=database)
    for statement in _statements(count, now, "keyfob.", "CAST({} AS jsonb)"):
        await run_sql(statement, database=database)
    for index in indexes.split(chr(31)):
        if not any(word in index.split()[0] for word in _SEARCH):
            await run_sql(index.partition(" ")[2], database=database)
    await run_sql("VACUUM ANALYZE", database=database)


def _fill_sqlite(here: Installation, count: int, now: datetime) -> None:
    named = (
        "SELECT name, sql FROM sqlite_schema WHERE tbl_name IN ('keys', 'key_usage') AND type = 'index' AND sql <> ''"
    )
    with closing(sqlite3.connect(here.folder / "keyfob.db")) as connection:
        indexes = connection.execute(named).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        for statement in _statements(count, now, "", "{}"):
            connection.execute(statement)
        for _, made in indexes:
            connection.execute(made)
        connection.commit()
