"""What runs beside the requests: uses are written, the server's start and stop are shared, the ring is watched."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from keyfob import APIKeyMiddleware, Denied
from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.key_format import compose, new_secret
from keyfob.record import LastUse
from keyfob.ring import Ring
from keyfob.ring_file import load_ring, write_ring
from keyfob.ring_in_use import RingInUse
from keyfob.stats import Stats
from keyfob.store import RingMark, RingState, Use, UseDay
from keyfob.testing import installation
from keyfob.usage import PORTION, Usage
from tests.gate.conftest import Echo, ask, on_both_stores, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from keyfob.store import Transaction
    from keyfob.testing import Installation
    from tests.gate.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 20)


class Sink:
    """Takes batches, or cannot."""

    def __init__(self) -> None:
        self.batches: list[Mapping[str, Use]] = []
        self.broken = False
        self.gate: asyncio.Event | None = None
        self.wrote = asyncio.Event()

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.batches.append(uses)
        self.wrote.set()
        await asyncio.sleep(0)


async def test_a_batch_says_the_last_use_and_all_counts() -> None:
    """Uses between two flushes become one write per key: the newest time and address, counts by day."""
    usage, sink = Usage(Stats()), Sink()
    for minute in range(3):
        at = NOON + timedelta(minutes=minute)
        note = usage.note_forbidden if minute == 1 else usage.note_admitted
        note("k", at.timestamp(), f"10.0.0.{minute}")
    usage.note_refused("k", NOON.timestamp())

    await usage.flush(sink)

    last = NOON + timedelta(minutes=2)
    assert [{"k": Use(last, "10.0.0.2", {DAY: 2}, {DAY: 2})}] == sink.batches


async def test_a_refused_key_keeps_its_last_use() -> None:
    """A proved key that is refused counts as denied, and says nothing of when it was last used."""
    usage, sink = Usage(Stats()), Sink()
    usage.note_refused("k", NOON.timestamp())

    await usage.flush(sink)

    assert [{"k": Use(None, None, {}, {DAY: 1})}] == sink.batches


async def test_a_day_that_turns_is_counted_apart() -> None:
    """Uses on both sides of midnight UTC go to their own days."""
    usage, sink = Usage(Stats()), Sink()
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    usage.note_admitted("k", (midnight - timedelta(seconds=1)).timestamp(), None)
    usage.note_admitted("k", midnight.timestamp(), None)

    await usage.flush(sink)

    assert {DAY: 1, date(2026, 11, 21): 1} == sink.batches[0]["k"].admitted


async def test_nothing_used_writes_nothing() -> None:
    """A flush without uses does not touch the store."""
    usage, sink = Usage(Stats()), Sink()

    await usage.flush(sink)

    assert [] == sink.batches


async def test_sf_06_what_cannot_be_written_waits_and_adds_up() -> None:
    """While the store cannot write, uses are kept, one entry a key, and written once it can (SF-06, SF-08)."""
    stats, sink = Stats(), Sink()
    usage = Usage(stats)
    sink.broken = True
    for minute in (5, 1):
        usage.note_admitted("k", (NOON + timedelta(minutes=minute)).timestamp(), f"10.0.0.{minute}")
        with pytest.raises(StoreUnavailable):
            await usage.flush(sink)

    sink.broken = False
    await usage.flush(sink)
    await usage.flush(sink)

    assert [{"k": Use(NOON + timedelta(minutes=5), "10.0.0.5", {DAY: 2})}] == sink.batches
    assert 1 == stats.usage_writes


async def test_uses_noted_during_a_failing_write_are_not_lost() -> None:
    """What is noted while a batch is on its way is added to the batch that comes back."""
    usage, sink = Usage(Stats()), Sink()
    sink.gate = asyncio.Event()
    usage.note_admitted("k", NOON.timestamp(), None)
    writing = asyncio.create_task(usage.flush(sink))
    await asyncio.sleep(0.01)
    usage.note_admitted("k", NOON.timestamp(), None)
    sink.broken = True
    sink.gate.set()
    with pytest.raises(StoreUnavailable):
        await writing

    sink.broken = False
    await usage.flush(sink)

    assert {DAY: 2} == sink.batches[0]["k"].admitted


async def test_many_keys_are_written_in_portions() -> None:
    """No transaction holds more than so many keys, and each key is in one of them."""
    stats, sink = Stats(), Sink()
    usage = Usage(stats)
    ids = _use_many(usage)

    await usage.flush(sink)

    assert [PORTION, PORTION, 3] == [len(batch) for batch in sink.batches]
    assert {key_id: {DAY: 1} for key_id in ids} == {
        k: use.admitted for batch in sink.batches for k, use in batch.items()
    }
    assert len(ids) == stats.usage_writes


@pytest.mark.cases("SF-06")
@pytest.mark.parametrize("ends", [StoreUnavailable, asyncio.CancelledError])
async def test_portions_that_were_not_written_are_kept(ends: type[BaseException]) -> None:
    """When a flush fails or is cut short half-way, the next writes the rest, and no portion a second time."""
    usage, sink = Usage(Stats()), Sink()
    ids = _use_many(usage)
    sink.gate = asyncio.Event()
    writing = asyncio.create_task(usage.flush(sink))
    await asyncio.sleep(0)
    sink.gate.set()
    sink.gate = None
    await sink.wrote.wait()
    sink.broken = ends is StoreUnavailable
    if ends is asyncio.CancelledError:
        writing.cancel()
    usage.note_admitted(ids[-1], NOON.timestamp(), None)
    with pytest.raises(ends):
        await writing

    sink.broken = False
    await usage.flush(sink)

    counts: Counter[str] = Counter()
    for batch in sink.batches:
        counts.update({key_id: use.admitted[DAY] for key_id, use in batch.items()})
    assert {**dict.fromkeys(ids, 1), ids[-1]: 2} == counts


def _use_many(usage: Usage) -> list[str]:
    """Use more keys than two portions hold, the last in order first."""
    ids = [f"{number:016}" for number in range(2 * PORTION + 3)]
    for key_id in reversed(ids):
        usage.note_admitted(key_id, NOON.timestamp(), None)
    return ids


async def test_draining_waits_for_a_batch_on_its_way() -> None:
    """At shutdown the batch under way and the rest are both written, each use once."""
    usage, sink = Usage(Stats()), Sink()
    sink.gate = asyncio.Event()
    usage.note_admitted("a", NOON.timestamp(), None)
    keeping = asyncio.create_task(usage.keep(sink, every=0.01))
    await asyncio.sleep(0.05)
    usage.note_admitted("b", NOON.timestamp(), None)
    keeping.cancel()
    draining = asyncio.create_task(usage.drain(sink))
    await asyncio.sleep(0.01)
    sink.gate.set()
    await draining

    assert [["a"], ["b"]] == [list(batch) for batch in sink.batches]


async def test_a_failing_flush_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log says once that uses wait in memory, and again only after a write went well."""
    usage, sink = Usage(Stats()), Sink()
    sink.broken = True
    keeping = asyncio.create_task(usage.keep(sink, every=0.005))
    usage.note_admitted("k", NOON.timestamp(), None)
    await asyncio.sleep(0.06)
    sink.broken = False
    await until(lambda: bool(sink.batches))
    keeping.cancel()

    assert 1 == caplog.text.count("kept in memory")


