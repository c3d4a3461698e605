"""The kinds of settings that are addresses in the web, and secrets."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from keyfob.config.kinds import InvalidValue, Kind, is_plain


def web_url() -> Kind:
    """Accept an http or https URL without query or credentials; a trailing slash is dropped."""

    def check(value: object) -> str:
        wanted = 'must be a URL like "https://keys.example.com"'
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
            good = parts is not None and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            raise InvalidValue(wanted) from None
        if (
            parts is None
            or not good
            or "@" in parts.netloc
            or parts.query
            or parts.fragment
            or not is_plain(parts.path)
        ):
            raise InvalidValue(wanted)
        return parts.geturl().rstrip("/")

    return Kind(check)


def issuer() -> Kind:
    """Accept the issuer of an OpenID Connect provider, exactly as it writes it; http only on the same machine."""
    url = web_url()

    def check(value: object) -> str:
        url.check(value)
        parts = urlsplit(str(value))
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise InvalidValue(f"must begin with https://, not {parts.scheme}://")
        return str(value)

    return Kind(check)


def secret(what: str) -> Kind:
    """Accept a text of printable ASCII characters, which no message repeats; *what* describes it to people."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not value or not is_plain(value):
            raise InvalidValue(f"must be {what}, in printable ASCII characters without spaces")
        return value

    return Kind(check)


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address from a URL, is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_loopback_url(url: str) -> bool:
    """Whether *url* leads to this machine itself."""
    return is_loopback(urlsplit(url).hostname or "")
