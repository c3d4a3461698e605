"""A response whose key is revoked ends, on every server and framework, and never looks complete."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.asgi_servers import SERVERS
from tests.end_to_end.conftest import wait_for
from tests.end_to_end.raw import CutOffError, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.asgi_servers import AnyServer
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.raw import Wire

FRAMEWORKS = ["starlette", "fastapi", "django", "quart", "litestar", "plain"]
OUTSIDE = ["nothing", "BaseHTTPMiddleware", "GZipMiddleware"]
NESTED = ["two of them", "one around the other"]
BELOW_NESTED = [kind for kind in SERVERS if kind != "granian"]  # which takes any body: docs/operating.md says so
FOUND = [kind for kind in BELOW_NESTED if kind != "hypercorn"]  # whose connection is found behind any middleware


def is_cut(server: AnyServer, place: Origin, target: str) -> None:
    """Ask for *target*, and disable the key while its events are on their way: the connection ends, incomplete."""
    issued, begun = place.issue("items:read"), f"{target[1:]} begins"
    before = server.noticed().count(begun)
    with server.wire() as wire:
        wire.send(request(target, {**issued.headers, "Accept-Encoding": "gzip"}))
        wait_for(lambda: server.noticed().count(begun) > before)
        if target != "/silent":
            assert 200 == wire.start().status
        place.disable(issued)
        wire.wait_at_most(server.within)
        assert (target == "/silent" and is_withheld(wire)) or not wire.rest().endswith(b"0\r\n\r\n")


def is_withheld(wire: Wire) -> bool:
    """Whether the server, which keeps the headers until the first part, sent something else or nothing at all."""
    try:
        return wire.start().status in {401, 500}
    except CutOffError:
        return True


@pytest.mark.parametrize("target", ["/active", "/quiet", "/silent"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.cases("FF-14", "FF-62", "FF-63", "WS-08")
def test_a_response_that_is_being_sent_is_cut(
    serve: Callable[..., AnyServer], place: Origin, kind: str, target: str, framework: str
) -> None:
    """Whatever the server and framework, and whether or not a body part went out, it ends incomplete and in time."""
    server, how = serve(kind, framework=framework), target[1:]
    ended = server.noticed().count(f"{how} ends")

    is_cut(server, place, target)

    wait_for(lambda: server.noticed().count(f"{how} ends") > ended)
    assert "never retrieved" not in server.printed()
    if kind != "granian":  # which closes the connection for an exception alone
        assert "Traceback" not in server.printed(), server.printed()


@pytest.mark.parametrize("target", ["/active", "/quiet"])
@pytest.mark.parametrize(
    ("kind", "outside"),
    [*product(SERVERS, OUTSIDE[1:]), *product(BELOW_NESTED, NESTED), *product(FOUND, ["one that swallows"])],
)
def test_ff_10_no_middleware_outside_completes_it(
    serve: Callable[..., AnyServer], place: Origin, kind: str, target: str, outside: str
) -> None:
    """A middleware outside that sends the parts itself does not send a last one."""
    server = serve(kind, outside=outside)

    is_cut(server, place, target)


@pytest.mark.parametrize("outside", ["nothing", "two of them"])
@pytest.mark.parametrize("kind", FOUND)
@pytest.mark.cases("FF-10")
def test_nobody_elses_response_is_cut(serve: Callable[..., AnyServer], place: Origin, kind: str, outside: str) -> None:
    """Of responses under way at once those of another key go on, though the server is asked for one of its own."""
    server, revoked, good = serve(kind, outside=outside), place.issue("items:read"), place.issue("items:read")
    with ExitStack() as stack:
        cut, *others = wires = [stack.enter_context(server.wire()) for _ in range(13)]  # whoever took any would miss
        for wire in wires:
            wire.send(request("/active", (revoked if wire is cut else good).headers))
            assert 200 == wire.start().status
        place.disable(revoked)
        cut.wait_at_most(server.within)
        assert not cut.rest().endswith(b"0\r\n\r\n")

        assert all(wire.chunk() for _ in range(50) for wire in others)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("kind", SERVERS)
def test_ff_14_a_stream_that_begins_late_is_cut(
    serve: Callable[..., AnyServer], place: Origin, kind: str, framework: str
) -> None:
    """A key that is disabled while the handler still works gets no event: it is refused, or the response is cut."""
    server, issued = serve(kind, framework=framework), place.issue("items:read")
    before = server.noticed().count("slow works")
    with server.wire() as wire:
        wire.send(request("/slow", issued.headers))
        wait_for(lambda: server.noticed().count("slow works") > before)
        place.disable(issued)
        wire.wait_at_most(1.5 + server.within)
        assert is_withheld(wire) or b"" == wire.rest()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", SERVERS)
def test_ff_60_background_work_of_a_whole_answer_goes_on(
    serve: Callable[..., AnyServer], place: Origin, kind: str, *, inside: bool
) -> None:
    """A task that runs after the answer is not cancelled with the key, a BaseHTTPMiddleware inside or not."""
    server, issued = serve(kind, inside=inside), place.issue("items:read")
    before = server.noticed()
    with server.wire() as wire:
        wire.send(request("/whole", issued.headers))
        assert b"whole" == wire.answer().body
        wait_for(lambda: "background begins" in server.noticed()[len(before) :])
        place.disable(issued)

        wait_for(lambda: server.noticed()[len(before) :] == ["background begins", "background ends"])


@pytest.mark.parametrize("kind", SERVERS)
def test_ff_75_an_upload_is_refused_when_its_key_is_revoked(
    serve: Callable[..., AnyServer], place: Origin, kind: str
) -> None:
    """No part of a request body that comes after the fall reaches the application."""
    server, issued = serve(kind), place.issue("items:read")
    with server.wire() as wire:
        wire.send(request("/upload", {**issued.headers, "Content-Length": "20"}, method="PUT") + b"0123456789")
        if kind == "daphne":  # it keeps a body until it is whole, and asks only then
            return
        wait_for(lambda: "upload got a part" in server.noticed())
        place.disable(issued)
        wire.wait_at_most(server.within)
        assert 401 == wire.answer().status
        wire.send(b"0123456789")
    assert "upload is whole" not in server.noticed()
