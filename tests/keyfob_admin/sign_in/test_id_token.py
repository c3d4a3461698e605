"""ID tokens that prove nothing."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt

from keyfob.errors import SignInFailed
from tests.keyfob_admin.sign_in.hostile import CLIENT, KEY, OTHER_KEY, Answer, HostileProvider
from tests.keyfob_admin.sign_in.sign_ins import (
    BACK,
    GOOD_ANSWER,
    NOON,
    STARTED,
    claims_of,
    provider_at,
    refused,
    signed_in,
)

WRONG_CLAIMS = [
    ({"iss": "https://evil.example"}, "issuer"),
    ({"iss": None}, "issuer"),
    ({"aud": "another"}, "audience"),
    ({"aud": ["another"]}, "audience"),
    ({"aud": None}, "audience"),
    ({"aud": [CLIENT, "another"]}, "authorized_party"),
    ({"aud": [CLIENT, "another"], "azp": "another"}, "authorized_party"),
    ({"azp": "another"}, "authorized_party"),
    ({"azp": ["keyfob"]}, "authorized_party"),
    ({"nonce": "other"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"nonce": 5}, "nonce"),
    ({"exp": int(NOON.timestamp()) - 60}, "expired"),
    ({"exp": None}, "id_token_malformed"),
    ({"exp": "tomorrow"}, "id_token_malformed"),
    ({"exp": True}, "id_token_malformed"),
    ({"iat": None}, "id_token_malformed"),
    ({"iat": int(NOON.timestamp()) + 61}, "not_yet"),
    ({"iat": int(NOON.timestamp()) - 661}, "expired"),
    ({"nbf": int(NOON.timestamp()) + 61}, "not_yet"),
    ({"sub": None}, "subject"),
    ({"sub": ""}, "subject"),
    ({"sub": "a\nb"}, "subject"),
    ({"sub": 7}, "subject"),
    ({"sub": "x" * 256}, "subject"),
    ({"groups": {"acme-dev": True}}, "groups"),
    ({"groups": [1]}, "groups"),
]


@pytest.mark.parametrize(("changes", "reason"), WRONG_CLAIMS, ids=[repr(changes)[:60] for changes, _ in WRONG_CLAIMS])
async def test_a_token_that_was_not_made_for_this_sign_in_is_refused(
    server: HostileProvider, changes: dict[str, Any], reason: str
) -> None:
    """Issuer, audience, authorized party, nonce, times and subject are all checked, whoever signed."""
    server.issue(claims_of(server, **changes))

    assert reason == await refused(server)


@pytest.mark.parametrize("changes", [{"exp": -59}, {"iat": 59, "exp": 300}, {"nbf": 59}])
async def test_clocks_may_differ_by_a_minute(server: HostileProvider, changes: dict[str, int]) -> None:
    """A provider whose clock is a little off can sign people in."""
    moments = {name: int(NOON.timestamp()) + offset for name, offset in changes.items()}
    server.issue(claims_of(server, **moments))

    assert "Cleo" == (await signed_in(server)).name


async def test_a_token_without_a_signature_is_refused(server: HostileProvider) -> None:
    """`alg: none` is no signature."""
    server.issue(claims_of(server))
    good = server.paths["/token"].body["id_token"]
    server.paths["/token"].body["id_token"] = "eyJhbGciOiJub25lIn0." + good.split(".")[1] + "."

    assert "algorithm" == await refused(server)


async def test_a_token_under_the_public_key_as_a_password_is_refused(server: HostileProvider) -> None:
    """HS256 under the text of the public key, which everybody has, is no signature."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "one"}, claims_of(server))
    ]
    mac = hmac.digest(KEY.as_pem(private=False), b".".join(parts), "sha256")
    forged = b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
    server.paths["/token"] = Answer({"id_token": forged})

    assert "algorithm" == await refused(server)


async def test_a_token_under_a_key_that_the_provider_does_not_have_is_refused(server: HostileProvider) -> None:
    """The name of the key in a token proves nothing."""
    forged = jwt.encode({"alg": "RS256", "kid": "one"}, claims_of(server), OTHER_KEY)
    server.paths["/token"] = Answer({"id_token": forged})

    assert "signature" == await refused(server)


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", 5, "é.é.é", "e30.e30.", "x" * 70_000])
async def test_what_is_no_token_is_refused(server: HostileProvider, token: object) -> None:
    """Nonsense in place of an ID token signs nobody in, and breaks nothing."""
    server.paths["/token"] = Answer({"id_token": token})

    assert await refused(server) in {"id_token_missing", "id_token_malformed", "algorithm"}


async def test_a_provider_may_replace_its_key_at_any_time(server: HostileProvider) -> None:
    """The new key counts at once, the withdrawn one not any more, in a process that has used it."""
    provider = provider_at(server)
    server.issue(claims_of(server))
    await provider.finish(STARTED, BACK, GOOD_ANSWER)
    server.paths["/jwks"] = Answer({"keys": [OTHER_KEY.as_dict(private=False)]})

    with pytest.raises(SignInFailed) as caught:
        await provider.finish(STARTED, BACK, GOOD_ANSWER)
    server.issue(claims_of(server), OTHER_KEY)

    assert "signature" == caught.value.reason
    assert "Cleo" == (await provider.finish(STARTED, BACK, GOOD_ANSWER)).name