async def test_ip_07_refusals_leave_the_last_use_alone(here: Installation, guard: Guard) -> None:
    """A 401 never touches the last use; a 403 does; both of a proved key are counted as denied."""
    issued = await here.issue("items:read")
    app = guard()
    await ask(app, "/items", {"X-API-Key": issued.text[:-1] + ("a" if issued.text[-1] != "a" else "b")})
    await ask(app, "/items", issued.headers, method="POST", ip="198.51.100.7")
    await here.disable(issued)
    await ask(app, "/items", issued.headers)
    await app.runtime.usage.flush(here.store)

    view = await here.store.view(issued.record.id)

    assert view is not None
    assert view.last_used is not None
    assert "198.51.100.7" == view.last_used.ip
    today = datetime.now(UTC).date()
    assert [UseDay(today, 0, 2)] == await here.store.usage(issued.record.id, today - timedelta(days=1))


async def test_ip_08_many_uses_are_few_writes(here: Installation, guard: Guard) -> None:
    """A thousand uses of one key within an interval are one write, and the value is the last one's."""
    issued = await here.issue("items:read")
    app = guard(usage_interval=60)
    for number in range(1000):
        await ask(app, "/items", issued.headers, ip=f"10.0.{number // 250}.{number % 250}")
    await app.runtime.stop()

    view = await here.store.view(issued.record.id)

    assert view is not None
    assert isinstance(view.last_used, LastUse)
    assert ("10.0.3.249", 1) == (view.last_used.ip, app.stats.usage_writes)


