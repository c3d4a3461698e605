"""An event loop for each call, or one that stands still between calls, loses no use and leaves nothing open."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from mangum import Mangum

from keyfob import APIKeyMiddleware
from keyfob.store.contract.key_store import Use
from keyfob.store.opening import open_store
from keyfob.testing import Installation, Issued, installation
from tests.keyfob.conftest import Echo, ask
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from mangum.types import LambdaContext

    from keyfob.store.contract.key_store import KeyStore

T = TypeVar("T")

RULES = {"GET /items": "items:read", "POST /items": "items:write"}


@pytest.fixture(params=["sqlite", "postgres"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Installation, Issued]]:
    """An installation whose own event loop is gone, and a key of it."""
    with asyncio.Runner() as runner:
        database = fresh_database(empty=True)
        url = runner.run(database.__aenter__()) if request.param == "postgres" else None

        async def make() -> tuple[Installation, Issued]:
            async with installation(tmp_path, url=url) as here:
                return here, await here.issue("items:read")

        yield asyncio.run(make())
        if url is not None:
            runner.run(database.__aexit__(None, None, None))


def elsewhere(made: tuple[Installation, Issued], work: Callable[[KeyStore], Awaitable[T]]) -> T:
    """What another process would see or do, on an event loop of its own."""

    async def run() -> T:
        store = open_store(str(made[0].options["store"]), audit_key=lambda: made[0].signing)
        try:
            return await work(store)
        finally:
            await store.close()

    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(run())


def uses(made: tuple[Installation, Issued]) -> tuple[int, int]:
    """How often the key was admitted and denied, as far as it is written down."""
    record = made[1].record
    days = elsewhere(made, lambda store: store.usage(record.id, record.created_at.date()))
    return sum(day.admitted for day in days), sum(day.denied for day in days)


def change(made: tuple[Installation, Issued]) -> None:
    """Write the key's row and its uses, for which nobody may hold a lock."""
    record = made[1].record
    elsewhere(made, lambda store: store.change(lambda rows: rows.put_key(record)))
    elsewhere(made, lambda store: store.add_usage({record.id: Use(record.created_at, None)}))


def guarded(made: tuple[Installation, Issued], **options: Any) -> APIKeyMiddleware:
    return APIKeyMiddleware(Echo(), rules=RULES, usage_interval=60, **{**made[0].options, **options})


@pytest.mark.parametrize("close_on_revoke", [True, False])
def test_ff_12_every_use_is_written_with_a_loop_for_each_call(
    made: tuple[Installation, Issued], *, close_on_revoke: bool
) -> None:
    """Each `asyncio.run` writes its uses before it ends, admitted or denied, and however short it is."""
    app, headers = guarded(made, close_on_revoke=close_on_revoke), made[1].headers

    assert 200 == asyncio.run(ask(app, "/items", headers)).status
    assert (1, 0) == uses(made)
    for _ in range(5):
        assert 200 == asyncio.run(ask(app, "/items", headers)).status
        assert 403 == asyncio.run(ask(app, "/items", headers, method="POST")).status
    asyncio.run(app.runtime.settle())

    assert (6, 5) == uses(made)


def test_ff_68_the_loops_that_are_gone_leave_nothing_behind(made: tuple[Installation, Issued]) -> None:
    """Neither connections nor threads are kept for an event loop that is closed."""
    app, headers = guarded(made), made[1].headers
    for _ in range(2):
        asyncio.run(ask(app, "/items", headers))
    before = {*threading.enumerate()}
    for _ in range(10):
        asyncio.run(ask(app, "/items", headers))
    new = {*threading.enumerate()} - before
    for thread in new:
        thread.join(30)  # one that is ending may take its time

    assert [] == [thread.name for thread in new if thread.is_alive()]
    assert 1 >= len(app.runtime.store._connections._by_loop)  # type: ignore[attr-defined]  # the store that it is
    if made[0].url is not None:
        name = made[0].url.rpartition("/")[2]
        assert 0 == asyncio.run(run_sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"))  # noqa: S608


def event(issued: Issued, method: str = "GET") -> dict[str, Any]:
    """A request as API Gateway hands it to AWS Lambda."""
    return {
        "version": "2.0",
        "rawPath": "/items",
        "rawQueryString": "",
        "headers": {"x-api-key": issued.text, "host": "example.test"},
        "requestContext": {"http": {"method": method, "path": "/items", "sourceIp": "203.0.113.9"}},
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("how", ["setting", "found"])
def test_ff_68_on_aws_lambda_uses_are_written_before_the_call_returns(
    made: tuple[Installation, Issued], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the event loop stands still after a call, every use is written and the database is free for others."""
    if how == "found":
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "items")
    app = guarded(made, background=how == "found")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    handler = Mangum(app, lifespan="off")
    for number in range(1, 4):
        assert 200 == handler(event(made[1]), cast("LambdaContext", None))["statusCode"]
        assert (number, 0) == uses(made)
        change(made)
    assert {"keyfob-connections"} >= {task.get_name() for task in asyncio.all_tasks(loop)}  # which sleeps, idle
    loop.run_until_complete(app.runtime.stop())
    loop.close()
    asyncio.set_event_loop(None)
