"""When a cached answer may still be given: the lease, the doorbell, the snapshot rule, and other histories."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from keyfob import Denied, Reason
from keyfob.errors import StoreUnavailable
from keyfob.freshness import Freshness
from keyfob.store import Changes, Found
from tests.gate.conftest import ask, in_force, on_both_stores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.argon2_pool import Argon2Pool
    from keyfob.store import ChangeFeed, KeyStore, StoredSecret, Transaction
    from keyfob.testing import Installation
    from tests.gate.conftest import Guard


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Feed:
    """A store at the other end of a line that can be cut, delayed and lied on."""

    def __init__(self) -> None:
        self.bell = [0]
        self.revision = 1
        self.epoch = "a"
        self.reads = 0
        self.broken = False
        self.too_many = False
        self.gate: asyncio.Event | None = None

    @property
    def doorbell(self) -> Sequence[int]:
        return self.bell

    async def changes(self, since: int | None) -> Changes:
        self.reads += 1
        seen = Changes(self.revision, self.epoch, (), (), self.too_many)
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("the line is cut")
        return seen


class Merged:
    """Remembers what arrived."""

    def __init__(self) -> None:
        self.revisions: list[int] = []
        self.forgotten = 0

    def merge(self, changes: Changes) -> None:
        self.revisions.append(changes.revision)

    def forget(self) -> None:
        self.forgotten += 1


Parts = tuple[Feed, Merged, Clock]


@pytest.fixture
def parts() -> tuple[Feed, Merged, Clock]:
    return Feed(), Merged(), Clock()


def fresh(parts: tuple[Feed, Merged, Clock], **options: float) -> Freshness:
    feed, merged, clock = parts
    return Freshness(feed, merged, clock=clock, **{"max_staleness": 2.0, **options})


async def test_nothing_is_current_before_the_first_read(parts: Parts) -> None:
    """A process that has read nothing gives no answer from its cache."""
    assert not fresh(parts).is_current()


async def test_the_lease_ends_max_staleness_after_the_read_began(parts: Parts) -> None:
    """Cached answers are good from a read's beginning for max_staleness seconds, and no longer."""
    freshness, clock = fresh(parts), parts[2]
    await freshness.ensure()

    clock.now += 2.0
    assert freshness.is_current()
    clock.now += 0.001
    assert not freshness.is_current()


async def test_the_lease_counts_from_before_a_slow_read(parts: Parts) -> None:
    """A read that takes long extends the lease from when it began, not from when it ended."""
    feed, _, clock = parts
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    reading = asyncio.create_task(freshness.refresh())
    await asyncio.sleep(0.01)

    clock.now += 1.5
    feed.gate.set()
    await reading

    clock.now += 0.6
    assert not freshness.is_current()


async def test_a_clock_that_goes_back_stretches_nothing(parts: Parts) -> None:
    """If the clock falls behind the read's beginning, the lease is void."""
    freshness, clock = fresh(parts), parts[2]
    await freshness.ensure()

    clock.now -= 1

    assert not freshness.is_current()


@pytest.mark.parametrize("value", [1, 7, 2**64 - 1])
async def test_any_other_number_on_the_doorbell_demands_a_read(parts: Parts, value: int) -> None:
    """The doorbell is compared for difference, because a paused writer may ring an old number."""
    feed = parts[0]
    freshness = fresh(parts)
    await freshness.ensure()

    feed.bell[0] = value
    assert not freshness.is_current()
    await freshness.ensure()

    assert freshness.is_current()
    assert 2 == feed.reads


async def test_a_ring_during_the_read_demands_another(parts: Parts) -> None:
    """What rings after the look is not covered by the read that follows the look."""
    feed = parts[0]
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    asking = asyncio.create_task(freshness.ensure())
    await asyncio.sleep(0.01)

    feed.bell[0] = 5
    feed.gate.set()
    await asking

    assert 2 == feed.reads


