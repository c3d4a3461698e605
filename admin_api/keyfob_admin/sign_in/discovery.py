"""What a provider says about itself (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keyfob.errors import ProviderUnavailable

if TYPE_CHECKING:
    from keyfob_admin.sign_in.fetching import Fetcher


@dataclass(frozen=True, slots=True)
class Metadata:
    """The addresses of a provider, and what it can do."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    secret_in_form: bool  # it does not take the client's secret as HTTP Basic
    scopes: frozenset[str]
    sends_issuer: bool  # with the code (RFC 9207)


async def discover(issuer: str, fetcher: Fetcher) -> Metadata:
    """Read the discovery document of *issuer*. Raises ProviderUnavailable."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    answer = await fetcher.get(url)
    if answer.get("issuer") != issuer:
        named = repr(answer.get("issuer"))[:200]
        raise ProviderUnavailable(f"{url} belongs to the issuer {named}; [people.oidc] issuer must be written like it")
    methods = _names(answer, "token_endpoint_auth_methods_supported") or {"client_secret_basic"}
    userinfo = answer.get("userinfo_endpoint")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=fetcher.check(answer.get("authorization_endpoint"), "authorization_endpoint"),
        token_endpoint=fetcher.check(answer.get("token_endpoint"), "token_endpoint"),
        jwks_uri=fetcher.check(answer.get("jwks_uri"), "jwks_uri"),
        userinfo_endpoint=None if userinfo is None else fetcher.check(userinfo, "userinfo_endpoint"),
        secret_in_form="client_secret_basic" not in methods,
        scopes=_names(answer, "scopes_supported"),
        sends_issuer=answer.get("authorization_response_iss_parameter_supported") is True,
    )


def _names(answer: dict[str, Any], field: str) -> frozenset[str]:
    value = answer.get(field)
    return frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()
