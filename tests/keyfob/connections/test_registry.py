"""A response that is still being sent ends when its key no longer allows it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.keyfob.conftest import ask, on_both_stores, until
from tests.keyfob.connections.staying_open import BRISK, Socket, stream, streams

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


@on_both_stores
async def test_ws_08_a_response_is_cut_and_not_ended(here: Installation, guard: Guard) -> None:
    """A response still sending is cut off without a last part, and the server's task goes on to live."""
    issued = await here.issue("items:read")
    app = guard(streams, **BRISK)
    running, sent = stream(app, issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await running

    assert [True] == [message["more_body"] for message in sent[1:]]
    assert 0 == running.cancelling()
    assert not app.runtime.connections.open_keys()


async def test_a_revoked_response_cannot_go_on(here: Installation, guard: Guard) -> None:
    """An application that swallows the cancellation still cannot send another part."""
    refused: list[str] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await streams(scope, receive, send)
        except asyncio.CancelledError:
            try:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except OSError as gone:
                refused.append(type(gone).__name__)
                raise

    issued = await here.issue("items:read")
    running, sent = stream(guard(stubborn, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await running

    assert (["KeyRevokedError"], 2) == (refused, len(sent))


async def test_a_cancelled_server_task_stays_cancelled(here: Installation, guard: Guard) -> None:
    """A cancellation that is not ours, as at shutdown, is passed on."""
    issued = await here.issue("items:read")
    running, sent = stream(guard(streams, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_error_of_the_application_is_its_own(here: Installation, guard: Guard) -> None:
    """What an application raises by itself reaches the server, over HTTP and WebSocket."""

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    app = guard(breaks)
    running, _ = stream(app, await here.issue("items:read"))
    with pytest.raises(ZeroDivisionError):
        await running
    with pytest.raises(ZeroDivisionError):
        await Socket().open(app, await here.issue("ws:connect"))


async def test_streams_can_be_left_alone(here: Installation, guard: Guard) -> None:
    """With close_on_revoke off a response goes on, though the next request is refused."""
    issued = await here.issue("items:read")
    running, sent = stream(guard(streams, close_on_revoke=False, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await asyncio.sleep(0.4)

    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def in_two_parts(_: Scope, __: Receive, send: Send) -> None:
    """Send a response that is open for a moment."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await send({"type": "http.response.body", "body": b"last"})


async def test_a_response_that_has_ended_is_watched_no_longer(here: Installation, guard: Guard) -> None:
    """Whatever was open once leaves nothing behind, or a busy server would keep every response for ever."""
    app = guard(in_two_parts)
    task, sent = stream(app, await here.issue("items:read"))
    await task

    assert 3 == len(sent)
    assert (frozenset(), {}) == (app.runtime.connections.open_keys(), app.runtime.connections.responses)


async def test_a_response_of_another_thread_is_cut_there(here: Installation, guard: Guard) -> None:
    """What a key that falls would cancel is the task that answers, not the one that runs in Keyfob's own event loop."""
    owners: list[bool] = []

    async def looks(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        owners.extend(each._task is asyncio.current_task() for each in responses.values())
        await send({"type": "http.response.body", "body": b"last"})

    app, issued = guard(looks), await here.issue("items:read")
    responses = app.runtime.connections.responses
    assert 200 == (await ask(app, "/items", issued.headers)).status
    thread = threading.Thread(target=lambda: asyncio.run(ask(app, "/items", issued.headers)))
    thread.start()
    thread.join()  # so that this task is the one that runs here

    assert [True, True] == owners
