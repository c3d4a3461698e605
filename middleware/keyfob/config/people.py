"""Settings of how people sign in: ``[people]``, ``[people.oidc]`` and ``[people.header]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL: Final = "local"
OIDC: Final = "oidc"
HEADER: Final = "header"
WAYS: Final = (LOCAL, OIDC, HEADER)


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """An OpenID Connect provider, and what it knows Keyfob by."""

    issuer: str  # as the provider writes it, with or without a final slash
    client_id: str
    client_secret: str | None = field(default=None, repr=False)  # from the environment; goes before the file
    client_secret_file: Path | None = None
    groups_claim: str = "groups"
    label: str = "Single sign-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderSettings:
    """The headers of a proxy that signs people in; "" for one that it does not send."""

    trusted_proxies: tuple[str, ...]  # from any other peer the headers count for nothing
    email: str = "x-forwarded-email"
    name: str = "x-forwarded-user"
    groups: str = "x-forwarded-groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """How people sign in. A section that *sign_in* does not name is kept and not used."""

    sign_in: tuple[str, ...] = (LOCAL,)  # in the order shown; () turns sign-in by people off
    oidc: OidcSettings | None = None
    header: HeaderSettings | None = None


def people_settings(sections: Mapping[str, Mapping[str, object]]) -> PeopleSettings:
    """Build the settings from the three sections. Raises ConfigError for one that *sign_in* needs and lacks."""
    people: dict[str, Any] = dict(sections.get("people", {}))
    ways = people.get("sign_in", (LOCAL,))
    provider: dict[str, Any] = dict(sections.get("people.oidc", {}))
    proxy: dict[str, Any] = dict(sections.get("people.header", {}))
    if provider or OIDC in ways:
        _need(provider, "[people.oidc]", "issuer", "client_id")
        if not (provider.get("client_secret") or provider.get("client_secret_file")):
            raise ConfigError("[people.oidc] needs client_secret_file, or KEYFOB_PEOPLE_OIDC_CLIENT_SECRET")
    if proxy or HEADER in ways:
        _need(proxy, "[people.header]", "trusted_proxies")
    return PeopleSettings(
        **people,
        oidc=OidcSettings(**provider) if provider else None,
        header=HeaderSettings(**proxy) if proxy else None,
    )


def _need(entries: Mapping[str, object], section: str, *names: str) -> None:
    for name in names:
        if not entries.get(name):
            raise ConfigError(f"{section} needs {name}")
