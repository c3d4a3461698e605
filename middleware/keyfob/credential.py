"""From the headers of a request to the one key that it presents.

A key comes as ``Authorization: Bearer <key>`` (RFC 6750, section 2.1) or as ``X-API-Key: <key>``. A request that
could be read in two ways is refused, never guessed at: what a proxy in front reads must be what is read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = Iterable[tuple[bytes, bytes]]

_AUTHORIZATION = b"authorization"
_API_KEY = b"x-api-key"
_OURS = b"x-keyfob-"
_X = (b"x", b"X")

# One line that holds two credentials, as an intermediary makes it that joins repeated headers.
_JOINED = re.compile(rb",[ \t]*bearer(?:[ \t]|\Z)", re.IGNORECASE)


def read_credential(headers: Headers) -> bytes | Reason:
    """Return the presented text, or `Reason.MISSING`, or `Reason.AMBIGUOUS`. The text can hold any bytes."""
    authorization: bytes | None = None
    api_key: bytes | None = None
    for name, value in headers:
        size = len(name)
        if size == 13:  # noqa: PLR2004 - the length of "authorization": the cheapest test there is, for every header
            if name.lower() == _AUTHORIZATION:
                if authorization is not None:
                    return Reason.AMBIGUOUS
                authorization = value
        elif size == 9 and name.lower() == _API_KEY:  # noqa: PLR2004 - and that of "x-api-key"
            if api_key is not None:
                return Reason.AMBIGUOUS
            api_key = value
    if authorization is not None:
        bearer = _bearer(authorization)
        if bearer is not None:
            return Reason.AMBIGUOUS if api_key is not None else _one(bearer)
        if _JOINED.search(authorization):
            return Reason.AMBIGUOUS
    return Reason.MISSING if api_key is None else _unjoined(api_key)


def stripped(headers: Headers, *, credential: bool) -> list[tuple[bytes, bytes]]:
    """The *headers* as the application may see them: without ``X-Keyfob-*``, which is Keyfob's alone to set.

    With *credential*, the header that carried the key is taken out too. Of an Authorization header only the
    scheme Bearer carries one, so that ``Basic`` beside an X-API-Key stays.
    """
    kept = []
    for pair in headers:
        name = pair[0]
        if credential and len(name) == 13 and name.lower() == _AUTHORIZATION:  # noqa: PLR2004 - as above
            if _bearer(pair[1]) is not None:
                continue
        elif name.startswith(_X) and _is_hidden(name.lower(), credential=credential):
            continue
        kept.append(pair)
    return kept


def _is_hidden(name: bytes, *, credential: bool) -> bool:
    if credential and name == _API_KEY:
        return True
    # Gateways in the manner of CGI take "_" for "-", so that both spellings could reach the same variable.
    return name.replace(b"_", b"-").startswith(_OURS)


def _bearer(authorization: bytes) -> bytes | None:
    """What follows the scheme Bearer, or None if the scheme is another."""
    if authorization[:7] == b"Bearer ":
        return authorization[7:]
    value = authorization.lstrip(b" \t")
    if value[:6].lower() == b"bearer" and value[6:7] in b" \t":  # nothing at all is in it, too
        return value[6:]
    return None


def _one(text: bytes) -> bytes | Reason:
    """The one key in a Bearer value, which can hold neither space nor comma (RFC 6750, section 2.1)."""
    if b"\t" in text or b" " in text.strip(b" "):
        return Reason.AMBIGUOUS
    return _unjoined(text)


def _unjoined(text: bytes) -> bytes | Reason:
    """The one key in a header's value: not nothing, nor several that a proxy joined."""
    text = text.strip(b" \t")
    return Reason.AMBIGUOUS if not text or b"," in text else text
