"""``keyfob keys usage``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.runtime.runtime import Runtime
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


async def use(home: Home, key_id: str) -> None:
    runtime = Runtime(home.settings)
    now = datetime.now(UTC).timestamp()
    for address in ("192.0.2.1", "192.0.2.1", "2001:db8::1"):
        runtime.usage.note_admitted(key_id, now, address, "GET /items")
    runtime.usage.note_denied(key_id, now, "192.0.2.1", None, "no_rule", is_use=True)
    await runtime.usage.flush(runtime.store)
    await runtime.stop()


@pytest.mark.both_engines
def test_usage_is_shown_by_day_rule_address_and_reason(home: Home) -> None:
    """In a table for people, as JSON for programs; days without use are left out of the table."""
    key_id, _ = home.make("ci", "--permission", "items:read")
    asyncio.run(use(home, key_id))

    table = typed("keys", "usage", key_id, "--by", "address").out.splitlines()
    by_rule = typed("keys", "usage", f"kf_api_{key_id}", "--by", "rule", "--json").data
    by_reason = typed("keys", "usage", key_id, "--by", "reason", "--json").data
    days = typed("keys", "usage", key_id).out.splitlines()

    assert ["192.0.2.1", "2", "1", "0"] == table[1].split()[:4]
    assert ["2001:db8::1", "1", "0", "0"] == table[2].split()[:4]
    assert [("GET /items", 3, 0), ("no rule", 0, 1)] == [
        (row["label"], row["admitted"], row["denied"]) for row in by_rule["rows"]
    ]
    assert ("reason", ["no_rule"]) == (by_reason["by"], [row["label"] for row in by_reason["rows"]])
    assert (2, ["3", "1", "0"]) == (len(days), days[1].split()[1:])
    assert 7 == len(typed("keys", "usage", key_id, "--days", "7", "--json").data["days"])


@pytest.mark.parametrize(
    ("arguments", "code"), [(("0" * 16,), 4), (("0" * 16, "--by", "key"), 2), (("0" * 16, "--days", "0"), 2), ((), 2)]
)
def test_usage_needs_a_key_and_a_known_grouping(home: Home, arguments: tuple[str, ...], code: int) -> None:
    """4 for a key that nobody knows, 2 for anything that cannot be asked."""
    assert code == typed("keys", "usage", *arguments).code