async def test_those_who_wait_share_one_read(parts: Parts) -> None:
    """A thousand requests that find the lease over cost one read."""
    freshness = fresh(parts)

    await asyncio.gather(*(freshness.ensure() for _ in range(1000)))

    assert 1 == parts[0].reads


async def test_a_caller_who_leaves_spoils_nothing_for_others(parts: Parts) -> None:
    """A cancelled request does not cancel the read that others wait for."""
    feed = parts[0]
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    leaving, staying = asyncio.create_task(freshness.ensure()), asyncio.create_task(freshness.ensure())
    await asyncio.sleep(0.01)

    leaving.cancel()
    feed.gate.set()
    await staying

    assert freshness.is_current()


async def test_a_store_that_cannot_say_is_an_exception(parts: Parts) -> None:
    """Past the lease, with the store away, nothing may be served."""
    feed, _, clock = parts
    freshness = fresh(parts)
    await freshness.ensure()
    feed.broken = True
    assert freshness.may_serve()
    clock.now += 3

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


async def test_sf_04_an_outage_can_be_ridden_out_for_a_while(parts: Parts) -> None:
    """max_stale_on_outage adds its seconds to the lease, only while the store is away."""
    feed, _, clock = parts
    freshness = fresh(parts, max_stale_on_outage=30.0)
    await freshness.ensure()
    feed.broken = True

    clock.now += 31.9
    await freshness.ensure()
    assert freshness.may_serve()
    clock.now += 0.2

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


async def test_a_ring_ends_the_patience_with_an_outage(parts: Parts) -> None:
    """If the doorbell says that something changed, and it cannot be read, the lease counts for nothing."""
    feed = parts[0]
    freshness = fresh(parts, max_stale_on_outage=30.0)
    await freshness.ensure()
    feed.broken = True

    feed.bell[0] = 9

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


@pytest.mark.parametrize(("epoch", "revision"), [("b", 1), ("b", 99), ("a", 0)])
async def test_sf_17_another_history_drops_everything(
    parts: Parts, epoch: str, revision: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Another epoch, or a lower revision, drops every answer before the lease goes on, and says so."""
    feed, merged, _ = parts
    freshness = fresh(parts)
    await freshness.ensure()
    merged.forgotten = 0

    feed.epoch, feed.revision = epoch, revision
    await freshness.refresh()

    assert 1 == merged.forgotten
    assert "replaced or restored" in caplog.text


async def test_a_store_that_never_answers_is_given_up(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read without an answer ends as StoreUnavailable, and the next one can succeed."""
    monkeypatch.setattr("keyfob.freshness._SLOWEST_READ", 0.01)
    feed = parts[0]
    feed.gate = asyncio.Event()
    freshness = fresh(parts)

    with pytest.raises(StoreUnavailable, match="in time"):
        await freshness.ensure()
    feed.gate = None
    await freshness.ensure()

    assert freshness.is_current()


async def test_changes_without_end_are_given_up(parts: Parts) -> None:
    """If every read is overtaken by another ring, the request is not held for ever."""
    feed = parts[0]
    changes = feed.changes

    async def overtaken(since: int | None) -> Changes:
        feed.bell[0] += 1
        return await changes(since)

    feed.changes = overtaken  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable, match="faster than they could be read"):
        await fresh(parts).ensure()


async def test_more_changes_than_are_worth_reading_drop_every_answer(parts: Parts) -> None:
    """Where the store names no keys because too many changed, everything is forgotten, and the lease goes on."""
    feed, merged, _ = parts
    freshness = fresh(parts)
    await freshness.refresh()

    feed.revision, feed.too_many = 2, True
    await freshness.refresh()
    feed.too_many = False
    await freshness.refresh()

    assert (2, True, 2) == (merged.forgotten, freshness.is_current(), freshness.revision)  # the first is the start's


