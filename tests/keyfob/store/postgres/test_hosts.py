"""Whole hosts on one PostgreSQL: middlewares that know nothing of each other but what is in the database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
import pytest

from keyfob import APIKeyMiddleware
from keyfob.errors import StoreUnavailable
from keyfob.propagation.freshness import boot_clock
from keyfob.store.opening import open_store
from keyfob.testing import CHEAP, Installation, installation
from tests.keyfob.conftest import Echo, ask
from tests.keyfob.store.samples import KEY, adding, putting
from tests.postgres_server import fresh_database, replica, run_sql, server_url, tool
from tests.tcp_proxy import Network, network_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.testing import Issued

RULES = {"GET /items": "items:read", "/open": {"public": True}}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    async with fresh_database() as url, installation(tmp_path, url=url) as made:
        yield made


@pytest.fixture
async def network(here: Installation) -> AsyncIterator[Network]:
    async with network_to(str(here.url)) as made:
        yield made


@pytest.fixture
async def hosts() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def host(
    hosts: AsyncExitStack, here: Installation, url: str, *, max_staleness: float = 2.0, stale: float = 0.0
) -> APIKeyMiddleware:
    """A host that reaches the database at *url*."""
    app = APIKeyMiddleware(
        Echo(),
        store=url,
        keyring=here.options["keyring"],
        rules=RULES,
        argon2={"memory_kib": CHEAP.memory_kib, "time": CHEAP.time},
        max_staleness=max_staleness,
        max_stale_on_outage=stale,
    )
    hosts.push_async_callback(app.runtime.stop)
    return app


async def status(app: APIKeyMiddleware, issued: Issued) -> int:
    """What a request with the key is answered."""
    return (await ask(app, "/items", issued.headers)).status


async def test_a_change_is_in_force_at_once_where_it_was_made(here: Installation, hosts: AsyncExitStack) -> None:
    """The process that disables a key refuses it on its next request."""
    app = host(hosts, here, str(here.url), max_staleness=60)
    issued = await here.issue("items:read")
    assert 200 == await status(app, issued)

    await Installation(here.folder, app.runtime.store, here.signing, here.pool).disable(issued)

    assert 401 == await status(app, issued)


async def test_a_change_elsewhere_is_heard_of(here: Installation, hosts: AsyncExitStack) -> None:
    """Another host's notification makes a key fall long before the lease would."""
    app = host(hosts, here, str(here.url), max_staleness=60)
    issued = await here.issue("items:read")
    assert 200 == await status(app, issued)
    while not await run_sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"):  # noqa: ASYNC110 (in the server)
        await asyncio.sleep(0.01)

    await here.disable(issued)

    async with asyncio.timeout(10):
        while 200 == await status(app, issued):  # noqa: ASYNC110 (this is how a client finds out)
            await asyncio.sleep(0.01)
    assert 401 == await status(app, issued)


async def test_sf_02_a_lost_database_is_503_never_401(
    here: Installation, network: Network, hosts: AsyncExitStack
) -> None:
    """While the database is away a cached key passes within the lease; then it is 503, and never a wrong no."""
    app = host(hosts, here, network.url, max_staleness=0.5)
    issued, cold = await here.issue("items:read"), await here.issue("items:read")
    assert 200 == await status(app, issued)

    network.go_down()
    assert (200, 503) == (await status(app, issued), await status(app, cold))
    await asyncio.sleep(0.6)
    assert 503 == await status(app, issued)
    assert 200 == (await ask(app, "/open")).status
    assert 401 == (await ask(app, "/items")).status
    network.recover()

    assert (200, 200) == (await status(app, issued), await status(app, cold))


async def test_sf_04_an_outage_may_be_ridden_out(here: Installation, network: Network, hosts: AsyncExitStack) -> None:
    """With max_stale_on_outage a cached key passes beyond its lease, also after a notification that came before."""
    app = host(hosts, here, network.url, max_staleness=0.3, stale=30)
    issued, other = await here.issue("items:read"), await here.issue("items:read")
    assert 200 == await status(app, issued)

    await here.disable(other)
    network.go_down()
    await asyncio.sleep(0.8)

    assert 200 == await status(app, issued)


