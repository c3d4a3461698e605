"""A list stays quick for people, and whole, however many keys there are."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import KeyQuery
from tests.keyfob.conftest import engine, here, on_both_stores
from tests.postgres_server import run_sql

if TYPE_CHECKING:
    from keyfob.testing import Installation

__all__ = ["engine", "here"]  # fixtures of the gate's tests, used here as well

MANY = 100_000
QUICK = 0.2  # seconds: the case's own figure, some fifty times what a page takes
ORDERS = ("created_at", "-created_at", "name", "-name", "last_used_at", "-last_used_at")


async def multiply(here: Installation, many: int) -> None:
    """Make *many* keys out of the one that is there, with a name of their own each, and their rows of use."""
    if here.url is None:
        with closing(sqlite3.connect(here.folder / "keyfob.db")) as connection:
            names = [name for _, name, *_ in connection.execute("PRAGMA table_info(keys)")]
            rows = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n)"
            for statement in _statements(names, "", rows.format(many), "'many' || printf('%012d', i)"):
                connection.execute(statement)
            connection.commit()
        return
    database = here.url.rpartition("/")[2]
    columns = "information_schema.columns WHERE table_name = 'keys' AND is_generated = 'NEVER'"
    found = f"SELECT string_agg(column_name, ',') FROM {columns}"  # noqa: S608 (constants)
    names = (await run_sql(found, database=database)).split(",")
    rows = f"generate_series(1, {many}) n(i)"
    for statement in _statements(names, "keyfob.", rows, "'many' || lpad(i::text, 12, '0')"):
        await run_sql(statement, database=database)
    await run_sql("VACUUM ANALYZE", database=database)


def _statements(names: list[str], schema: str, rows: str, new_id: str) -> list[str]:
    own = {"id": new_id, "name": new_id, "name_folded": new_id}
    values = ", ".join(own.get(name, f"k.{name}") for name in names)
    return [
        f"INSERT INTO {schema}keys ({', '.join(names)}) SELECT {values} FROM {rows}, (SELECT * FROM {schema}keys) k",  # noqa: S608 (columns of our own table)
        f"INSERT INTO {schema}key_usage (key_id, team, created_at) SELECT id, team, created_at FROM {schema}keys WHERE id LIKE 'many%'",  # noqa: E501, S608 (as above)
    ]


@on_both_stores
async def test_dl_09_a_hundred_thousand_keys_are_listed_quickly(here: Installation) -> None:
    """A page of any order, and a search, of 100,000 keys is answered within 0.2 s, 95 times of 100."""
    issued = await here.issue("items:read", name="the needle")
    await multiply(here, MANY)
    took: list[float] = []
    for turn in range(60):
        order = ORDERS[turn % len(ORDERS)]
        now, column = issued.record.created_at, order.lstrip("-")
        query = KeyQuery("default", now, order_by=column, descending=column != order)
        began = time.perf_counter()
        assert 50 <= len(await here.store.views(query)) <= 52
        took.append(time.perf_counter() - began)
    found = await here.store.views(KeyQuery("default", issued.record.created_at, q="needle"))

    assert [issued.record.id] == [view.record.id for view in found]
    assert sorted(took)[56] < QUICK
    print(f"p95 {1000 * sorted(took)[56]:.1f} ms for a page of {MANY} keys")  # noqa: T201
