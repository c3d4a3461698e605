"""From the headers of a request to the one key that it presents.

A key comes as ``Authorization: Bearer <key>`` (RFC 6750, section 2.1) or as ``X-API-Key: <key>``, unless the settings
``credential_headers`` and ``authorization_schemes`` name others. A request that could be read in two ways is refused,
never guessed at: what a proxy in front reads must be what is read here.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Final

from keyfob.errors import ConfigError
from keyfob.gate.verdict import Header, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

AUTHORIZATION: Final = b"authorization"
BEARER: Final = b"Bearer "  # as nearly everybody writes it; the scheme may be in any case (RFC 9110, section 11.1)
CREDENTIAL_HEADERS: Final = ("authorization", "x-api-key")
AUTHORIZATION_SCHEMES: Final = ("bearer",)
_API_KEY: Final = b"x-api-key"
_BASIC: Final = b"basic"
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
# Names that something else than the application reads, or that browsers, proxies and CORS give a meaning of their own.
_TAKEN = re.compile(
    r"x[-_]keyfob[-_].*|x-forwarded-.*|x-original-.*|sec-.*|access-control-.*|content-.*|if-.*|forwarded|set-cookie"
    r"|destination|expect|trailer|www-authenticate|.*_.*"
)


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

    def __init__(
        self,
        prefix: str = "kf",
        *,
        headers: Sequence[str] = CREDENTIAL_HEADERS,
        schemes: Sequence[str] = AUTHORIZATION_SCHEMES,
        is_foreign_key: Callable[[bytes], bool] | None = None,
    ) -> None:
        """*prefix* is what our keys begin with: a Bearer text that begins otherwise may be the application's own.

        Args:
            prefix: the prefix of keys, without the underscore.
            headers: the names, in lower case, of the headers that may carry a key.
            schemes: the schemes of Authorization, in lower case, that may carry one. With ``basic`` the key is the user
                name with an empty password, or the password (RFC 7617).
            is_foreign_key: whether a text is a key in the form of another product, which counts as ours.

        Raises:
            ConfigError: one of *headers* means something else already.
        """
        for name in headers:
            if name.encode() in _PLAIN or _TAKEN.fullmatch(name):
                raise ConfigError(f'credential_headers: {name} cannot carry a key; name another, such as "x-api-key"')
        self._headers = frozenset(name.encode() for name in headers) | {AUTHORIZATION}  # which always comes once
        self._schemes = frozenset(name.encode() for name in schemes if "authorization" in headers)
        self.takes_bearer: Final = BEARER.strip().lower() in self._schemes
        """Whether ``Authorization: Bearer`` may carry a key."""
        self._prefix = f"{prefix}_".encode("ascii")
        self._is_foreign_key = is_foreign_key
        body = rb"[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}"
        self._whole_key = re.compile(re.escape(self._prefix) + body)
        # One line that holds two credentials, as an intermediary makes it that joins repeated headers.
        named = b"|".join(map(re.escape, sorted(self._schemes))) or rb"(?!)"
        self._joined = re.compile(rb",[ \t]*(?:" + named + rb")(?:[ \t]|\Z)", re.IGNORECASE)

    def read(self, headers: Sequence[Header]) -> tuple[bytes | Reason, Header | None]:
        """Return the presented text and the header that carried it. The ordinary headers may be left out.

        Where there is not exactly one, the text is `Reason.MISSING` or `Reason.AMBIGUOUS`. It can hold any bytes, and
        has to go through `one_key` unless it is known already.
        """
        if len(headers) > _MOST:
            return Reason.AMBIGUOUS, None
        authorization: Header | None = None
        bare: Header | None = None
        has_stray = False  # a key of ours where, by the settings, none is looked for
        for header in headers:
            name = header[0].lower()
            if name == AUTHORIZATION:
                if authorization is not None:
                    return Reason.AMBIGUOUS, None
                authorization = header
            elif name in self._headers:
                if bare is not None:
                    return Reason.AMBIGUOUS, None
                bare = header
            elif name == _API_KEY and self._whole_key.search(header[1]):
                has_stray = True
        text, carrier = self._choose(authorization, bare)
        return (text, carrier) if carrier is None or not has_stray else (Reason.AMBIGUOUS, None)

    def is_foreign(self, headers: Sequence[Header]) -> bool:
        """Whether what `read` found in *headers* is no key in our written form, but the application's own, or nothing.

        What cannot be read in one way, or holds a key of ours anywhere, is not.
        """
        text, carrier = self.read(headers)
        if text is Reason.AMBIGUOUS:
            return False
        if isinstance(text, bytes) and carrier is not None:
            if not self._is_basic(carrier):
                text = one_key(text, carrier)
            if isinstance(text, Reason) or self._begins_ours(text):
                return False
        looked_at = self._headers | {_API_KEY}
        return not any(self._holds_ours(value) for name, value in headers if name.lower() in looked_at)

    def _choose(self, authorization: Header | None, bare: Header | None) -> tuple[bytes | Reason, Header | None]:
        if authorization is not None:
            presented = self._presented(authorization[1])
            if presented is Reason.AMBIGUOUS:
                return Reason.AMBIGUOUS, None
            if isinstance(presented, bytes) and bare is None:
                return presented, authorization
            if presented is None and self._joined.search(authorization[1]):
                return Reason.AMBIGUOUS, None
            if bare is not None and self._is_ours(authorization, presented):
                return Reason.AMBIGUOUS, None
        return (Reason.MISSING, None) if bare is None else (bare[1], bare)

    def _is_ours(self, authorization: Header, presented: bytes | Reason | None) -> bool:
        """Whether an Authorization beside another header with a key may be meant for us, not for the application."""
        if self._whole_key.search(authorization[1]):
            return True
        if not isinstance(presented, bytes):
            return False
        if self._is_basic(authorization):
            return self._begins_ours(presented)
        text = one_key(presented, authorization)
        return isinstance(text, Reason) or self._begins_ours(text)

    def _begins_ours(self, text: bytes) -> bool:
        return text.startswith(self._prefix) or (self._is_foreign_key is not None and self._is_foreign_key(text))

    def _holds_ours(self, value: bytes) -> bool:
        """Whether some word of *value*, in whatever scheme, begins as our keys do, or one is anywhere in it."""
        return any(map(self._begins_ours, _WORDS.findall(value))) or self._whole_key.search(value) is not None

    def _presented(self, authorization: bytes) -> bytes | Reason | None:
        """What follows a scheme that may carry a key, or None if the scheme is another."""
        if authorization[:7] == BEARER and self.takes_bearer:
            return authorization[7:]
        scheme, text = _scheme_and_text(authorization)
        if scheme not in self._schemes:
            return None
        return self._in_basic(text.strip(b" \t")) if scheme == _BASIC else text

    def _is_basic(self, carrier: Header) -> bool:
        return (
            _BASIC in self._schemes
            and carrier[0].lower() == AUTHORIZATION
            and _scheme_and_text(carrier[1])[0] == _BASIC
        )

    def _in_basic(self, text: bytes) -> bytes | Reason:
        """The key in the credentials of Basic: what no other program may read differently, if it is one of ours."""
        try:
            decoded = a2b_base64(text + b"==")  # as leniently as the most lenient program
        except Error:
            return text
        user, colon, password = decoded.partition(b":")
        key = password or user
        if not self._holds_ours(decoded):
            return key
        is_exact = b2a_base64(decoded, newline=False) == text and colon and key == key.strip()
        is_one = is_exact and self._begins_ours(key) and not (password and self._holds_ours(user))
        return key if is_one else Reason.AMBIGUOUS


def one_key(text: bytes, carrier: Header) -> bytes | Reason:
    """The one key in what *carrier* presents.

    What follows a scheme holds neither space nor comma (RFC 6750, section 2.1); whitespace behind it is no part of a
    field's value (RFC 9110, section 5.5). In other headers a comma is how a proxy joins repeated ones; a space makes it
    only a bad key.
    """
    has_scheme = carrier[0].lower() == AUTHORIZATION
    text = text.rstrip(b" \t").lstrip(b" " if has_scheme else b" \t")
    if not text or b"," in text or (has_scheme and (b" " in text or b"\t" in text)):
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


_WORDS = re.compile(rb"""[^ \t,;="':]+""")
_SCHEME = re.compile(rb"[ \t]*([^ \t]*)")


def _scheme_and_text(authorization: bytes) -> tuple[bytes, bytes]:
    """The scheme of *authorization*, in lower case, and what follows it."""
    found = _SCHEME.match(authorization)
    scheme = b"" if found is None else found[1]
    return scheme.lower(), authorization[found.end() if found else 0 :]
