"""A provider that is down, broken, slow or at length."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.config.people import OidcSettings
from keyfob.errors import ProviderUnavailable
from keyfob_admin.sign_in.attempt import Attempt
from keyfob_admin.sign_in.oidc import Provider
from tests.keyfob_admin.sign_in.hostile import CLIENT, SECRET, Answer, HostileProvider, hostile_provider
from tests.keyfob_admin.sign_in.sign_ins import (
    BACK,
    DISCOVERY,
    GOOD_ANSWER,
    NOON,
    STARTED,
    claims_of,
    provider_at,
    signed_in,
)

BROKEN = [
    (DISCOVERY, Answer(b"<html>")),
    (DISCOVERY, Answer([])),
    (DISCOVERY, Answer({}, 500)),
    (DISCOVERY, Answer({"issuer": "https://evil.example"})),
    (DISCOVERY, Answer(b'{"issuer": "' + b"x" * 2**20 + b'"}')),
    (DISCOVERY, Answer({}, 302, {"location": "http://127.0.0.1:9/"})),
    ("/token", Answer({"error": "invalid_client"}, 401)),
    ("/token", Answer({}, 503)),
    ("/token", Answer({}, 307, {"location": "http://127.0.0.1:9/"})),
    ("/token", Answer(b"[" * 100_000)),
    ("/jwks", Answer({}, 404)),
    ("/jwks", Answer(b"\x1f\x8b", headers={"content-encoding": "gzip"})),
    ("/jwks", Answer(b"{}", headers={"content-length": "4000"})),
]


@pytest.mark.parametrize(
    ("path", "answer"), BROKEN, ids=[f"{path} {number}" for number, (path, _) in enumerate(BROKEN)]
)
async def test_a_broken_provider_is_an_outage(server: HostileProvider, path: str, answer: Answer) -> None:
    """What is not the protocol, or leads elsewhere, signs nobody in, and no message holds the secret."""
    server.issue(claims_of(server))
    server.paths[path] = answer

    with pytest.raises(ProviderUnavailable) as caught:
        await signed_in(server)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/jwks"])
async def test_a_provider_that_hangs_is_given_up(server: HostileProvider, path: str) -> None:
    """The wait is bounded, and what follows is an outage."""
    server.issue(claims_of(server))
    server.paths[path] = Answer({}, hangs=True)

    with pytest.raises(ProviderUnavailable, match="did not answer in"):
        await provider_at(server, longest_wait=0.5).finish(STARTED, BACK, GOOD_ANSWER)


async def test_a_provider_that_is_down_is_an_outage() -> None:
    """Nobody listens there, and the next attempt asks again."""
    with hostile_provider() as gone:
        provider = provider_at(gone)
    with pytest.raises(ProviderUnavailable, match="cannot be asked: ConnectError"):
        await provider.address(Attempt.new(), BACK)


@pytest.mark.parametrize(
    "address", ["http://id.example.com/token", "ftp://127.0.0.1/", "//x", 5, "http://[x/", "http://u:p@127.0.0.1/"]
)
async def test_addresses_beyond_this_machine_must_be_https(server: HostileProvider, address: object) -> None:
    """A provider cannot send the client's secret in clear over the network."""
    server.described["token_endpoint"] = address
    server.issue(claims_of(server))

    with pytest.raises(ProviderUnavailable, match="token_endpoint"):
        await signed_in(server)


async def test_addresses_are_kept_for_five_minutes(server: HostileProvider) -> None:
    """Whoever only opens the sign-in page again and again does not make Keyfob ask the provider each time."""
    now = [NOON]
    provider = Provider(OidcSettings(issuer=server.issuer, client_id=CLIENT), SECRET, now=lambda: now[0])
    for minutes in (0, 1, 4, 5):
        now[0] = NOON + timedelta(minutes=minutes)
        await provider.address(Attempt.new(), BACK)

    assert [DISCOVERY, DISCOVERY] == [path for path, *_ in server.asked]
