from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import wait_for
from tests.end_to_end.forging import forged
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server


def test_ip_01_without_trusted_proxies_headers_say_nothing(server: Server, place: Origin) -> None:
    """The address is the peer's, whatever the headers say."""
    elsewhere = place.issue("items:read", ip_allow=("203.0.113.7",))
    here = place.issue("items:read", ip_allow=("127.0.0.1",))
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"):
        value = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
        with server.unmoved("handled"):
            assert "F403" == kind_of(server.ask("/items", {**elsewhere.headers, name: value}))
        assert 200 == server.ask("/items", {**here.headers, name: value}).status


# X-Forwarded-For behind a trusted 127.0.0.1 → the address that counts
CHAINS = [
    ("203.0.113.7", "203.0.113.7"),
    ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
    ("203.0.113.7, 127.0.0.1", "203.0.113.7"),
    ("198.51.100.1,203.0.113.7 , 127.0.0.1", "203.0.113.7"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("203.0.113.7:4711", "203.0.113.7"),
    ("203.0.113.7, 198.51.100.1", "198.51.100.1"),
    ("2001:DB8::7", "2001:db8::7"),
    ("[2001:db8::7]:443", "2001:db8::7"),
    ("203.0.113.7, <script>", None),
    ("203.0.113.7, unknown", None),
    ("203.0.113.7,", None),
    ("", None),
    ("127.0.0.1", "127.0.0.1"),
]


@pytest.mark.parametrize(("chain", "address"), CHAINS)
def test_ip_02_the_rightmost_hop_that_is_not_trusted_counts(
    sensitive: Server, place: Origin, chain: str, address: str | None
) -> None:
    """Behind a trusted proxy the client is the last hop that it did not trust; garbage there is nobody."""
    issued = place.issue("items:read", ip_allow=(address or "0.0.0.0/0",))
    answer = sensitive.ask("/items", {**issued.headers, "X-Forwarded-For": chain})

    assert ("200" if address else "F403") == kind_of(answer, issued.text)
    wait_for(lambda: place.view(issued).last_used)
    last_used = place.view(issued).last_used
    assert last_used is not None
    assert address == last_used.ip


def test_ip_02_lines_of_the_header_are_one_chain(sensitive: Server, place: Origin) -> None:
    """Repeated lines are read in order, so that a client's own first line hides nothing."""
    issued = place.issue("items:read", ip_allow=("203.0.113.7",))
    spoofed, real = ("X-Forwarded-For", "203.0.113.7"), ("x-forwarded-for", "198.51.100.1")

    assert "F403" == kind_of(sensitive.ask("/items", [*issued.headers.items(), spoofed, real]))
    assert 200 == sensitive.ask("/items", [*issued.headers.items(), real, spoofed]).status


def test_ip_05_connection_options_take_no_header_away(sensitive: Server, server: Server, place: Origin) -> None:
    """Naming the credential or the chain in Connection changes no verdict: hop-by-hop is the proxies' affair."""
    issued = place.issue("items:read", ip_allow=("203.0.113.7",))
    options = {"Connection": "close, X-API-Key, Authorization, X-Forwarded-For"}
    for carrier in ({"X-API-Key": issued.text}, issued.headers):
        allowed = {**carrier, "X-Forwarded-For": "203.0.113.7"}
        assert [200, 200] == [sensitive.ask("/items", headers).status for headers in (allowed, {**allowed, **options})]
        other = {**carrier, "X-Forwarded-For": "198.51.100.1"}
        assert ["F403"] * 2 == [kind_of(sensitive.ask("/items", headers)) for headers in (other, {**other, **options})]
        assert "F403" == kind_of(server.ask("/items", {**allowed, **options}))


def test_ip_07_only_an_accepted_key_was_used(sensitive: Server, place: Origin) -> None:
    """A 401 leaves last use alone; a 403 is a use, and counted as denied."""
    used, wrong, disabled = place.issue("items:read"), place.issue("items:read"), place.issue("items:read")
    place.disable(disabled)

    assert "B401" == kind_of(sensitive.ask("/items", {"X-API-Key": forged(key_id=wrong.record.id)}))
    assert "B401" == kind_of(sensitive.ask("/items", disabled.headers))
    assert "F403" == kind_of(sensitive.ask("/items", used.headers, method="POST"))
    wait_for(lambda: place.uses(used) == (0, 1) and place.uses(disabled) == (0, 1))

    last_used = place.view(used).last_used
    assert last_used is not None
    assert "127.0.0.1" == last_used.ip
    assert [None, None] == [place.view(issued).last_used for issued in (wrong, disabled)]
    assert (0, 0) == place.uses(wrong)


def test_ip_08_a_thousand_uses_are_two_writes(alone: Callable[..., Server], place: Origin, http: str) -> None:
    """However often a key is used, it is written once an interval, and nothing is lost on the way."""
    server, issued = alone(place, http=http, usage_interval=5), place.issue("items:read")
    with server.wire() as wire:
        for _ in range(10):
            wire.send(request("/items", issued.headers) * 100)
            assert [200] * 100 == [wire.answer().status for _ in range(100)]
    assert server.stats()["usage_writes"] <= 1
    server.stop()

    assert (1000, 0) == place.uses(issued)
    assert place.view(issued).last_used is not None