@on_both_stores
async def test_sf_13_without_a_lifespan_the_first_request_starts_everything(here: Installation, guard: Guard) -> None:
    """Where no server announces itself, polls and flushes begin with the first request that needs them."""
    issued = await here.issue("items:read")
    app = guard(usage_interval=0.05)
    await ask(app, "/items", issued.headers)

    async def is_written() -> bool:
        view = await here.store.view(issued.record.id)
        return view is not None and view.last_used is not None

    await until(is_written)


def test_another_event_loop_is_another_start(tmp_path: Path) -> None:
    """A middleware asked from one event loop after another, as test clients do, works in each."""

    async def issue() -> tuple[Any, dict[str, str]]:
        async with installation(tmp_path) as here:
            return here.options, (await here.issue("items:read")).headers

    options, headers = asyncio.run(issue())
    app = APIKeyMiddleware(Echo(), **options, rules={"GET /items": "items:read"}, max_staleness=0.1)

    async def once() -> int:
        await asyncio.sleep(0.15)
        return (await ask(app, "/items", headers)).status

    assert [200, 200, 200] == [asyncio.run(once()) for _ in range(3)]
    asyncio.run(app.runtime.stop())


class Server:
    """The server's side of the lifespan protocol."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def play(self, app: Any) -> list[str]:
        """Start *app*, then stop it; answers the types of what it sent."""
        running = asyncio.create_task(app({"type": "lifespan", "asgi": {}}, self.inbox.get, self.send))
        await self.inbox.put({"type": "lifespan.startup"})
        await until(lambda: bool(self.sent) or running.done())
        if not running.done():
            await self.inbox.put({"type": "lifespan.shutdown"})
        await running
        return [message["type"] for message in self.sent]


async def well_behaved(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def ignorant(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("I know nothing of lifespan")


async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def leaving_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


@pytest.mark.parametrize("app", [well_behaved, ignorant, leaving, leaving_after_start])
async def test_start_and_stop_reach_keyfob_whatever_the_application_does(
    here: Installation, guard: Guard, app: Any
) -> None:
    """An application that takes no part in lifespan is stood in for, and the last uses are written at the stop."""
    issued = await here.issue("items:read")
    middleware = guard(app)
    middleware.runtime.usage.note_admitted(issued.record.id, NOON.timestamp(), None)

    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == await Server().play(middleware)

    view = await here.store.view(issued.record.id)
    assert view is not None
    assert LastUse(NOON, None) == view.last_used


async def test_a_server_can_start_and_stop_again(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """A second life of the same middleware, as a test suite gives it, works like the first."""
    issued = await here.issue("items:read")
    middleware = guard(well_behaved)
    for _ in range(2):
        await Server().play(middleware)
        assert not isinstance(await middleware.runtime.inspect(issued.text), Denied)
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == await Server().play(middleware)
    assert "" == caplog.text


async def test_pm_17_a_rule_that_matches_no_route_is_named_at_the_start(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever misspells a path in the rules reads it in the log, and not only in the 403 of somebody else."""
    app = Starlette(routes=[Route("/items", well_behaved)])

    rules = dict.fromkeys(["GET /items", "GET /itmes", "POST /items"], "items:read")
    await Server().play(guard(app, rules=rules))

    said = 'no route of the application answers to the rules "GET /itmes", "POST /items": '
    assert [f"{said}misspelled, or left of an example?"] == [entry.message for entry in caplog.records]


