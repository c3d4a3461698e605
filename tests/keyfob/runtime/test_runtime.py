"""The server's start and stop are shared with the application; without them the first request starts everything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from keyfob import APIKeyMiddleware, Denied
from keyfob.errors import ConfigError
from keyfob.keyring.file import write_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keys.record import LastUse
from keyfob.testing import installation
from tests.keyfob.conftest import Echo, ask, on_both_stores, until

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


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


async def another_keyring(here: Installation) -> None:
    """Put a keyring with the same character and another key in the place of the right one."""
    (here.folder / "keyfob.keyring").unlink()
    write_keyring(here.folder / "keyfob.keyring", Keyring.new(NOON))


@pytest.mark.parametrize("app", [well_behaved, ignorant])
async def test_a_worker_with_another_keyring_refuses_to_start(here: Installation, guard: Guard, app: Any) -> None:
    """A keyring whose fingerprint is not the database's stops the start with one sentence."""
    await another_keyring(here)
    server = Server()

    assert ["lifespan.startup.failed"] == await server.play(guard(app))
    assert "not the one the database knows" in server.sent[0]["message"]


async def test_a_wrong_keyring_without_lifespan_is_503(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody can be stopped from starting, every key is 503 under a wrong keyring, and the log says why."""
    issued = await here.issue("items:read")
    await another_keyring(here)
    app = guard()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert "not the one the database knows" in caplog.text


def test_a_missing_keyring_is_told_at_construction(tmp_path: Path) -> None:
    """No keyring is a ConfigError when the middleware is built, with the file and how to fix it."""
    with pytest.raises(ConfigError, match=r"nowhere\.keyring"):
        APIKeyMiddleware(
            Echo(), store=f"sqlite:///{tmp_path}/keyfob.db", keyring=tmp_path / "nowhere.keyring", rules={}
        )
    with pytest.raises(ConfigError, match="no keyring is named"):
        APIKeyMiddleware(Echo(), store=f"sqlite:///{tmp_path}/keyfob.db", rules={})


def test_a_missing_store_is_told_at_construction(here_options: Any) -> None:
    """No store is a ConfigError, with an example of one."""
    with pytest.raises(ConfigError, match="no store is named"):
        APIKeyMiddleware(Echo(), keyring=here_options["keyring"], rules={})


@pytest.fixture
async def here_options(here: Installation) -> Any:
    return here.options
