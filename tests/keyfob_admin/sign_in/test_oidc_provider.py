"""Signing in at a real provider: npm's oidc-provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import OidcSettings
from keyfob.errors import ProviderUnavailable, SignInFailed
from keyfob_admin.sign_in.attempt import Attempt
from keyfob_admin.sign_in.oidc import Provider
from tests.keyfob_admin.sign_in.provider.running import CLIENT, SECRET, RealProvider, real_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)  # seconds; the first run installs
BACK = "https://keys.example.com/sign-in/oidc/callback"


@pytest.fixture(scope="module")
def real() -> Iterator[RealProvider]:
    with real_provider([BACK]) as provider:
        yield provider


def provider_of(real: RealProvider, secret: str = SECRET) -> Provider:
    return Provider(OidcSettings(issuer=real.issuer, client_id=CLIENT), secret, now=lambda: datetime.now(UTC))


async def test_somebody_signs_in(real: RealProvider) -> None:
    """Discovery, PKCE, code, ID token and userinfo fit together, and say who it is and in which groups."""
    provider, attempt = provider_of(real), Attempt.new()
    answer = real.sign_in(await provider.address(attempt, BACK), "cleo", BACK)
    claims = await provider.finish(attempt, BACK, answer)

    assert (f"{real.issuer} cleo", "cleo@example.com", "Cleo", frozenset({"acme-dev"})) == (
        claims.known_as,
        claims.email,
        claims.name,
        claims.groups,
    )


async def test_an_unverified_address_is_none_and_missing_groups_are_unknown(real: RealProvider) -> None:
    """What the provider has not verified, or does not say, is not taken for anything."""
    provider, attempt = provider_of(real), Attempt.new()
    answer = real.sign_in(await provider.address(attempt, BACK), "dora", BACK)
    claims = await provider.finish(attempt, BACK, answer)

    assert (None, None, "Dora") == (claims.email, claims.groups, claims.name)


async def test_a_code_counts_once(real: RealProvider) -> None:
    """Whoever replays the whole answer, cookie included, is refused by the provider."""
    provider, attempt = provider_of(real), Attempt.new()
    answer = real.sign_in(await provider.address(attempt, BACK), "cleo", BACK)
    await provider.finish(attempt, BACK, answer)

    with pytest.raises(SignInFailed) as caught:
        await provider.finish(attempt, BACK, answer)

    assert "code" == caught.value.reason


async def test_another_browsers_answer_is_refused(real: RealProvider) -> None:
    """An attacker's code is of no use in the victim's browser, even if the state were known."""
    provider, mine, theirs = provider_of(real), Attempt.new(), Attempt.new()
    answer = real.sign_in(await provider.address(theirs, BACK), "cleo", BACK)
    with pytest.raises(SignInFailed) as by_state:
        await provider.finish(mine, BACK, answer)
    with pytest.raises(SignInFailed) as by_verifier:
        await provider.finish(mine, BACK, {**answer, "state": mine.state})

    assert ("state", "code") == (by_state.value.reason, by_verifier.value.reason)


async def test_a_wrong_client_secret_is_an_outage_that_names_the_cause(real: RealProvider) -> None:
    """A mistake of configuration is not blamed on whoever signs in, and the message does not hold the secret."""
    provider, attempt = provider_of(real, "wrong-s3cret"), Attempt.new()
    answer = real.sign_in(await provider.address(attempt, BACK), "cleo", BACK)

    with pytest.raises(ProviderUnavailable, match="check the client") as caught:
        await provider.finish(attempt, BACK, answer)

    assert "wrong-s3cret" not in str(caught.value)
