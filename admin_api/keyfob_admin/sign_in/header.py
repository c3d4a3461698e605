"""Signing people in by the headers of a proxy, such as oauth2-proxy, Authelia or Cloudflare Access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid, SignInFailed
from keyfob.gate.client_address import ClientAddress
from keyfob.management.validation import clean_email
from keyfob.people.claims import Claims
from keyfob.people.record import Source, folded_email

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.config.people import HeaderSettings

_LONGEST: Final = 8192  # bytes of one header


class HeaderSignIn:
    """Reads who a trusted proxy says is there. It does so for every request: without the header nobody is signed in."""

    def __init__(self, settings: HeaderSettings) -> None:
        """Raise ConfigError for a proxy that cannot be one."""
        self._settings = settings
        self._proxies = ClientAddress(settings.trusted_proxies)

    def who(self, scope: Mapping[str, Any]) -> Claims | None:
        """Return whom the proxy has signed in; None from any other peer, and where the proxy names nobody.

        Raises:
            SignInFailed: a header comes twice, so that the second could be the client's own, or cannot be read.
        """
        if not self._proxies.trusts_peer_of(scope):
            return None
        email, name, groups = (
            _value(scope, header) for header in (self._settings.email, self._settings.name, self._settings.groups)
        )
        if not email:
            return None
        try:
            address = clean_email(email)
        except Invalid:
            raise SignInFailed("header", f"{self._settings.email} holds no e-mail address") from None
        listed = None if groups is None else frozenset(part.strip() for part in groups.split(",") if part.strip())
        return Claims(Source.HEADER, folded_email(address), address, name or address, listed)


def _value(scope: Mapping[str, Any], header: str) -> str | None:
    if not header:
        return None
    wanted = header.encode("ascii")
    lines = [value for name, value in scope["headers"] if name.lower() == wanted]
    if len(lines) > 1:
        raise SignInFailed("header_twice", f"the request has {header} twice; the proxy must remove the client's own")
    if not lines:
        return None
    try:
        text = lines[0].decode("utf-8").strip()
    except UnicodeDecodeError:
        raise SignInFailed("header", f"{header} is not UTF-8") from None
    if len(lines[0]) > _LONGEST:
        raise SignInFailed("header", f"{header} is too long")
    return str(text)
