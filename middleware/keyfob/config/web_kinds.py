"""The kinds of settings that are addresses in the web, and secrets."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from keyfob.config.kinds import InvalidValue, Kind, is_plain
from keyfob.policy.return_urls import ReturnURL


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
            or " " in parts.netloc
            or parts.query
            or parts.fragment
            or not is_plain(parts.path)
        ):
            raise InvalidValue(wanted)
        return parts.geturl().rstrip("/")

    return Kind(check)


def return_urls() -> Kind:
    """Accept a list of addresses below which pages may lead back."""
    url = web_url()

    def check(value: object) -> tuple[str, ...]:
        wanted = 'must be a list of URLs, for example ["https://app.example.com/settings"]'
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidValue(wanted)
        if any(not isinstance(item, str) or ReturnURL.read(item) is None for item in value):
            raise InvalidValue(f"{wanted}, without user names, queries, and empty or dot segments")
        return tuple(str(url.check(item)) for item in value)

    return Kind(check, lambda text: [item.strip() for item in text.split(",") if item.strip()])


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