async def test_a_doorbell_that_stays_behind_is_told(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    """Three reads in a row of a revision beyond the doorbell's are logged, once."""
    feed = parts[0]
    feed.bell[0], feed.revision = 3, 8
    freshness = fresh(parts)

    for _ in range(5):
        await freshness.refresh()

    assert 1 == caplog.text.count("stays behind")


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

    async def remember_proof(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        await self._store.remember_proof(key_id, checked_hash, secret)


@pytest.mark.parametrize("size", [100, 1, 0])
@on_both_stores
async def test_cr_02_a_late_row_never_overrides_a_disable(here: Installation, guard: Guard, size: int) -> None:
    """A row read before a disable, and arriving after it, admits nobody: it is thrown away and read again (CR-13)."""
    issued = await here.issue("items:read")
    app = guard(cache_size=size, max_staleness=0.5)
    await ask(app, "/items", (await here.issue("items:read")).headers)
    slow = SlowLookup(here.store)
    app.runtime.identification._recogniser._lookup = slow

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
    app = guard(persist_proofs=False, max_staleness=0.5)
    await ask(app, "/items", (await here.issue("items:read")).headers)
    pool, started, may_go_on = app.runtime.pool, asyncio.Event(), asyncio.Event()

    class SlowPool:
        """The real pool, a moment later."""

        async def run(self, *args: Any, **kwargs: Any) -> Any:
            started.set()
            await may_go_on.wait()
            return await pool.run(*args, **kwargs)

    app.runtime.identification._recogniser._pool = cast("Argon2Pool", SlowPool())
    asking = asyncio.create_task(ask(app, "/items", issued.headers))
    await started.wait()
    await here.disable(issued)
    await in_force(app)
    if merged_meanwhile:
        await app.runtime.freshness.refresh()
    may_go_on.set()

    assert 401 == (await asking).status
    assert 401 == (await ask(app, "/items", issued.headers)).status


async def test_the_poll_alone_carries_a_change_where_no_bell_rings(here: Installation, guard: Guard) -> None:
    """Without the doorbell, as between hosts, a disable is in force within max_staleness."""
    issued = await here.issue("items:read")
    app = guard(max_staleness=0.2)
    assert 200 == (await ask(app, "/items", issued.headers)).status
    silent = [0]
    app.runtime.freshness._feed = Deaf(here.store, silent)
    await app.runtime.freshness.refresh()

    await here.disable(issued)
    await asyncio.sleep(0.25)

    assert 401 == (await ask(app, "/items", issued.headers)).status


class Deaf:
    """The real store, seen from a host where its doorbell cannot be heard."""

    def __init__(self, feed: ChangeFeed, bell: list[int]) -> None:
        self._feed = feed
        self.doorbell = bell

    async def changes(self, since: int | None) -> Changes:
        return await self._feed.changes(since)


async def test_sf_02_a_lost_store_is_503_never_401(here: Installation, guard: Guard) -> None:
    """While the store is away a cached key passes within the lease; then it is 503 without a challenge."""
    issued, cold = await here.issue("items:read"), await here.issue("items:read")
    app = guard(max_staleness=0.5)
    assert 200 == (await ask(app, "/items", issued.headers)).status

    (here.folder / "keyfob.db").rename(here.folder / "away.db")
    assert 200 == (await ask(app, "/items", issued.headers)).status
    refused = await ask(app, "/items", cold.headers)
    assert (503, "1", None) == (
        refused.status,
        refused.headers["retry-after"],
        refused.headers.get("www-authenticate"),
    )
    await asyncio.sleep(0.6)

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert 401 == (await ask(app, "/items")).status
    (here.folder / "away.db").rename(here.folder / "keyfob.db")
    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_sf_01_a_database_that_is_not_there_yet(here: Installation, guard: Guard) -> None:
    """A middleware built before its database answers 503, keeps public paths up, and recovers by itself."""
    issued = await here.issue("items:read")
    (here.folder / "keyfob.db").rename(here.folder / "away.db")
    app = guard()
    await app.runtime.start()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert not (here.folder / "keyfob.db").exists()
    (here.folder / "away.db").rename(here.folder / "keyfob.db")

    assert 200 == (await ask(app, "/items", issued.headers)).status


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
