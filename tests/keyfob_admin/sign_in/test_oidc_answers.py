"""What a provider is asked, and what its answers are taken for."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.config.people import OidcSettings
from keyfob.people.claims import Claims
from keyfob.people.record import Source
from keyfob_admin.sign_in.attempt import Attempt
from keyfob_admin.sign_in.oidc import Provider
from tests.keyfob_admin.sign_in.hostile import CLIENT, SECRET, Answer, HostileProvider
from tests.keyfob_admin.sign_in.sign_ins import (
    BACK,
    NOON,
    STARTED,
    claims_of,
    provider_at,
    refused,
    signed_in,
)


async def test_a_good_answer_says_who_signed_in(server: HostileProvider) -> None:
    """The result names the person by issuer and subject, with the verified address, the name and the groups."""
    server.issue(claims_of(server))

    assert await signed_in(server) == Claims(
        source=Source.OIDC,
        known_as=f"{server.issuer} 248289761001",
        email="cleo@example.com",
        name="Cleo",
        groups=frozenset({"acme-dev"}),
    )


async def test_the_browser_is_sent_with_state_nonce_and_challenge(server: HostileProvider) -> None:
    """The address carries what binds the answer to this attempt, and neither the verifier nor the client's secret."""
    attempt = Attempt.new()
    address = await provider_at(server).address(attempt, BACK)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}

    assert {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "openid email profile groups",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    } == query
    assert attempt.verifier not in address


async def test_the_code_is_exchanged_with_the_verifier_and_the_clients_secret(server: HostileProvider) -> None:
    """The secret travels as HTTP Basic, each half form-encoded first (RFC 6749, section 2.3.1)."""
    server.issue(claims_of(server))
    await signed_in(server)
    headers, body = next((headers, body) for path, headers, body in server.asked if path == "/token")

    assert "Basic a2V5Zm9iOnMzY3JldCUzQSUyRiUyQg==" == headers["authorization"]
    assert {"grant_type": ["authorization_code"], "code": ["code"], "redirect_uri": [BACK]} | {
        "code_verifier": [STARTED.verifier]
    } == parse_qs(body)


async def test_the_secret_travels_in_the_form_where_basic_is_not_taken(server: HostileProvider) -> None:
    """A provider may take the client's secret only as a field."""
    server.described["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    server.issue(claims_of(server))
    await signed_in(server)
    headers, body = next((headers, body) for path, headers, body in server.asked if path == "/token")

    assert "authorization" not in headers
    assert [SECRET] == parse_qs(body)["client_secret"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"state": "other"}, "state"),
        ({"state": ""}, "state"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"error": "access_denied"}, "refused_by_provider"),
        ({"code": ""}, "code"),
        ({"code": "x" * 4097}, "code"),
    ],
)
async def test_an_answer_that_belongs_to_another_attempt_is_refused(
    server: HostileProvider, answer: dict[str, str], reason: str
) -> None:
    """The provider's answer must carry this attempt's state; then nobody exchanges its code."""
    server.issue(claims_of(server))

    assert reason == await refused(server, **answer)
    assert [] == [path for path, *_ in server.asked if path == "/token"]


async def test_the_issuer_must_come_with_the_code_where_the_provider_sends_it(server: HostileProvider) -> None:
    """A provider that promises `iss` (RFC 9207) has not answered without it."""
    server.described["authorization_response_iss_parameter_supported"] = True
    server.issue(claims_of(server))

    assert "issuer" == await refused(server)
    assert "Cleo" == (await signed_in(server, iss=server.issuer)).name


async def test_a_code_that_was_used_is_refused(server: HostileProvider) -> None:
    """What the provider calls an invalid grant is a failed sign-in, and no outage."""
    server.paths["/token"] = Answer({"error": "invalid_grant"}, 400)

    assert "code" == await refused(server)


async def test_an_address_that_is_not_verified_is_none(server: HostileProvider) -> None:
    """Anybody can write somebody else's address into an account; only `email_verified` makes it theirs."""
    for verified in (False, None, "false", 1, [True]):
        server.issue(claims_of(server, email_verified=verified))

        assert None is (await signed_in(server)).email


async def test_groups_that_are_not_told_are_not_no_groups(server: HostileProvider) -> None:
    """A missing claim says nothing; an empty one says that there are none."""
    server.issue(claims_of(server, groups=None))
    missing = (await signed_in(server)).groups
    server.issue(claims_of(server, groups=[]))

    assert (None, frozenset()) == (missing, (await signed_in(server)).groups)


async def test_what_the_token_lacks_is_asked_for(server: HostileProvider) -> None:
    """Many providers tell address and groups only at the userinfo endpoint."""
    server.described["userinfo_endpoint"] = f"{server.issuer}/me"
    server.paths["/me"] = Answer({"sub": "248289761001", "email": "c@x.org", "email_verified": True, "groups": "dev"})
    server.issue(claims_of(server, email=None, email_verified=None, groups=None))
    claims = await signed_in(server)

    assert ("c@x.org", frozenset({"dev"}), "Cleo") == (claims.email, claims.groups, claims.name)


async def test_userinfo_about_somebody_else_is_refused(server: HostileProvider) -> None:
    """The token and the userinfo endpoint must speak of the same person (OpenID Connect Core, section 5.3.2)."""
    server.described["userinfo_endpoint"] = f"{server.issuer}/me"
    server.paths["/me"] = Answer({"sub": "1", "email": "boss@x.org", "email_verified": True})
    server.issue(claims_of(server, email=None))

    assert "subject" == await refused(server)


async def test_se_01_no_repr_holds_a_secret() -> None:
    """Neither the attempt nor the provider show in a log what only the browser or the server may hold."""
    attempt = Attempt.new("invitation-token")
    provider = Provider(OidcSettings(issuer="https://id.example.com", client_id="k"), SECRET, now=lambda: NOON)

    assert not {attempt.state, attempt.nonce, attempt.verifier, "invitation-token", SECRET} & set(
        (repr(attempt) + repr(provider)).replace("'", " ").split()
    )
