"""A program that lets two processes change keys, kills one in mid-work, and looks at what is left. Again and again.

``python -m tests.faults.killing WHOM FOLDER ROUNDS SEED [URL]``. WHOM is ``clients``, of the store at URL, or
``server``: then it is a PostgreSQL that is killed, and both processes are to go on by themselves. It forks, so it has
no threads itself; what it prints last is ``rounds R, operations N, seed S``, and it ends with an AssertionError as
soon as anything is wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.audit import Event
from keyfob.errors import StoreUnavailable
from keyfob.keyring.file import load_keyring
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.management.key_issuer import KeyIssuer
from keyfob.store.contract.key_store import Use
from keyfob.store.opening import open_store
from keyfob.store.postgres.migrations import migrate
from keyfob.store.url import StoreURL
from keyfob.testing import CHEAP, installation, issue_test_key
from tests.faults.ledger import Ledger, State, Told, stored
from tests.postgres_server import MortalServer, mortal_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


HASTY = {"synchronous_commit": "off"}  # a server that acknowledges before it writes, unless Keyfob asks it not to


class Worker:
    """Makes changes, each told before it is begun and after it was acknowledged."""

    def __init__(self, store: KeyStore, entry: SigningKey, chance: random.Random, tell: int, *, insists: bool) -> None:
        """Whoever *insists* goes on when the store cannot answer, with other keys."""
        self._store = store
        self._insists = insists
        self._issuer = KeyIssuer(lambda: entry, Argon2Pool(threads=1), CHEAP, "kf", persist_digests=True)
        self._chance = chance
        self._pipe = tell
        self._mine: State = {}

    async def work(self) -> None:
        """Go on until killed."""
        while True:
            existing = [key for key, state in self._mine.items() if state != "gone"]
            key_id = self._chance.choice(existing) if len(existing) > 3 else None
            try:
                await self._once(key_id)
            except StoreUnavailable as error:
                if not self._insists:
                    raise
                self._mine.pop(key_id or "", None)  # nobody knows what became of it
                self._tell(failed=str(error))
                await asyncio.sleep(0.02)

    async def _once(self, key_id: str | None) -> None:
        if key_id is None:
            self._tell(begin="a key that is not known yet")
            issued = await issue_test_key(self._store, "items:read", issuer=self._issuer)
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
        self._tell(done=subject, to=state, at=time.monotonic())

    def _tell(self, **what: str | float) -> None:
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


LIVING: set[Child] = set()


class Child:
    """One process that changes keys, and what it has told so far."""

    def __init__(self, url: str, entry: SigningKey, seed: int, *, insists: bool = False) -> None:
        reading, writing = os.pipe()
        self.pid = _forked(lambda: _labour(url, entry, seed, writing, insists=insists))
        os.close(writing)
        self._pipe = reading
        self._text = b""
        LIVING.add(self)

    def wait_for(self, operations: int) -> None:
        """Return once that many more operations were acknowledged."""
        wanted, until = self._text.count(b'"done"') + operations, time.monotonic() + 20
        while self._text.count(b'"done"') < wanted:
            left = until - time.monotonic()
            assert left > 0, f"not acknowledged in 20 s; the last it said: {self._text[-200:]!r}"
            if select.select([self._pipe], [], [], left)[0]:
                assert self._read(), "the process ended by itself"

    def kill(self) -> list[Told]:
        """End it as ``kill -9`` does, and answer all that it told, the last of it perhaps just begun."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        LIVING.discard(self)
        while self._read():
            pass
        os.close(self._pipe)
        return [json.loads(line) for line in self._text.splitlines()]

    def _read(self) -> bytes:
        data = os.read(self._pipe, 65_536)
        self._text += data
        return data


async def _labour(url: str, entry: SigningKey, seed: int, pipe: int, *, insists: bool) -> None:
    store = open_store(url, audit_key=lambda: entry)
    chance = random.Random(seed)  # noqa: S311 (which operations, no secret)
    await Worker(store, entry, chance, pipe, insists=insists).work()


