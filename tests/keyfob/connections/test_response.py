"""A response that is still being sent ends when its key no longer allows it, and only then."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from keyfob.connections.connection import KeyRevokedError
from tests.keyfob.conftest import on_both_stores, until
from tests.keyfob.connections.staying_open import BRISK, Socket, stream, streams

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

FEW = {"few": {"rate": "9/day"}}


@on_both_stores
async def test_ws_08_a_response_is_cut_and_not_ended(here: Installation, guard: Guard) -> None:
    """A response still sending is cut off without a last part, and the server's task goes on to live."""
    issued = await here.issue("items:read")
    app = guard(streams, **BRISK)
    running, sent = stream(app, issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    with pytest.raises(KeyRevokedError):
        await running

    assert [True] == [message["more_body"] for message in parts(sent)[1:]]
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
    with pytest.raises(KeyRevokedError):
        await running

    assert (["KeyRevokedError"], 2) == (refused, len(parts(sent)))


async def test_an_application_that_swallows_cancellations_ends_all_the_same(here: Installation, guard: Guard) -> None:
    """It is cancelled again until it returns, because only then does a server close the connection."""
    swallowed = 0

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await (asyncio.Event().wait() if swallowed else streams(scope, receive, send))
            except asyncio.CancelledError:
                swallowed += 1

    issued = await here.issue("items:read")
    running, sent = stream(guard(deaf, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    with pytest.raises(KeyRevokedError):
        await running

    assert (3, 0) == (swallowed, running.cancelling())


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
    assert not app.runtime.connections.open_keys()


async def test_ff_60_what_was_answered_whole_is_done(here: Installation, guard: Guard) -> None:
    """What an application does after its last part, such as a background task, goes on though the key is revoked."""
    may_end, done = asyncio.Event(), asyncio.Event()

    async def works_after(scope: Scope, receive: Receive, send: Send) -> None:
        await in_two_parts(scope, receive, send)
        await may_end.wait()
        done.set()

    app, issued = guard(works_after, **BRISK), await here.issue("items:read")
    running, sent = stream(app, issued)
    await until(lambda: len(sent) == 3)
    assert not app.runtime.connections.open_keys()

    await here.disable(issued)
    await until(lambda: (app.runtime.freshness.revision) > issued.record.revision)
    may_end.set()
    await running

    assert done.is_set()


@on_both_stores
async def test_ff_14_headers_alone_are_a_response_under_way(here: Installation, guard: Guard) -> None:
    """A response that has begun and waits before its first part is cut off as well."""

    async def begins(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    issued = await here.issue("items:read")
    running, sent = stream(guard(begins, **BRISK), issued)
    await until(lambda: len(sent) == 1)

    await here.disable(issued)
    with pytest.raises(KeyRevokedError):
        await running


class Late:
    """An application that begins its response when the test says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.works, self.may_answer = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.works.set()
        await self.may_answer.wait()
        await self._app(scope, receive, send)


async def late(here: Installation, guard: Guard, app: ASGIApp) -> tuple[asyncio.Task[None], list[Message]]:
    """Ask *app*, which answers only after the key was revoked."""
    issued, slow = await here.issue("items:read"), Late(app)
    middleware = guard(slow, **BRISK)
    running, sent = stream(middleware, issued)
    await slow.works.wait()
    await here.disable(issued)
    await until(lambda: not middleware.runtime.connections.open_keys())
    slow.may_answer.set()
    return running, sent


async def test_ff_14_a_stream_that_begins_after_the_fall_sends_no_part(here: Installation, guard: Guard) -> None:
    """A handler that was at work when the key was revoked gets no stream through."""
    running, sent = await late(here, guard, streams)
    with pytest.raises(KeyRevokedError):
        await running

    assert ["http.response.start"] == [message["type"] for message in parts(sent)]


async def test_a_stream_that_begins_after_the_fall_and_waits_is_cut(here: Installation, guard: Guard) -> None:
    """Neither does one that sends its headers and then nothing."""

    async def begins(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    running, _ = await late(here, guard, begins)
    with pytest.raises(KeyRevokedError):
        await running


async def test_a_whole_answer_of_a_slow_handler_is_delivered(here: Installation, guard: Guard) -> None:
    """What was asked while the key was good, and is answered in one part, is answered, and tells where limits stand."""

    async def answers(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})
        await asyncio.sleep(0.6)  # a background task, longer than a revoked response is given to end

    limited = partial(guard, rules={"/items": {"permission": "items:read", "limit": "few"}}, limits=FEW)
    running, sent = await late(here, limited, answers)
    await running

    assert [b"whole"] == [message["body"] for message in sent[1:]]
    assert b'"few-day";r=8;' in dict(sent[0]["headers"])[b"ratelimit"]


@pytest.mark.parametrize("waits", [True, False])
async def test_ff_75_an_upload_whose_key_is_revoked_ends_as_if_the_client_had_left(
    here: Installation, guard: Guard, *, waits: bool
) -> None:
    """No further part reaches the application, whether it waits for one or not, and the client is refused."""
    received: list[str] = []
    works, may_go_on = asyncio.Event(), asyncio.Event()

    async def takes(_: Scope, receive: Receive, __: Send) -> None:
        received.append((await receive())["type"])
        works.set()
        if not waits:
            await may_go_on.wait()
        received.append((await receive())["type"])

    app, issued = guard(takes, **BRISK), await here.issue("items:write")
    running, sent = stream(app, issued, method="POST", inbox=[{"type": "http.request", "more_body": True}])
    await works.wait()
    await here.disable(issued)
    await until(lambda: not app.runtime.connections.open_keys())
    may_go_on.set()
    await running

    assert ["http.request", "http.disconnect"] == received
    assert 401 == sent[0]["status"]


async def test_a_cancellation_at_the_same_time_as_ours_is_passed_on(here: Installation, guard: Guard) -> None:
    """A server that is stopping while a key is revoked still sees its task cancelled."""

    async def listens(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    app, issued = guard(listens, **BRISK), await here.issue("items:read")
    running, sent = stream(app, issued)
    await until(lambda: len(sent) == 1)
    app.runtime.connections.end_key(issued.record.id)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


def parts(sent: list[Message]) -> list[Message]:
    """What a server would take for a part of a response: a body is bytes."""
    return [
        message
        for message in sent
        if message["type"].startswith("http.") and isinstance(message.get("body", b""), bytes | bytearray | memoryview)
    ]
