"""Sign-ins at a provider of the tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.config.people import OidcSettings
from keyfob.errors import SignInFailed
from keyfob_admin.sign_in.attempt import Attempt
from keyfob_admin.sign_in.oidc import Provider
from tests.keyfob_admin.sign_in.hostile import CLIENT, SECRET, HostileProvider

if TYPE_CHECKING:
    from keyfob.people.claims import Claims

BACK = "https://keys.example.com/sign-in/oidc/callback"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
STARTED = Attempt("state", "nonce", "v" * 43)
GOOD_ANSWER = {"state": "state", "code": "code"}
DISCOVERY = "/.well-known/openid-configuration"


def claims_of(server: HostileProvider, **changes: object) -> dict[str, Any]:
    """The claims of a good ID token, with *changes*; None leaves a claim out."""
    good = {
        "iss": server.issuer,
        "aud": CLIENT,
        "sub": "248289761001",
        "nonce": "nonce",
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 300,
        "email": "cleo@example.com",
        "email_verified": True,
        "name": "Cleo",
        "groups": ["acme-dev"],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def provider_at(server: HostileProvider, *, now: datetime = NOON, longest_wait: float = 30) -> Provider:
    settings = OidcSettings(issuer=server.issuer, client_id=CLIENT)
    return Provider(settings, SECRET, now=lambda: now, longest_wait=longest_wait)


async def signed_in(server: HostileProvider, **answer: str) -> Claims:
    return await provider_at(server).finish(STARTED, BACK, {**GOOD_ANSWER, **answer})


async def refused(server: HostileProvider, **answer: str) -> str:
    with pytest.raises(SignInFailed) as caught:
        await signed_in(server, **answer)
    return caught.value.reason