def _forked(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """Begin *work* in a child, of which nothing may come back to what this process was at; answers its number."""
    if child := os.fork():
        return child
    status = 1
    try:
        asyncio.run(work())
        status = 0
    except Exception:  # noqa: BLE001 (a child of a fork has nobody else to tell)
        traceback.print_exc()
    finally:
        os._exit(status)


def _done_in_a_fork(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Do *work* in a child, because this process must have no threads when it forks."""
    assert 0 == os.waitpid(_forked(work), 0)[1]


class Killing:
    """The rounds, over the store at *url*; *seed* says which operations, and when."""

    def __init__(self, folder: Path, url: str, seed: int) -> None:
        _done_in_a_fork(lambda: _install(folder, url))
        self._entry = load_keyring(folder / "keyfob.keyring").newest
        self._url = url
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 (when to kill, no secret)
        self._ledger = Ledger()

    def clients(self, rounds: int) -> None:
        """Kill one of two clients, and see that the other goes on."""
        for number in range(rounds):
            doomed, survivor = self._two(number, insist=False)
            self._let_work(doomed)
            left_open = self._ledger.take(doomed.kill())
            survivor.wait_for(2)  # whatever the other one held when it died
            left_open += self._ledger.take(survivor.kill())
            self._check(left_open)

    def server(self, rounds: int, server: MortalServer) -> None:
        """Kill the database, in turn a part of it or all, and see that both clients go on by themselves."""
        for number in range(rounds):
            both = self._two(number, insist=True)
            self._let_work(*both)
            killed = time.monotonic()
            if number % 2:
                server.kill_one(self._chance)  # it ends all the others, and begins again
            else:
                server.kill()
                server.start()
            for child in both:
                child.wait_for(4)
            told = [child.kill() for child in both]
            # Uses are not waited for until they are on the disk; a killed server may forget those of the last second.
            self._check([line for each in told for line in self._ledger.take(each, sure_until=killed - 1)])

    def _two(self, number: int, *, insist: bool) -> tuple[Child, Child]:
        seed = 2 * (self._seed + number)
        return (
            Child(self._url, self._entry, seed, insists=insist),
            Child(self._url, self._entry, seed + 1, insists=insist),
        )

    def _let_work(self, *children: Child) -> None:
        for child in children:
            child.wait_for(self._chance.randrange(1, 8))
        time.sleep(self._chance.random() / 100)

    def _check(self, left_open: list[Told]) -> None:
        self._ledger.check(stored(self._url, {self._entry.char: self._entry.audit_key}), left_open)

    def report(self, rounds: int) -> None:
        """Print what was done."""
        print(f"rounds {rounds}, operations {self._ledger.operations}, seed {self._seed}")  # noqa: T201


async def _install(folder: Path, url: str) -> None:
    async with installation(folder, url=url):
        pass


async def _migrate(url: str) -> None:
    await migrate(StoreURL.parse(url))


async def _hold_that_it_is_migrated(url: str) -> None:
    store = open_store(url)
    await store.changes(None)  # raises NotMigrated
    await store.close()


def _kill_all() -> None:
    for child in list(LIVING):
        child.kill()


def main(whom: str, folder: Path, rounds: int, seed: int, url: str = "") -> None:
    """Kill *rounds* times."""
    with ExitStack() as stack:
        stack.callback(_kill_all)
        if whom == "clients":
            (killing := Killing(folder, url, seed)).clients(rounds)
        else:
            server = stack.enter_context(mortal_server(settings=HASTY))
            _done_in_a_fork(lambda: _migrate(server.url))
            server.kill()
            server.start()
            asyncio.run(_hold_that_it_is_migrated(server.url))
            (killing := Killing(folder, server.url, seed)).server(rounds, server)
        killing.report(rounds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
