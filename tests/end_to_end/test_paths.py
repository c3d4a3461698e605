from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.raw import CutOffError, request
from tests.end_to_end.refusals import kind_of

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Keys
    from tests.end_to_end.server import Server

# Each must be refused even with the strongest key: by Keyfob (P400) or by the server's own parser (400).
AMBIGUOUS = [
    "//",
    "//items",
    "/items//",
    "/items//1",
    "/docs//private",
    "/docs/public//",
    "//docs/private",
    "/.",
    "/..",
    "/./items",
    "/items/.",
    "/items/..",
    "/items/../open",
    "/open/../items",
    "/docs/../items",
    "/docs/./private",
    "/docs/x/../private",
    "/docs/%2e%2e/items",
    "/docs/%2E%2e/items",
    "/docs/.%2e/items",
    "/docs/%2e/private",
    "/docs/private%0a",
    "/docs/private%0A",
    "/docs/private%0d",
    "/docs/private%00",
    "/docs/private%7f",
    "/docs/%09private",
    "/items%00",
    "/open%00",
    "/docs/x%00/../private",
    "/docs/private%00.css",
    "/docs\\private",
    "/docs/..\\private",
    "/docs%5cprivate",
    "/docs/%5Cprivate",
    "/docs%2fprivate",
    "/docs/..%2fitems",
    "/docs%2Fprivate",
    "/docs/a%2fb",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_a_path_that_can_be_read_in_two_ways_is_refused(server: Server, keys: Keys, path: str) -> None:
    """Control characters, backslashes, dot and empty segments and hidden slashes are 400, before anything is asked."""
    with server.unmoved("handled", "store_reads", "cache_hits"):
        for headers in ({}, keys.writer.headers):
            answer = server.ask(path, headers)
            assert kind_of(answer, keys.writer.text) in {"P400", "400"}


# path → what the writer, who may read docs:secret, and nobody are answered
PLAIN = {
    "/docs/%70rivate": ("200", "N401"),
    "/docs/privat%65": ("200", "N401"),
    "/docs/private?x=/../": ("200", "N401"),
    "/docs/private/": ("200", "N401"),
    "/docs/private;x": ("P400", "P400"),  # other servers cut it off
    "/docs/%252e%252e/items": ("200", "200"),  # decoded once, by everybody: a folder called "%2e%2e"
    "/docs/..;/private": ("P400", "P400"),
    "/docs/private%20": ("200", "200"),
    "/docs/%252fprivate": ("200", "200"),
    "/items/..;/": ("P400", "P400"),
    "/items/%252f": ("200", "N401"),
    "/items/%252e%252e": ("200", "N401"),
    "/items/...": ("200", "N401"),
    "/items/.a": ("200", "N401"),
    "/items/%3f": ("200", "N401"),
    "/items/%23": ("200", "N401"),
    "/items/%c0%ae%c0%ae": ("P400", "P400"),  # overlong UTF-8 is no UTF-8
    "/items/%ff": ("P400", "P400"),
    "/items/%": ("P400", "P400"),
    "/items/%zz": ("P400", "P400"),
    "/items/%E2%80%AE": ("200", "N401"),
    "/ITEMS": ("F403", "N401"),
    "/Items": ("F403", "N401"),
    "/items%20": ("F403", "N401"),
    "/items%3f": ("F403", "N401"),
    "/items;a=b": ("P400", "P400"),
    "/items.json": ("F403", "N401"),
    "/items/1/2": ("F403", "N401"),
    "/%c0%afitems": ("P400", "P400"),
    "/docs": ("307", "307"),  # {path:path} may be empty, and Starlette sends on to /docs/
    "/docsx": ("F403", "N401"),
    "/openx": ("F403", "N401"),
    "/open/x": ("F403", "N401"),
    "/": ("F403", "N401"),
    "*": ("F403", "N401"),
}


@pytest.mark.parametrize("path", PLAIN)
def test_a_path_is_judged_as_the_application_reads_it(server: Server, keys: Keys, path: str) -> None:
    """What is decoded once, and means one thing, is judged by that: never more open than the route it reaches."""
    with_key, without = PLAIN[path]

    assert kind_of(server.ask(path, keys.writer.headers)) in {with_key, "400"}
    assert kind_of(server.ask(path)) in {without, "400"}


RAW = ["/items/\xc3\xa9", "/docs/\xc0\xae\xc0\xae/private", "/docs/\xff", "/docs/private\x0b"]


@pytest.mark.parametrize("path", RAW)
def test_raw_bytes_beyond_ascii_open_nothing(server: Server, path: str) -> None:
    """Bytes that a target may not hold unencoded reach the protected path in no reading."""
    answer = server.raw(b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert kind_of(answer) in ({"N401", "400"} if path.startswith("/items") else {"200", "P400", "400"})
    assert b"/docs/private" not in answer.body


ABSOLUTE = ["http://x.test/docs/private", "http://x.test/items", "https://other/items", "http:/items", "x.test/items"]


@pytest.mark.parametrize("target", ABSOLUTE)
def test_an_absolute_target_opens_nothing(server: Server, target: str) -> None:
    """A target in absolute form (RFC 9112, section 3.2.2) is judged by its path, or refused."""
    with server.unmoved("handled"):
        assert kind_of(server.ask(target)) in {"N401", "P400", "400"}


def test_an_absolute_target_is_no_public_path(server: Server) -> None:
    """The host of an absolute target is never taken for a public path."""
    with server.unmoved("handled"):
        for target in ("http://open/items", "http://x/items?/open", "http://x/docs/../items", "open://items/items"):
            assert kind_of(server.ask(target)) in {"N401", "P400", "400"}


def test_options_for_the_whole_server_has_no_rule(server: Server, keys: Keys) -> None:
    """``OPTIONS *`` is refused like what no rule names."""
    with server.unmoved("handled"):
        assert kind_of(server.ask("*", method="OPTIONS")) in {"N401", "400"}
        assert kind_of(server.ask("*", keys.writer.headers, method="OPTIONS")) in {"F403", "400"}


def test_head_follows_get(server: Server, keys: Keys) -> None:
    """HEAD is judged by the rule for GET, and answered without a body, refused or not."""
    with server.wire() as wire:
        for headers, status in (({}, 401), (keys.admin.headers, 403), (keys.reader.headers, 200)):
            wire.send(request("/items", headers, method="HEAD"))
            assert status == wire.answer(head=True).status
        wire.send(request("/open"))
        assert b"GET /open" == wire.answer().body


def test_an_encoded_slash_that_is_allowed_counts_as_a_slash(sensitive: Server, keys: Keys) -> None:
    """With encoded_slash="allow", %2f is judged as the slash that the application will see."""
    assert "N401" == kind_of(sensitive.ask("/docs%2fprivate"))
    assert "N401" == kind_of(sensitive.ask("/docs%2Fprivate"))
    assert 200 == sensitive.ask("/docs%2fprivate", keys.writer.headers).status
    assert 200 == sensitive.ask("/docs%2fpublic").status
    for path in ("/docs%2f%2fprivate", "/docs/..%2fitems", "/docs%5cprivate", "/docs%2f%00"):
        assert kind_of(sensitive.ask(path, keys.writer.headers)) in {"P400", "400"}


def test_pipelined_requests_are_judged_one_by_one(server: Server, keys: Keys) -> None:
    """Of requests sent at once over one connection each gets its own verdict, in order."""
    requests = [
        request("/items", keys.reader.headers),
        request("/items"),
        request("/items", {"X-API-Key": "junk"}),
        request("/open"),
        request("/items", keys.reader.headers, method="POST", body=b"{}"),
        request("/items/1", keys.writer.headers),
        request("/docs/private"),
    ]
    with server.wire() as wire:
        wire.send(b"".join(requests * 10))
        kinds = [kind_of(wire.answer()) for _ in requests * 10]

    assert ["200", "N401", "B401", "200", "F403", "200", "N401"] * 10 == kinds


SMUGGLED = b"GET /items/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
BODIES = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    "with a length": b"Content-Length: %d\r\n\r\n%s" % (len(SMUGGLED), SMUGGLED),
}


@pytest.mark.parametrize("framing", BODIES)
def test_a_body_that_nobody_read_is_no_request(server: Server, keys: Keys, framing: str) -> None:
    """After a refusal the unread body is skipped or the connection closed; it is never taken for a request."""
    head = f"POST /items HTTP/1.1\r\nHost: x\r\nX-API-Key: {keys.reader.text}\r\n".encode()
    with server.unmoved("handled"), server.wire() as wire:
        wire.send(head + BODIES[framing])
        assert "F403" == kind_of(wire.answer())
        wire.send(request("/docs/private"))
        try:
            assert "N401" == kind_of(wire.answer())
        except CutOffError:
            return
        wire.send(request("/items", method="DELETE"))
        assert "N401" == kind_of(wire.answer())


@pytest.mark.parametrize("framing", BODIES)
def test_a_body_that_comes_late_is_no_request(server: Server, framing: str) -> None:
    """A body that arrives after its request was refused is not taken for the next request, either."""
    head, blank, body = BODIES[framing].partition(b"\r\n\r\n")
    with server.unmoved("handled"), server.wire() as wire:
        wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\n" + head + blank)
        assert "N401" == kind_of(wire.answer())
        try:
            wire.send(body + request("/items/1"))
            assert "N401" == kind_of(wire.answer())
            assert b"" == wire.rest_now()
        except (CutOffError, ConnectionError):
            return


def test_expecting_clients_are_refused_without_their_body(server: Server) -> None:
    """A request that waits for 100 Continue is refused at once."""
    with server.unmoved("handled"), server.wire() as wire:
        wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert "N401" == kind_of(wire.answer())


def test_http_1_0_is_judged_alike(server: Server, keys: Keys) -> None:
    """An HTTP/1.0 request needs a key as well."""
    answer = server.raw(b"GET /items HTTP/1.0\r\n\r\n")

    assert 401 == answer.status
    line = f"X-API-Key: {keys.reader.text}".encode()
    assert 200 == server.raw(b"GET /items HTTP/1.0\r\n" + line + b"\r\n\r\n").status
