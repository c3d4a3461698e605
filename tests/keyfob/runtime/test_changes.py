"""When a change is in force, whatever else is on its way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from keyfob import Denied, Reason
from keyfob.management.actor import Actor
from keyfob.store.contract.counter import OwnCounter
from tests.keyfob.conftest import ask, in_force, on_both_stores

if TYPE_CHECKING:
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.record import StoredSecret
    from keyfob.store.contract.key_store import ChangeFeed, Changes, Found, KeyStore
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard

ROOT = Actor.command_line("operator")


class SlowLookup:
    """The real store, whose rows arrive when the test says so."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self.has_read = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def find(self, key_id: str) -> Found:
        found: Found = await self._store.find(key_id)
        self.has_read.set()
        await self.may_go_on.wait()
        return found

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        await self._store.save_digest(key_id, checked_hash, secret)


@pytest.mark.parametrize("size", [100, 1, 0])
@on_both_stores
async def test_cr_02_a_late_row_never_overrides_a_disable(here: Installation, guard: Guard, size: int) -> None:
    """A row read before a disable, and arriving after it, admits nobody: it is thrown away and read again (CR-13)."""
    issued = await here.issue("items:read")
    app = guard(cache_size=size, max_staleness=0.5)
    await ask(app, "/items", (await here.issue("items:read")).headers)
    slow = SlowLookup(here.store)
    app.runtime.authenticator._key_verifier._lookup = slow

    asking = asyncio.create_task(ask(app, "/items", issued.headers))
    await slow.has_read.wait()
    await here.disable(issued)
    await in_force(app)
    slow.may_go_on.set()

    assert 401 == (await asking).status
    assert 401 == (await ask(app, "/items", issued.headers)).status


@pytest.mark.parametrize("merged_meanwhile", [True, False])
@on_both_stores
async def test_cr_05_the_state_is_looked_at_again_after_argon2(
    here: Installation, guard: Guard, *, merged_meanwhile: bool
) -> None:
    """A key that is disabled while its hash is computed is refused when the hash is done, polled meanwhile or not."""
    issued = await here.issue("items:read")
    app = guard(persist_digests=False, max_staleness=0.5)
    await ask(app, "/items", (await here.issue("items:read")).headers)
    pool, started, may_go_on = app.runtime.pool, asyncio.Event(), asyncio.Event()

    class SlowPool:
        """The real pool, a moment later."""

        async def run(self, *args: Any, **kwargs: Any) -> Any:
            started.set()
            await may_go_on.wait()
            return await pool.run(*args, **kwargs)

    app.runtime.authenticator._key_verifier._pool = cast("Argon2Pool", SlowPool())
    asking = asyncio.create_task(ask(app, "/items", issued.headers))
    await started.wait()
    await here.disable(issued)
    await in_force(app)
    if merged_meanwhile:
        await app.runtime.freshness.refresh()
    may_go_on.set()

    assert 401 == (await asking).status
    assert 401 == (await ask(app, "/items", issued.headers)).status


async def test_the_poll_alone_carries_a_change_where_no_signal_keyrings(here: Installation, guard: Guard) -> None:
    """Without the change signal, as between hosts, a disable is in force within max_staleness."""
    issued = await here.issue("items:read")
    app = guard(max_staleness=0.2)
    assert 200 == (await ask(app, "/items", issued.headers)).status
    silent = OwnCounter()
    app.runtime.freshness._feed = Deaf(here.store, silent)
    await app.runtime.freshness.refresh()

    await here.disable(issued)
    await asyncio.sleep(0.25)

    assert 401 == (await ask(app, "/items", issued.headers)).status


class Deaf:
    """The real store, seen from a host where its change signal cannot be heard."""

    def __init__(self, feed: ChangeFeed, signal: OwnCounter) -> None:
        self._feed = feed
        self.change_signal = signal

    async def changes(self, since: int | None) -> Changes:
        return await self._feed.changes(since)


