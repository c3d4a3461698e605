"""Checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7).

Only signatures by public keys count: an HMAC under a public key, or no signature at all, could be anybody's.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from keyfob.errors import SignInFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from joserfc.jwk import Key

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
CLOCK_SKEW: Final = timedelta(seconds=60)  # by which the provider's clock may differ from ours
OLDEST: Final = timedelta(minutes=10)  # since a token was issued; it comes straight from the provider
LONGEST: Final = 64 * 1024  # characters
_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})
_MOST_KEYS: Final = 50
_LATEST: Final = 2**53  # seconds; what a JSON number says exactly


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)


def check_id_token(token: object, keys: object, expected: Expected, now: datetime) -> dict[str, Any]:
    """Return the claims of *token*, signed by one of *keys*: the provider's JSON Web Key Set.

    Raises:
        SignInFailed: the token was not made for this sign-in by this provider.
    """
    if not isinstance(token, str) or len(token) > LONGEST:
        raise SignInFailed("id_token_missing", "the provider sent no ID token")
    claims = _verified(token, keys)
    _check_party(claims, expected)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(errors="replace"), expected.nonce.encode()):
        raise SignInFailed("nonce", "the ID token belongs to another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > 255 or not subject.isprintable():  # noqa: PLR2004 - section 2
        raise SignInFailed("subject", "the ID token names nobody")
    return claims


def _verified(token: str, keys: object) -> dict[str, Any]:
    registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise SignInFailed("id_token_malformed", "the ID token cannot be read") from error
    if header.get("alg") not in ALGORITHMS:
        named = repr(header.get("alg"))[:20]
        raise SignInFailed("algorithm", f"the ID token is signed by {named}, which is not allowed")
    for key in _candidates(keys, header.get("kid")):
        try:
            payload = jws.deserialize_compact(token, key, registry=registry).payload
        except (JoseError, ValueError):
            continue
        return _claims(payload)
    raise SignInFailed("signature", "the ID token is not signed by a key of the provider")


def _candidates(keys: object, kid: object) -> Iterator[Key]:
    """The public keys that may have signed a token with *kid* in its header; without one, all of them."""
    found = keys.get("keys") if isinstance(keys, dict) else None
    for one in found[:_MOST_KEYS] if isinstance(found, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in _KEY_TYPES or one.get("use", "sig") != "sig":
            continue
        if kid is not None and one.get("kid") != kid:
            continue
        try:
            yield JWKRegistry.import_key(one)
        except (JoseError, ValueError, TypeError, KeyError):
            continue


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise SignInFailed("id_token_malformed", "the ID token cannot be read") from error
    if not isinstance(claims, dict):
        raise SignInFailed("id_token_malformed", "the ID token cannot be read")
    return claims


def _check_party(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise SignInFailed("issuer", "the ID token comes from another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise SignInFailed("audience", "the ID token is for another client")
    party = claims.get("azp")
    if party not in {None, expected.client_id} if isinstance(party, str | None) else True:
        raise SignInFailed("authorized_party", "the ID token was issued to another client")
    if len(audiences) > 1 and party is None:
        raise SignInFailed("authorized_party", "the ID token is for several clients, and does not say for which")


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    moment, skew = now.timestamp(), CLOCK_SKEW.total_seconds()
    expires, issued, begins = (_time(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise SignInFailed("id_token_malformed", "the ID token has no times")
    if expires + skew <= moment:
        raise SignInFailed("expired", "the ID token has expired; compare the clocks of both machines")
    if issued - skew > moment or (begins is not None and begins - skew > moment):
        raise SignInFailed("not_yet", "the ID token is from the future; compare the clocks of both machines")
    if issued + OLDEST.total_seconds() + skew < moment:
        raise SignInFailed("expired", "the ID token was issued long ago")


def _time(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LATEST:
        return float(value)
    return None