async def test_an_application_that_fails_to_start_is_heard(guard: Guard) -> None:
    """The application's own failure is passed on, and Keyfob stops."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    assert ["lifespan.startup.failed"] == await Server().play(guard(failing))


async def test_an_application_that_breaks_later_is_heard(guard: Guard) -> None:
    """An error after the start is the application's, and is raised to the server."""

    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        await well_behaved_start(receive, send)
        raise RuntimeError("broken")

    async def well_behaved_start(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    with pytest.raises(RuntimeError, match="broken"):
        await Server().play(guard(breaking))


async def another_ring(here: Installation) -> None:
    """Put a ring with the same character and another key in the place of the right one."""
    (here.folder / "keyfob.ring").unlink()
    write_ring(here.folder / "keyfob.ring", Ring.new(NOON))


@pytest.mark.parametrize("app", [well_behaved, ignorant])
async def test_a_worker_with_another_ring_refuses_to_start(here: Installation, guard: Guard, app: Any) -> None:
    """A ring whose fingerprint is not the database's stops the start with one sentence."""
    await another_ring(here)
    server = Server()

    assert ["lifespan.startup.failed"] == await server.play(guard(app))
    assert "not the one that the database knows" in server.sent[0]["message"]


async def test_a_wrong_ring_without_lifespan_is_503(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody can be stopped from starting, every key is 503 under a wrong ring, and the log says why."""
    issued = await here.issue("items:read")
    await another_ring(here)
    app = guard()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert "not the one that the database knows" in caplog.text


def test_a_missing_ring_is_told_at_construction(tmp_path: Path) -> None:
    """No ring is a ConfigError when the middleware is built, with the file and the mend."""
    with pytest.raises(ConfigError, match=r"nowhere\.ring"):
        APIKeyMiddleware(Echo(), store=f"sqlite:///{tmp_path}/keyfob.db", ring=tmp_path / "nowhere.ring", rules={})
    with pytest.raises(ConfigError, match="no ring is named"):
        APIKeyMiddleware(Echo(), store=f"sqlite:///{tmp_path}/keyfob.db", rules={})


def test_a_missing_store_is_told_at_construction(here_options: Any) -> None:
    """No store is a ConfigError, with an example of one."""
    with pytest.raises(ConfigError, match="no store is named"):
        APIKeyMiddleware(Echo(), ring=here_options["ring"], rules={})


@pytest.fixture
async def here_options(here: Installation) -> Any:
    return here.options


async def mark(here: Installation, char: str, fingerprint: str, state: RingState, at: datetime) -> None:
    """Write the database's word on a ring character, as `keyfob ring` does."""

    async def work(transaction: Transaction) -> None:
        await transaction.next_revision()
        await transaction.put_ring_mark(RingMark(char, fingerprint, state, at))

    await here.store.change(work)


async def test_kf_08_a_new_ring_entry_is_read_when_it_is_met(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of a new entry pass as soon as the file holds it; keys of a retired one cost no read (KF-08)."""
    monkeypatch.setattr("keyfob.ring_in_use._RELOAD_AT_MOST_EVERY", 0.0)
    old = await here.issue("items:read")
    app = guard()
    assert 200 == (await ask(app, "/items", old.headers)).status

    ring = load_ring(here.folder / "keyfob.ring")
    grown = ring.added(datetime.now(UTC))
    write_ring(here.folder / "keyfob.ring", grown, replaces=ring)
    entry = grown.newest
    await mark(here, entry.char, entry.fingerprint, RingState.ACTIVE, datetime.now(UTC))
    new = await issue_with(here, entry, "items:read")
    assert [200, 200] == [(await ask(app, "/items", issued.headers)).status for issued in (old, new)]

    await mark(here, here.signing.char, here.signing.fingerprint, RingState.RETIRED, datetime.now(UTC))
    assert 200 == (await ask(app, "/items", new.headers)).status
    reads = app.stats.store_reads
    assert 401 == (await ask(app, "/items", old.headers)).status
    assert reads == app.stats.store_reads


async def issue_with(here: Installation, entry: Any, *permissions: str) -> Any:
    """Issue a key under another entry of the ring."""
    return await replace(here, signing=entry).issue(*permissions)


async def test_keys_of_a_lost_ring_entry_pass_by_argon2_alone(here: Installation, guard: Guard) -> None:
    """When a ring is lost for good, its keys skip the tag and pass by Argon2id once; wrong secrets still fail."""
    issued = await here.issue("items:read")
    fresh = Ring.of([Ring.new(NOON).added(NOON).entries["b"]])
    (here.folder / "keyfob.ring").unlink()
    write_ring(here.folder / "keyfob.ring", fresh)
    entry = fresh.newest
    await mark(here, here.signing.char, here.signing.fingerprint, RingState.LOST, NOON)
    await mark(here, entry.char, entry.fingerprint, RingState.ACTIVE, datetime.now(UTC))

    app = guard()
    assert [200, 200] == [(await ask(app, "/items", issued.headers)).status for _ in range(2)]
    assert 1 == app.stats.argon2_verifications
    wrong = compose(
        key_type="api",
        key_id=issued.record.id,
        secret=new_secret(),
        ring_char=here.signing.char,
        tag=here.signing.tag,
    )
    assert 401 == (await ask(app, "/items", {"X-API-Key": wrong.text})).status
    restarted = guard()
    assert 200 == (await ask(restarted, "/items", issued.headers)).status
    assert 0 == restarted.stats.argon2_verifications


async def test_an_active_entry_that_is_not_here_is_told(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """If the database mints with an entry that this ring lacks, nothing is judged until the ring is copied here."""
    issued = await here.issue("items:read")
    await mark(here, "z", "0" * 16, RingState.ACTIVE, datetime.now(UTC))
    app = guard()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert "the ring lacks entry 'z'" in caplog.text


async def test_a_ring_that_cannot_be_read_again_is_told(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that others can read by now is not taken over; the log says why, and known entries go on to work."""
    monkeypatch.setattr("keyfob.ring_in_use._RELOAD_AT_MOST_EVERY", 0.0)
    issued = await here.issue("items:read")
    app = guard()
    (here.folder / "keyfob.ring").chmod(0o644)
    strange = compose(key_type="api", key_id="0" * 16, secret=new_secret(), ring_char="z", tag=lambda _: "0" * 14)

    assert 401 == (await ask(app, "/items", {"X-API-Key": strange.text})).status

    assert "chmod 600" in caplog.text
    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_a_database_without_a_ring_entry_is_told(tmp_path: Path) -> None:
    """Before anything was activated nothing can be judged or made, and the message names the command."""
    ring = Ring.new(NOON)
    in_use = RingInUse(lambda: ring, lambda: 0.0)

    with pytest.raises(ConfigError, match="keyfob init"):
        in_use.check()
    with pytest.raises(ConfigError, match="keyfob ring show"):
        in_use.signing()
    assert {"a"} == in_use.entries().keys()


def test_counts_are_attributes_and_a_mapping() -> None:
    """Stats can be read either way, and shown."""
    stats = Stats()
    stats.admitted += 2

    assert (2, 2, 8) == (stats.admitted, stats["admitted"], len(stats))
    assert {"admitted": 2} == {name: count for name, count in stats.items() if count}
    assert "admitted=2, denied=0" in repr(stats)
    with pytest.raises(KeyError):
        stats["nothing"]


async def test_nothing_secret_is_logged(here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, a refusal is one escaped line that holds no key (CP-14, SE-01)."""
    caplog.set_level(logging.DEBUG)
    issued = await here.issue("items:read", disabled_at=NOON)

    await ask(guard(), "/items", issued.headers)
    await ask(guard(), "/it\x1bems\nfaked line", issued.headers)

    lines = [record.getMessage() for record in caplog.records if record.name == "keyfob"]
    assert [f"refused 401 disabled: GET '/items' from 203.0.113.9, key {issued.record.id}"] == lines[:1]
    assert "\\x1b" in lines[1]
    assert "\n" not in lines[1]
    assert issued.text not in caplog.text
