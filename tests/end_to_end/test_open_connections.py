from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.forging import forged
from tests.end_to_end.raw import Answer, CutOffError, request
from tests.end_to_end.refusals import kind_of, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Keys, Origin
    from tests.end_to_end.raw import Wire
    from tests.end_to_end.server import Server

WITHIN = 2.0 + 1.0  # seconds: max_staleness + 1, as promised
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def _open(server: Server, headers: dict[str, str] | None = None, path: str = "/ws", **more: Any) -> ClientConnection:
    socket: ClientConnection = connect(
        f"ws://127.0.0.1:{server.port}{path}", additional_headers=headers, proxy=None, **more
    )
    return socket


def _refused(server: Server, headers: dict[str, str] | None = None, path: str = "/ws", **more: Any) -> Answer:
    with server.unmoved("handled"), pytest.raises(InvalidStatus) as refusal:
        _open(server, headers, path, **more)
    response = refusal.value.response
    pairs = [(name.lower(), value) for name, value in response.headers.raw_items()]
    return Answer(response.status_code, pairs, bytes(response.body or b""))


def test_ws_01_a_handshake_without_a_key_is_challenged(server: Server) -> None:
    """Without a key the handshake is answered 401 with a challenge, and the endpoint does not run."""
    assert "N401" == kind_of(_refused(server))


def test_ws_01_a_handshake_is_refused_like_any_request(server: Server, keys: Keys) -> None:
    """Every refusal of a handshake is the one that HTTP gets."""
    twice = {**keys.reader.headers, "X-API-Key": keys.reader.text}

    assert "B401" == kind_of(_refused(server, {"X-API-Key": forged()}))
    assert "B400" == kind_of(_refused(server, twice), keys.reader.text)
    assert "F403" == kind_of(_refused(server, keys.reader.headers, "/unknown"))
    assert "F403" == kind_of(_refused(server, keys.reader.headers, "/items"))  # a rule for GET is none for a WebSocket
    assert kind_of(_refused(server, keys.reader.headers, "/docs/private%0a")) in {"P400", "400"}


def test_ws_02_a_key_without_the_permission_never_connects(server: Server, place: Origin) -> None:
    """A key that lacks the permission is 403, with what it lacks, before anything is accepted."""
    issued = place.issue("items:read")
    answer = _refused(server, issued.headers)

    assert ("F403", "ws:connect") == (kind_of(answer, issued.text), scope_of(answer))


def test_ws_04_a_key_in_the_subprotocol_is_none(server: Server, keys: Keys) -> None:
    """A key among the subprotocols counts for nothing, and is not echoed."""
    assert "N401" == kind_of(_refused(server, subprotocols=["bearer", keys.reader.text]), keys.reader.text)
    assert "N401" == kind_of(_refused(server, subprotocols=[f"base64.bearer.{keys.reader.text}"]), keys.reader.text)


def test_ws_04_a_key_in_the_query_is_none(server: Server, place: Origin) -> None:
    """A key in the query string of a handshake counts for nothing."""
    text = place.issue("ws:connect", canary=False).text

    assert "N401" == kind_of(_refused(server, path=f"/ws?access_token={text}"), text)


def test_a_socket_is_no_way_around_methods(server: Server, keys: Keys) -> None:
    """A plain GET to a WebSocket's path has no rule, and a handshake by POST does not connect."""
    with server.unmoved("handled"):
        assert "F403" == kind_of(server.ask("/ws", keys.reader.headers))
        posted = server.ask("/ws", {**keys.reader.headers, **HANDSHAKE}, method="POST")
        assert kind_of(posted) in {"F403", "400", "405"}


def test_ws_05_a_socket_is_closed_when_its_key_is_disabled(server: Server, place: Origin) -> None:
    """An open WebSocket is closed with 1008 once its key is disabled; one of another key stays open."""
    revoked, spared = place.issue("ws:connect"), place.issue("ws:connect")
    with _open(server, revoked.headers) as socket, _open(server, spared.headers) as other:
        socket.send("hello")
        assert "hello" == socket.recv()
        place.disable(revoked)

        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=WITHIN)
        assert closed.value.rcvd is not None
        assert 1008 == closed.value.rcvd.code
        other.send("still here")
        assert "still here" == other.recv()


def test_a_socket_is_closed_when_its_key_is_narrowed(server: Server, place: Origin) -> None:
    """Losing the permission closes an open WebSocket as well; losing another one does not."""
    issued = place.issue("items:read", "ws:connect")
    with _open(server, issued.headers) as socket:
        place.change(issued, permissions=("ws:connect",))
        assert "200" != kind_of(server.ask("/items", issued.headers))  # the worker has heard of it
        socket.send("hello")
        assert "hello" == socket.recv()
        place.change(issued, permissions=("items:read",))

        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=WITHIN)
        assert closed.value.rcvd is not None
        assert 1008 == closed.value.rcvd.code


def test_a_socket_is_closed_when_its_key_runs_out(server: Server, place: Origin) -> None:
    """An open WebSocket does not outlive its key, though nothing is written when that expires."""
    issued = place.issue("ws:connect", expires_at=datetime.now(UTC) + timedelta(seconds=2))
    with _open(server, issued.headers) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=2 + WITHIN)

    assert closed.value.rcvd is not None
    assert 1008 == closed.value.rcvd.code
    assert "B401" == kind_of(_refused(server, issued.headers), issued.text)


@pytest.fixture(params=["/sse", "/sse?quiet=1"])
def stream(request: pytest.FixtureRequest, server: Server, place: Origin) -> Iterator[tuple[Wire, Issued]]:
    """A stream that was begun, and the key that it was begun with. The quiet one says nothing more by itself."""
    issued = place.issue("items:read")
    with server.wire() as wire:
        wire.send(_sse(request.param, issued))
        assert 200 == wire.start().status
        assert b"data: 0\n\n" == wire.chunk()
        yield wire, issued


def test_ws_08_a_stream_is_cut_when_its_key_is_disabled(stream: tuple[Wire, Issued], place: Origin) -> None:
    """A response that is still being sent is cut off, without the last chunk that would make it look complete."""
    wire, issued = stream
    place.disable(issued)

    wire.wait_at_most(WITHIN)
    with pytest.raises(CutOffError):
        list(iter(wire.chunk, b""))


def test_ws_08_a_stream_goes_on_where_that_is_wished(shared: Callable[..., Server], place: Origin) -> None:
    """With close_on_revoke off, a response that was begun is left alone, and the next request is refused."""
    server, issued = shared("h11", close_on_revoke=False, max_staleness=0.4), place.issue("items:read")
    with server.wire() as wire:
        wire.send(_sse("/sse", issued))
        wire.start()
        place.disable(issued)
        assert "B401" == kind_of(server.ask("/items", issued.headers), issued.text)

        assert 40 == len([wire.chunk() for _ in range(40)])


def _sse(target: str, issued: Issued) -> bytes:
    return request(target, issued.headers)
