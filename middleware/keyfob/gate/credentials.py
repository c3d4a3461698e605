"""From the headers of a request to the one key that it presents.

A key comes as ``Authorization: Bearer <key>`` (RFC 6750, section 2.1) or as ``X-API-Key: <key>``. A request that
could be read in two ways is refused, never guessed at: what a proxy in front reads must be what is read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.gate.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]

AUTHORIZATION = b"authorization"
BEARER = b"Bearer "  # as nearly everybody writes it; the scheme may be in any case (RFC 9110, section 11.1)
_API_KEY = b"x-api-key"
_OURS = b"x-keyfob-"
_X = (b"x", b"X")
_MOST = 256  # headers that are not ordinary; more are refused where a key is looked for

# What nearly every request carries, and what cannot be a credential: one look at this set spares a header the rest.
_PLAIN = frozenset(
    b"""accept accept-charset accept-encoding accept-language cache-control connection content-length content-type
    cookie date dnt host if-match if-modified-since if-none-match keep-alive origin pragma priority range referer
    sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user te
    traceparent tracestate transfer-encoding upgrade upgrade-insecure-requests user-agent via
    x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip x-request-id""".split(),
)

# One line that holds two credentials, as an intermediary makes it that joins repeated headers.
_JOINED = re.compile(rb",[ \t]*bearer(?:[ \t]|\Z)", re.IGNORECASE)


def split_headers(headers: Iterable[Header]) -> tuple[list[Header], list[Header]]:
    """The ordinary *headers*, and those worth a second look: credentials, forgeries, and whatever is rare."""
    plain: list[Header] = []
    sensitive: list[Header] = []
    for header in headers:
        if header[0] in _PLAIN:
            plain.append(header)
        else:
            sensitive.append(header)
    return plain, sensitive


class CredentialReader:
    """Finds the one credential of a request."""

    def __init__(self, prefix: str = "kf") -> None:
        """*prefix* is what our keys begin with: a Bearer text that begins otherwise may be the application's own."""
        self._prefix = f"{prefix}_".encode("ascii")
        body = rb"[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}"
        self._whole_key = re.compile(re.escape(self._prefix) + body)

    def read(self, headers: Sequence[Header]) -> tuple[bytes | Reason, Header | None]:
        """Return the presented text and the header that carried it. The ordinary headers may be left out.

        Where there is not exactly one, the text is `Reason.MISSING` or `Reason.AMBIGUOUS`. It can hold any bytes, and
        has to go through `one_key` unless it is known already.
        """
        if len(headers) > _MOST:
            return Reason.AMBIGUOUS, None
        authorization: Header | None = None
        api_key: Header | None = None
        for header in headers:
            name = header[0].lower()
            if name == AUTHORIZATION:
                if authorization is not None:
                    return Reason.AMBIGUOUS, None
                authorization = header
            elif name == _API_KEY:
                if api_key is not None:
                    return Reason.AMBIGUOUS, None
                api_key = header
        return self._choose(authorization, api_key)

    def _choose(self, authorization: Header | None, api_key: Header | None) -> tuple[bytes | Reason, Header | None]:
        if authorization is not None:
            bearer = _bearer(authorization[1])
            if bearer is not None and api_key is None:
                return bearer, authorization
            if bearer is None and _JOINED.search(authorization[1]):
                return Reason.AMBIGUOUS, None
            if api_key is not None and self._is_ours(authorization, bearer):
                return Reason.AMBIGUOUS, None
        return (Reason.MISSING, None) if api_key is None else (api_key[1], api_key)

    def _is_ours(self, authorization: Header, bearer: bytes | None) -> bool:
        """Whether an Authorization beside an X-API-Key may be meant for us; otherwise it is the application's own."""
        if self._whole_key.search(authorization[1]):
            return True
        if bearer is None:
            return False
        text = one_key(bearer, authorization)
        return isinstance(text, Reason) or text.startswith(self._prefix)


def one_key(text: bytes, carrier: Header) -> bytes | Reason:
    """The one key in what *carrier* presents.

    A Bearer value holds neither space nor comma (RFC 6750, section 2.1); whitespace behind it is no part of a field's
    value (RFC 9110, section 5.5). In X-API-Key a comma is how a proxy joins repeated headers; a space makes it only a
    bad key.
    """
    is_bearer = len(carrier[0]) != len(_API_KEY)
    text = text.rstrip(b" \t").lstrip(b" " if is_bearer else b" \t")
    if not text or b"," in text or (is_bearer and (b" " in text or b"\t" in text)):
        return Reason.AMBIGUOUS
    return text


def stripped(headers: Iterable[Header], sensitive: Iterable[Header], carrier: Header | None) -> list[Header]:
    """The *headers* as the application may see them; *sensitive* are those among them that are not ordinary.

    ``X-Keyfob-*`` is taken out, because only Keyfob may set it, and so is *carrier*, the header that carried the key.
    An ``Authorization`` beside an X-API-Key stays. One pass: a client chooses how many headers there are.
    """
    if carrier is None and not any(_is_ours(header[0]) for header in sensitive):
        return list(headers)
    return [header for header in headers if header[0] in _PLAIN or not (header == carrier or _is_ours(header[0]))]


def without_ours(headers: Iterable[Header]) -> list[Header]:
    """The *headers*, less ``X-Keyfob-*``."""
    headers = list(headers)
    _, sensitive = split_headers(headers)
    return stripped(headers, sensitive, None)


def _is_ours(name: bytes) -> bool:
    # Gateways in the manner of CGI take "_" for "-", so that both spellings could reach the same variable.
    return name.startswith(_X) and name.lower().replace(b"_", b"-").startswith(_OURS)


def _bearer(authorization: bytes) -> bytes | None:
    """What follows the scheme Bearer, or None if the scheme is another."""
    if authorization[:7] == BEARER:
        return authorization[7:]
    value = authorization.lstrip(b" \t")
    if value[:6].lower() == b"bearer" and value[6:7] in b" \t":  # nothing at all is in it, too
        return value[6:]
    return None
