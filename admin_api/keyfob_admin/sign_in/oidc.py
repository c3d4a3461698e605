"""Signing in at an OpenID Connect provider: authorization code flow with PKCE, state and nonce.

Only the provider's addresses are kept, for five minutes. Its keys are read anew for each sign-in, so one that it has
replaced or withdrawn needs no further thought.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode

from keyfob.config.web_kinds import is_loopback_url
from keyfob.errors import ProviderUnavailable, SignInFailed
from keyfob.people.claims import Claims
from keyfob.people.record import Source
from keyfob_admin.sign_in.discovery import Metadata, discover
from keyfob_admin.sign_in.fetching import LONGEST_WAIT, Fetcher
from keyfob_admin.sign_in.id_token import Expected, check_id_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from keyfob.config.people import OidcSettings
    from keyfob_admin.sign_in.attempt import Attempt

ADDRESSES_LAST: Final = timedelta(minutes=5)
MOST_AT_ONCE: Final = 32  # sign-ins that wait for the provider; it may be slow, and each holds a connection
_LONGEST_CODE: Final = 4096
_LONGEST_NAME: Final = 200
_PASSING_ERRORS: Final = frozenset({"server_error", "temporarily_unavailable"})


class Provider:
    """An OpenID Connect provider at which people sign in."""

    def __init__(
        self,
        settings: OidcSettings,
        secret: str,
        *,
        now: Callable[[], datetime],
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        """*longest_wait* is in seconds, for each of the provider's answers."""
        self._settings = settings
        self._secret = secret
        self._now = now
        self._fetcher = Fetcher(on_this_machine=is_loopback_url(settings.issuer), longest_wait=longest_wait)
        self._metadata: tuple[Metadata, datetime] | None = None
        self._waiting = 0

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes to sign in. Raises ProviderUnavailable."""
        metadata = await self._discovered()
        wanted = ["openid", "email", "profile"]
        if self._settings.groups_claim in metadata.scopes:  # some providers send groups only to who asks
            wanted.append(self._settings.groups_claim)
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.client_id,
                "redirect_uri": redirect_uri,
                "scope": " ".join(wanted),
                "state": attempt.state,
                "nonce": attempt.nonce,
                "code_challenge": attempt.challenge,
                "code_challenge_method": "S256",
            }
        )
        address = metadata.authorization_endpoint
        return f"{address}{'&' if '?' in address else '?'}{query}"

    async def finish(self, attempt: Attempt, redirect_uri: str, answer: Mapping[str, str]) -> Claims:
        """Return who signed in. *answer* are the parameters with which the provider sent the browser back.

        Raises:
            SignInFailed: the answer does not belong to *attempt*, or proves nobody.
            ProviderUnavailable: the provider cannot be asked.
        """
        if self._waiting >= MOST_AT_ONCE:
            raise ProviderUnavailable("too many sign-ins wait for the provider")
        self._waiting += 1
        try:
            return await self._finish(attempt, redirect_uri, answer)
        except ProviderUnavailable:
            self._metadata = None
            raise
        finally:
            self._waiting -= 1

    async def _finish(self, attempt: Attempt, redirect_uri: str, answer: Mapping[str, str]) -> Claims:
        if not attempt.fits(answer.get("state")):
            raise SignInFailed("state", "the answer belongs to another sign-in")
        metadata = await self._discovered()
        issuer = answer.get("iss")
        if issuer != metadata.issuer and (issuer is not None or metadata.sends_issuer):
            raise SignInFailed("issuer", "the answer comes from another issuer")
        tokens = await self._exchange(metadata, _code(answer), attempt.verifier, redirect_uri)
        keys = await self._fetcher.get(metadata.jwks_uri)
        expected = Expected(metadata.issuer, self._settings.client_id, attempt.nonce)
        claims = check_id_token(tokens.get("id_token"), keys, expected, self._now())
        return self._told(claims, await self._user_info(metadata, tokens, claims))

    async def _discovered(self) -> Metadata:
        now = self._now()
        if self._metadata is not None and abs(now - self._metadata[1]) < ADDRESSES_LAST:
            return self._metadata[0]
        metadata = await discover(self._settings.issuer, self._fetcher)
        self._metadata = metadata, now
        return metadata

    async def _exchange(self, metadata: Metadata, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        client = self._settings.client_id
        if metadata.secret_in_form:
            form |= {"client_id": client, "client_secret": self._secret}
        auth = None if metadata.secret_in_form else (quote_plus(client), quote_plus(self._secret))
        status, answer = await self._fetcher.post(metadata.token_endpoint, form, auth)
        error = answer.get("error")
        if error == "invalid_grant":
            raise SignInFailed("code", "the provider does not take the code (any more)")
        if error is not None or status >= 400:  # noqa: PLR2004 - HTTP's own
            named = repr(error)[:60]
            raise ProviderUnavailable(f"the provider refuses to exchange a code ({status}, {named}); check the client")
        return answer

    async def _user_info(self, metadata: Metadata, tokens: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """What the provider tells beside the ID token, if that lacks something (section 5.3)."""
        token = tokens.get("access_token")
        is_complete = {"email", "email_verified", self._settings.groups_claim} <= claims.keys()
        if is_complete or metadata.userinfo_endpoint is None or not isinstance(token, str) or not token.isascii():
            return {}
        answer = await self._fetcher.get(metadata.userinfo_endpoint, bearer=token)
        if answer.get("sub") != claims["sub"]:
            raise SignInFailed("subject", "the provider's answers are about two different people")
        return answer

    def _told(self, claims: dict[str, Any], more: dict[str, Any]) -> Claims:
        address = more if "email" in more else claims
        email = address.get("email")
        verified = address.get("email_verified")
        is_verified = _is_text(email) and (verified is True or verified == "true")  # some write it as a text
        everything = {**claims, **more}
        names = (everything.get(name) for name in ("name", "preferred_username", "email"))
        called = next((str(name) for name in names if _is_text(name)), str(claims["sub"]))
        return Claims(
            source=Source.OIDC,
            known_as=f"{self._settings.issuer} {claims['sub']}",
            email=str(email) if is_verified else None,
            name=called[:_LONGEST_NAME],
            groups=_groups(everything.get(self._settings.groups_claim)),
        )


def _code(answer: Mapping[str, str]) -> str:
    error, code = answer.get("error"), answer.get("code")
    if error in _PASSING_ERRORS:
        raise ProviderUnavailable(f"the provider cannot sign anybody in now ({error})")
    if error is not None:
        raise SignInFailed("refused_by_provider", f"the provider refused: {error[:60]!r}")
    if not code or len(code) > _LONGEST_CODE:
        raise SignInFailed("code", "the answer has no code")
    return code


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _groups(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, list) and all(isinstance(group, str) for group in value):
        return frozenset(value)
    raise SignInFailed("groups", "the provider's groups are not a list of names")