async def test_sf_01_a_database_that_is_not_there_yet(
    here: Installation, network: Network, hosts: AsyncExitStack
) -> None:
    """A host that starts before its database answers 503, keeps public paths up, and recovers by itself."""
    issued = await here.issue("items:read")
    network.go_down()
    app = host(hosts, here, network.url)
    await app.runtime.start()

    assert 503 == await status(app, issued)
    assert 200 == (await ask(app, "/open")).status
    network.recover()

    assert 200 == await status(app, issued)


async def put_back(url: str, copy: str) -> None:
    """Restore as an operator would: once more where a host's read and it waited for each other."""
    for _ in range(5):
        try:
            return await asyncio.to_thread(tool, "pg_restore", "--clean", "--single-transaction", "-d", url, copy)
        except AssertionError as failed:
            if "deadlock detected" not in str(failed):
                raise
    pytest.fail("five times a host's read was in the way")


async def test_sf_17_a_copy_that_is_put_back_is_noticed(
    here: Installation, hosts: AsyncExitStack, tmp_path: Path
) -> None:
    """After pg_restore every host forgets what it has cached, even where the revision is the same again."""
    app = host(hosts, here, str(here.url), max_staleness=0.5)
    issued = await here.issue("items:read")
    assert 200 == await status(app, issued)
    await asyncio.to_thread(tool, "pg_dump", "-Fc", "-f", str(tmp_path / "copy"), "-d", str(here.url))
    later = await here.issue("items:read")
    assert 200 == await status(app, later)

    await put_back(str(here.url), str(tmp_path / "copy"))
    await here.issue("items:read")
    await asyncio.sleep(0.6)

    assert (200, 401) == (await status(app, issued), await status(app, later))


@pytest.mark.parametrize("listen", ["on", "off"])
async def test_mw_02_a_disabled_key_falls_within_the_bound(
    here: Installation, network: Network, hosts: AsyncExitStack, listen: str
) -> None:
    """No request that starts max_staleness after a disable returned is admitted, whatever the network does."""
    bound = 0.4
    returned: dict[str, float] = {}
    keys = [await here.issue("items:read") for _ in range(16)]
    far = host(hosts, here, f"{network.url}?listen={listen}", max_staleness=bound)
    near = host(hosts, here, f"{here.url}?listen={listen}", max_staleness=bound)
    late: list[str] = []
    answers: set[int] = set()

    async def hammer(app: APIKeyMiddleware) -> None:
        while len(returned) < len(keys) or boot_clock() < max(returned.values()) + 3 * bound:
            for issued in keys:
                started = boot_clock()
                answer = await status(app, issued)
                answers.add(answer)
                if answer == 200 and started > returned.get(issued.record.id, started) + bound:
                    late.append(issued.record.id)
            await asyncio.sleep(0.005)

    async def disable() -> None:
        trouble = [network.cut, lambda: setattr(network, "delay", 0.05), network.black_hole, network.recover]
        for number, issued in enumerate(keys):
            await asyncio.sleep(0.08)
            await here.disable(issued)
            returned[issued.record.id] = boot_clock()
            trouble[number // 2 % 4]()

    async with asyncio.TaskGroup() as group:
        for task in (hammer(far), hammer(near), disable()):
            group.create_task(task)

    assert [] == late
    assert {200, 401} <= answers <= {200, 401, 503}


async def test_mw_12_keys_are_read_from_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that lags behind is passed over, and its answers are refused where a pooler leads to it."""
    async with fresh_database() as url:
        database = url.rpartition("/")[2]
        primary = server_url().rpartition("@")[2]
        with replica() as copy:
            both = open_store(f"postgresql://keyfob@{copy},{primary}/{database}?listen=off")
            await both.change(adding(KEY))
            await both.change(putting(KEY))
            assert 2 == (await both.find(KEY.id)).revision
            await both.close()

            alone = open_store(f"postgresql://keyfob@{copy}/{database}")
            with pytest.raises(StoreUnavailable):
                await alone.find(KEY.id)
            await alone.close()

            monkeypatch.setattr("keyfob.store.postgres.connections.connect", lambda to, **_: asyncpg.connect(to.dsn))
            astray = open_store(f"postgresql://keyfob@{copy}/{database}")
            with pytest.raises(StoreUnavailable, match="replica"):
                await astray.changes(None)
            await astray.close()
