"""Headers of ours on a response of the application's."""

from __future__ import annotations

from keyfob.connections.announcement import announced


def test_headers_that_can_be_read_once_are_not_lost() -> None:
    """An application may send an iterator of headers, as ASGI and every server allow."""
    own = {b"content-type": b"text/plain", b"set-cookie": b"a=b", b"RateLimit": b"own"}
    start = {"type": "http.response.start", "status": 200, "headers": iter(own.items())}

    sent = announced(start, ((b"ratelimit", b"ours"), (b"sunset", b"soon")))

    assert [*own.items(), (b"sunset", b"soon")] == sent["headers"]
