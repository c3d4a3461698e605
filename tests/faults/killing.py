"""A program that lets two processes change keys, kills one in mid-work, and looks at what is left. Again and again.

``python -m tests.faults.killing FOLDER ROUNDS [SEED]``. It forks, so it has no threads itself; what it prints last is
``rounds R, operations N, seed S``, and it ends with an AssertionError as soon as anything is wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob.argon2_pool import Argon2Pool
from keyfob.audit import Event
from keyfob.minting import Minter
from keyfob.ring_file import load_ring
from keyfob.store import Use
from keyfob.store.opening import open_store
from keyfob.store.sqlite_admin import _verify
from keyfob.testing import CHEAP, installation, issue_test_key

if TYPE_CHECKING:
    from keyfob.ring import RingKey
    from keyfob.store import KeyStore, Transaction

State = dict[str, str]  # key id → "on", "off" or "gone"; "uses of" + id → how many, as text


class Worker:
    """Makes changes, each told before it is begun and after it was acknowledged."""

    def __init__(self, store: KeyStore, entry: RingKey, chance: random.Random, tell: int) -> None:
        self._store = store
        self._minter = Minter(lambda: entry, Argon2Pool(threads=1), CHEAP, "kf", persist_proofs=True)
        self._chance = chance
        self._pipe = tell
        self._mine: State = {}

    async def work(self) -> None:
        """Go on until killed."""
        while True:
            existing = [key for key, state in self._mine.items() if state != "gone"]
            await self._once(self._chance.choice(existing) if len(existing) > 3 else None)

    async def _once(self, key_id: str | None) -> None:
        if key_id is None:
            self._tell(begin="a key that is not known yet")
            issued = await issue_test_key(self._store, "items:read", minter=self._minter)
            self._done(issued.record.id, "on")
            return
        what = self._chance.choice(["on", "off", "gone", "uses", "uses"])
        if what == "uses":
            self._tell(begin=f"uses of {key_id}")
            now = datetime.now(UTC)
            await self._store.add_usage({key_id: Use(now, "192.0.2.1", {now.date(): 1})})
            self._done(f"uses of {key_id}", "+1")
            return
        self._tell(begin=key_id, to=what)
        await self._store.change(lambda rows: _switch(rows, key_id, what))
        self._done(key_id, what)

    def _done(self, subject: str, state: str) -> None:
        if not subject.startswith("uses"):
            self._mine[subject] = state
        self._tell(done=subject, to=state)

    def _tell(self, **what: str) -> None:
        os.write(self._pipe, json.dumps(what).encode() + b"\n")


async def _switch(rows: Transaction, key_id: str, what: str) -> None:
    now = datetime.now(UTC)
    record = await rows.key(key_id)
    assert record is not None
    if what == "gone":
        await rows.erase_key(key_id, now)
    else:
        await rows.put_key(replace(record, disabled_at=now if what == "off" else None))
    await rows.append(Event(now, "system", None, "killing", None, f"key.{what}", "default", key_id, {}))


class Child:
    """One process that changes keys, and what it has told so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            asyncio.run(_labour(folder, seed, writing))
        os.close(writing)
        self._pipe = reading
        self._text = b""

    def wait_for(self, operations: int) -> None:
        """Return once that many more operations were acknowledged."""
        wanted = self._text.count(b'"done"') + operations
        while self._text.count(b'"done"') < wanted:
            assert select.select([self._pipe], [], [], 20)[0], "nothing was acknowledged for 20 s"
            assert self._read(), "the process ended by itself"

    def kill(self) -> list[dict[str, str]]:
        """End it as ``kill -9`` does, and answer all that it told, the last of it perhaps just begun."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        while self._read():
            pass
        os.close(self._pipe)
        return [json.loads(line) for line in self._text.splitlines()]

    def _read(self) -> bytes:
        data = os.read(self._pipe, 65_536)
        self._text += data
        return data


async def _labour(folder: Path, seed: int, pipe: int) -> None:
    entry = load_ring(folder / "keyfob.ring").newest
    store = open_store(f"sqlite:///{folder / 'keyfob.db'}", seal_with=lambda: entry)
    await Worker(store, entry, random.Random(seed), pipe).work()  # noqa: S311 (which operations, no secret)


class Ledger:
    """What was acknowledged, over all rounds, and what may or may not have been done."""

    def __init__(self) -> None:
        self.operations = 0
        self._states: State = {}
        self._uses: dict[str, int] = {}

    def take(self, told: list[dict[str, str]]) -> dict[str, str]:
        """Enter what a killed process told; answers what it left open."""
        for line in told:
            if "done" in line:
                self.operations += 1
                subject, state = line["done"], line["to"]
                if state == "+1":
                    self._uses[subject[8:]] = self._uses.get(subject[8:], 0) + 1
                else:
                    self._states[subject] = state
        return told[-1] if told and "begin" in told[-1] else {}

    def check(self, path: Path, audit_keys: dict[str, bytes], left_open: list[dict[str, str]]) -> None:
        """Hold that the file is whole and says what was acknowledged, give or take what was *left_open*."""
        assert [] == _verify(path, audit_keys)
        with closing(sqlite3.connect(path)) as connection:
            rows: list[Any] = connection.execute("SELECT id, disabled_at, deleted_at FROM keys").fetchall()
            uses: dict[str, int] = dict(connection.execute("SELECT key_id, admitted FROM key_use_days").fetchall())
        found = {key: "gone" if deleted else "off" if disabled else "on" for key, disabled, deleted in rows}
        maybe = {line["begin"]: line.get("to", "") for line in left_open if line}
        unknown = set(found) - set(self._states)
        being_made = sum(line.get("begin", "").startswith("a key") for line in left_open)  # both may have been at it
        assert len(unknown) <= being_made, "a key that nobody made"
        for key, state in self._states.items():
            assert found[key] in {state, maybe.get(key)}, f"{key} was acknowledged to be {state}, and is {found[key]}"
            if found[key] != "gone":
                more = uses.get(key, 0) - self._uses.get(key, 0)
                assert more in {0, int(f"uses of {key}" in maybe)}, f"{key} has {more} uses more than were acknowledged"
            self._uses[key] = uses.get(key, 0)
        self._states = found


def main(folder: Path, rounds: int, seed: int) -> None:
    """Kill *rounds* times; *seed* says which operations, and when."""
    entry = load_ring(folder / "keyfob.ring").newest
    chance, ledger = random.Random(seed), Ledger()  # noqa: S311 (when to kill, no secret)
    for number in range(rounds):
        doomed, survivor = Child(folder, 2 * (seed + number)), Child(folder, 2 * (seed + number) + 1)
        doomed.wait_for(chance.randrange(1, 8))
        time.sleep(chance.random() / 100)
        left_open = [ledger.take(doomed.kill())]
        survivor.wait_for(2)  # whatever the other one held when it died
        left_open.append(ledger.take(survivor.kill()))
        ledger.check(folder / "keyfob.db", {entry.char: entry.audit_key}, left_open)
    print(f"rounds {rounds}, operations {ledger.operations}, seed {seed}")  # noqa: T201


async def _install(folder: Path) -> None:
    async with installation(folder):
        pass


if __name__ == "__main__":
    where, times, start = Path(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or ["0"])[0])
    if os.fork() == 0:  # a child, because this process must have no threads when it forks
        asyncio.run(_install(where))
        os._exit(0)
    os.wait()
    main(where, times, start)
