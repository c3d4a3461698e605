"""What is kept in memory for a key, counted in bytes."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

from keyfob.gate.key_cache import KeyCache
from keyfob.store.sql.rows import record_of

MOST_BYTES = 725  # of a known key, in tables as full as with 100,000; what the edge keeps beside it makes 950 of it


def row(number: int) -> list[Any]:
    """A key as a driver brings it: every text is an object of its own."""
    told = json.dumps([f"{number:016}", f"billing-api staging {number:07}", "api", "default", "enterprise"])
    return [
        *json.loads(told),
        '["items:read"]',
        number,
        "cli",
        None,
        "bench",
        None,
        "[]",
        None,
        None,
        None,
        None,
        1,
        "a",
        *[None] * 3,
        "{}",
        None,
        "{}",
        *[None] * 5,
        "[]",
        *[None] * 7,
    ]


def test_a_known_key_takes_no_more_memory_than_agreed() -> None:
    """What keys have in common is kept once: type, team and permissions."""
    key_cache, many = KeyCache(100_000, lambda _, __: False), 5_000
    key_cache.keep(b"first", record_of(row(many)), key_char="a", as_of=1)
    tracemalloc.start()
    try:
        for number in range(many):
            key_cache.keep(number.to_bytes(32, "big"), record_of(row(number)), key_char="a", as_of=1)
        kept = tracemalloc.get_traced_memory()[0] / many
    finally:
        tracemalloc.stop()

    assert many + 1 == len(key_cache)
    assert kept <= MOST_BYTES
