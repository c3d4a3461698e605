"""What workers said was acknowledged, and whether it is what a database holds after one of them, or it, was killed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from keyfob.audit import verify_chain
from keyfob.store.opening import open_store
from keyfob.store.sqlite.admin import _verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Told = dict[str, Any]  # one line of a worker: what it begins, or what was done or has failed
State = dict[str, str]  # key id → "on", "off" or "gone"

KEYS = """
SELECT id, disabled_at, deleted_at,
       (SELECT count(*) FROM key_secrets WHERE key_id = id) + (SELECT count(*) FROM key_usage WHERE key_id = id)
FROM keys
"""
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
USES = "SELECT key_id, CAST(sum(admitted) AS bigint) FROM key_use_days GROUP BY key_id"


@dataclass
class Stored:
    """What a database holds: faults of it as a whole, its keys, and the uses of each."""

    faults: list[str]
    keys: list[tuple[str, int | None, int | None, int]]
    uses: dict[str, int]


def stored(url: str, audit_keys: Mapping[str, bytes]) -> Stored:
    """Read all that concerns a ledger at *url*, while nobody writes there."""
    if url.startswith("sqlite:///"):
        return _in_sqlite(Path(url.removeprefix("sqlite:///")), audit_keys)
    return asyncio.run(_in_postgres(url, audit_keys))


def _in_sqlite(path: Path, audit_keys: Mapping[str, bytes]) -> Stored:
    with closing(sqlite3.connect(path)) as connection:
        keys, uses = connection.execute(KEYS).fetchall(), connection.execute(USES).fetchall()
    return Stored(_verify(path, audit_keys), keys, dict(uses))


async def _in_postgres(url: str, audit_keys: Mapping[str, bytes]) -> Stored:
    connection = await asyncpg.connect(url, server_settings={"search_path": "keyfob"})
    while await connection.fetchval(OTHERS):  # noqa: ASYNC110 (the server is still doing what a killed client sent)
        await asyncio.sleep(0.01)
    keys, uses = await connection.fetch(KEYS), await connection.fetch(USES)
    await connection.close()
    store = open_store(url)
    count, head = await store.audit_head()
    events = [event async for event in store.every_event()]
    await store.close()
    faults = [fault.what for fault in verify_chain(events, count=count, head=head, keys=audit_keys)]
    return Stored(faults, [tuple(row) for row in keys], dict(map(tuple, uses)))


class Ledger:
    """What was acknowledged, over all rounds, and what may or may not have been done."""

    def __init__(self) -> None:
        self.operations = 0
        self._states: State = {}
        self._uses: dict[str, int] = {}
        self._doubtful: dict[str, int] = {}  # uses that a killed server may have forgotten

    def take(self, told: Iterable[Told], *, sure_until: float = float("inf")) -> list[Told]:
        """Enter what a worker told; answers what it left open, or failed at.

        Uses that were acknowledged after *sure_until* (`time.monotonic`) may be gone.
        """
        left_open: list[Told] = []
        begun: Told | None = None
        for line in told:
            if "begin" in line:
                begun = line
                continue
            if "done" in line:
                self._enter(line, is_sure=line["at"] <= sure_until)
            elif begun:
                left_open.append(begun)
            begun = None
        return [*left_open, begun] if begun else left_open

    def _enter(self, line: Told, *, is_sure: bool) -> None:
        self.operations += 1
        subject, state = line["done"], line["to"]
        if state != "+1":
            self._states[subject] = state
            return
        key = subject.removeprefix("uses of ")
        self._uses[key] = self._uses.get(key, 0) + 1
        if not is_sure:
            self._doubtful[key] = self._doubtful.get(key, 0) + 1

    def check(self, found: Stored, left_open: list[Told]) -> None:
        """Hold that what is *found* is whole and says what was acknowledged, give or take what was *left_open*."""
        assert [] == found.faults
        states = {key: "gone" if gone else "off" if off else "on" for key, off, gone, _ in found.keys}
        for key, _, gone, parts in found.keys:
            assert parts == (0 if gone else 2), f"half a key: {key} has {parts} of its secret and its use"
        maybe = {line["begin"]: line.get("to", "") for line in left_open}
        being_made = sum(line["begin"].startswith("a key") for line in left_open)
        assert len(set(states) - set(self._states)) <= being_made, "a key that nobody made"
        for key, state in self._states.items():
            assert states.get(key) in {state, maybe.get(key, state)}, f"{key} was {state}, and is {states.get(key)}"
            if states[key] != "gone":
                more = found.uses.get(key, 0) - self._uses.get(key, 0)
                most = int(f"uses of {key}" in maybe)
                assert -self._doubtful.get(key, 0) <= more <= most, f"{key} has {more} uses more than acknowledged"
        self._states, self._uses, self._doubtful = states, found.uses, {}
