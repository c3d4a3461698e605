"""The headers of a proxy that signs people in."""

from __future__ import annotations

from typing import Any

import pytest

from keyfob.config.people import HeaderSettings
from keyfob.errors import SignInFailed
from keyfob.people.claims import Claims
from keyfob.people.record import Source
from keyfob_admin.sign_in.header import HeaderSignIn

PROXY = HeaderSignIn(HeaderSettings(trusted_proxies=("10.0.0.5/32",)))
EMAIL = (b"x-forwarded-email", b"Cleo@Example.com")


def scope(*headers: tuple[bytes, bytes], peer: str | None = "10.0.0.5") -> dict[str, Any]:
    return {"type": "http", "client": None if peer is None else (peer, 1234), "headers": list(headers)}


def test_the_proxy_says_who_is_there() -> None:
    """The headers that oauth2-proxy sends are a person, known by the address in any case of letters."""
    headers = (EMAIL, (b"X-Forwarded-User", "Cléo".encode()), (b"x-forwarded-groups", b"acme-dev, , staff"))

    assert PROXY.who(scope(*headers)) == Claims(
        Source.HEADER, "cleo@example.com", "Cleo@Example.com", "Cléo", frozenset({"acme-dev", "staff"})
    )


@pytest.mark.parametrize("peer", ["10.0.0.6", "127.0.0.1", "::1", None, "unix", ""])
def test_from_any_other_peer_the_headers_count_for_nothing(peer: str | None) -> None:
    """Whoever reaches Keyfob past the proxy cannot say who they are, nor break anything by saying it twice."""
    forwarded = (b"x-forwarded-for", b"10.0.0.5")

    assert None is PROXY.who(scope(EMAIL, EMAIL, forwarded, peer=peer))


@pytest.mark.parametrize("name", [b"x-forwarded-email", b"X-Forwarded-User", b"x-forwarded-groups"])
def test_two_lines_of_one_header_are_refused(name: bytes) -> None:
    """A second line may be the client's own, which the proxy has let through."""
    with pytest.raises(SignInFailed) as caught:
        PROXY.who(scope(EMAIL, (name, b"a@example.com"), (name, b"b@example.com")))

    assert "header_twice" == caught.value.reason


def test_without_the_header_nobody_is_there() -> None:
    """A request that the proxy did not sign in is nobody's."""
    assert [None, None] == [PROXY.who(scope()), PROXY.who(scope((b"x-forwarded-email", b" ")))]


@pytest.mark.parametrize("value", [b"cleo", b"a b@example.com", b"\xff@example.com", b"a@" + b"x" * 300])
def test_what_is_no_address_is_refused(value: bytes) -> None:
    """Nonsense in the header is nobody, and not somebody with a strange name."""
    with pytest.raises(SignInFailed):
        PROXY.who(scope((b"x-forwarded-email", value)))


def test_groups_that_are_not_sent_are_not_no_groups() -> None:
    """A missing header says nothing of groups; an empty one says that there are none; one that is off is not read."""
    off = HeaderSignIn(HeaderSettings(trusted_proxies=("10.0.0.5/32",), groups="", name=""))
    groups = (b"x-forwarded-groups", b"staff")
    told = [PROXY.who(scope(EMAIL)), PROXY.who(scope(EMAIL, (groups[0], b""))), off.who(scope(EMAIL, groups))]

    assert [None, frozenset(), None] == [claims.groups for claims in told if claims is not None]