async def test_lc_12_a_narrowed_key_is_narrow_at_once(here: Installation, guard: Guard) -> None:
    """Adding and removing a permission are both in force on the next request."""
    issued = await here.issue("items:read")
    app = guard()
    assert 403 == (await ask(app, "/items", issued.headers, method="POST")).status

    await here.change(issued, permissions=("items:read", "items:write"))
    assert 200 == (await ask(app, "/items", issued.headers, method="POST")).status
    await here.change(issued, permissions=("items:write",))
    assert 403 == (await ask(app, "/items", issued.headers)).status


async def test_a_deleted_key_is_dead_at_once(here: Installation, guard: Guard) -> None:
    """The tombstone reaches the cache like any other state."""
    issued = await here.issue("items:read")
    app = guard()
    assert 200 == (await ask(app, "/items", issued.headers)).status

    async def erase(transaction: Transaction) -> None:
        await transaction.erase_key(issued.record.id, datetime.now(UTC))

    await here.store.change(erase)

    assert 401 == (await ask(app, "/items", issued.headers)).status
    assert Denied(Reason.DELETED, issued.record.id) == await app.runtime.inspect(issued.text)


async def test_a_disabled_key_is_dead_at_once_and_alive_again(here: Installation, guard: Guard) -> None:
    """On one host the change signal puts a change in force on the first request after it, off and on."""
    issued = await here.issue("items:read")
    app = guard()
    for _ in range(20):
        assert 200 == (await ask(app, "/items", issued.headers)).status
        await here.disable(issued)
        assert 401 == (await ask(app, "/items", issued.headers)).status
        await here.enable(issued)
    assert 200 == (await ask(app, "/items", issued.headers)).status


@on_both_stores
async def test_cr_14_enabling_is_not_held_back_by_the_denial(here: Installation, guard: Guard) -> None:
    """A key refused while it was disabled is admitted on the first request for which enabling it is in force."""
    issued = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard(max_staleness=0.5)
    assert 401 == (await ask(app, "/items", issued.headers)).status

    await here.enable(issued)
    await in_force(app)

    assert 200 == (await ask(app, "/items", issued.headers)).status


@on_both_stores
async def test_what_an_application_is_told_changes_like_a_disable(here: Installation, guard: Guard, echo: Echo) -> None:
    """Metadata, external id and plan, the key's over its team's, are the new ones on every worker once in force."""
    issued = await here.issue("items:read")
    workers = [guard(plans={"paid": ["api"]}, max_staleness=0.5) for _ in range(2)]
    runtime = workers[0].runtime

    async def told() -> list[tuple[dict[str, Any], str | None, str]]:
        for worker in workers:
            assert 200 == (await ask(worker, "/items", issued.headers)).status
        grants = [scope["keyfob"] for scope in echo.scopes[-2:]]
        return [(dict(grant.metadata), grant.external_id, grant.plan) for grant in grants]

    assert [({}, None, "enterprise")] * 2 == await told()
    patch = {"metadata": {"a": 1, "b": 1}, "external_id": "org", "plan": "paid"}
    await runtime.teams.update("default", patch, actor=ROOT)
    await in_force(workers[0])
    assert [({"a": 1, "b": 1}, "org", "paid")] * 2 == await told()
    await runtime.lifecycle.update(
        "default", issued.record.id, {"metadata": {"b": 2}, "external_id": "job"}, actor=ROOT
    )
    await in_force(workers[0])
    assert [({"a": 1, "b": 2}, "job", "paid")] * 2 == await told()


@pytest.mark.parametrize("size", [0, 1])
@on_both_stores
async def test_cr_15_a_small_or_absent_cache_changes_no_answer(here: Installation, guard: Guard, size: int) -> None:
    """With a cache of one key, or none, keys that push each other out are still refused in time."""
    keys = [await here.issue("items:read") for _ in range(3)]
    app = guard(cache_size=size, max_staleness=0.5)
    for issued in keys * 3:
        assert 200 == (await ask(app, "/items", issued.headers)).status

    await here.disable(keys[0])
    await in_force(app)

    assert [401, 200, 200] == [(await ask(app, "/items", issued.headers)).status for issued in keys]
