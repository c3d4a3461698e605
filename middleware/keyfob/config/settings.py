"""All settings with their defaults as one value. The environment overrides the file; keywords override both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from keyfob.config.kinds import ARGON2_DEFAULTS
from keyfob.config.notices import NoticeSettings, SmtpSettings
from keyfob.config.people import PeopleSettings, people_settings
from keyfob.config.sources import Sections, read_environment, read_file, read_keywords
from keyfob.store.url import StoreURL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "AdminSettings",
    "ForwardAuthSettings",
    "MetricsSettings",
    "PageSettings",
    "PeopleSettings",
    "Settings",
    "UsageSettings",
    "load_settings",
]

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSettings:
    """Settings of usage in detail."""

    days: int = 90  # for which rules, addresses and reasons of denial are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Settings of ``/metrics``."""

    allow: tuple[str, ...] = ()  # addresses that may read it without a key, besides loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Settings of the admin API and the console."""

    session_hours: float = 8
    url: str | None = None  # for links and the Origin check; without a trailing slash
    insecure_cookies: bool = False  # True lets the console sign in over plain http beyond localhost


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """Settings of the Keys page for users of an application that is not Python."""

    return_urls: tuple[str, ...] = ()  # below which it may lead back; without a trailing slash


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAuthSettings:
    """One policy for a gateway. Settings without a safe default are required."""

    headers: str  # "x-forwarded" or "x-original", never both
    trusted_proxies: tuple[str, ...]  # only these may send method, path and client address
    rules: Mapping[str, object]
    status_map: str = "full"  # or "nginx", for a gateway that cannot pass on 429 and 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of Keyfob's settings. Its repr shows neither the keyring nor the store's URL; see `shown_store`."""

    path: Path | None = None  # the file that was read
    store: str | None = field(default=None, repr=False)
    keyring: Path | None = None
    keyring_data: str | None = field(default=None, repr=False)  # the keyring's contents, instead of its path
    prefix: str = "kf"

    permissions: Mapping[str, str] | Sequence[str] | None = None  # None: the permissions in the rules
    rules: Mapping[str, object] = field(default_factory=dict)
    key_types: Mapping[str, object] = field(default_factory=dict)
    plans: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)
    roles: Mapping[str, object] = field(default_factory=dict)
    memberships: Sequence[object] = ()
    foreign: Mapping[str, str] = field(default_factory=dict)  # patterns of another product's keys, by name

    trusted_proxies: tuple[str, ...] = ()
    client_ip_header: str = "x-forwarded-for"
    forwarded_scheme: bool | None = None  # None: on if there are trusted proxies
    max_staleness: float = 2.0  # seconds; the longest that a revoked key can pass on another host
    max_stale_on_outage: float = 0.0  # seconds added while the store cannot be read
    usage_interval: float = 1.0  # seconds; the most usage that a killed process loses
    cache_size: int = 100_000  # keys; 0 turns the cache off
    argon2_threads: int | None = None  # None: depends on the machine
    argon2: Mapping[str, int] = field(default_factory=lambda: dict(ARGON2_DEFAULTS))
    realm: str = "keyfob"
    forward_credential: bool = False
    allow_preflight: bool = False
    mode: str = "enforce"  # or "observe"
    close_on_revoke: bool = True
    starlette_user: bool | str = "auto"  # for Starlette and FastAPI applications
    background: bool = True  # False: nothing runs between requests, and each call writes its own uses
    persist_digests: bool = True
    encoded_slash: str = "refuse"  # or "allow"
    path_parameters: str = "refuse"  # or "allow", which forward-auth does not follow
    app_prefix: str = ""  # what the application takes off paths by itself; "": what can be seen of it
    announce_replacement: bool = True  # responses to a replaced key carry Deprecation and Sunset
    credential_headers: tuple[str, ...] = ("authorization", "x-api-key")
    authorization_schemes: tuple[str, ...] = ("bearer",)
    # Where requests are counted; [middleware] limits in the file. A URL may hold a password.
    limits_store: str = field(default="local", repr=False)
    limits_file: Path | None = None  # None: beside the SQLite database
    limits_on_outage: str = "local"  # or "open", or "closed"
    limits_mode: str = "enforce"  # or "observe"
    ratelimit_headers: str = "always"  # or "refusals", or "never"
    on_denied: Callable[..., object] | None = field(default=None, repr=False)
    on_refusal: Callable[..., object] | None = field(default=None, repr=False)

    usage: UsageSettings = field(default_factory=UsageSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    notices: tuple[NoticeSettings, ...] = ()
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    page: PageSettings = field(default_factory=PageSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    forward_auth: Mapping[str, ForwardAuthSettings] = field(default_factory=dict)

    @property
    def rule_sets(self) -> tuple[Mapping[str, object], ...]:
        """The application's rules, and those of each policy for a gateway."""
        return self.rules, *(policy.rules for policy in self.forward_auth.values())

    @property
    def shown_store(self) -> str | None:
        """The store's URL without its password, for messages."""
        return None if self.store_url is None else self.store_url.shown

    @property
    def store_url(self) -> StoreURL | None:
        """The store's URL, parsed."""
        return None if self.store is None else StoreURL.parse(self.store)


def load_settings(
    path: str | Path | None = None, *, environ: Mapping[str, str], overrides: Mapping[str, object] = _NOTHING
) -> Settings:
    """Read all settings.

    Args:
        path: the file; None uses the one that ``KEYFOB_CONFIG`` in *environ* names, if any.
        environ: ``KEYFOB_<SECTION>_<KEY>`` overrides the file.
        overrides: settings by keyword, which override both; None means "not given".

    Raises:
        ConfigError: names the setting as it was written, and how to fix it.
    """
    chosen = path or environ.get("KEYFOB_CONFIG") or None
    file = None if chosen is None else Path(chosen).absolute()
    sections: Sections = {} if file is None else read_file(file)
    for source in (read_environment(environ), read_keywords(overrides)):
        _override(sections, source)
    return _settings(sections, file)


def _override(sections: Sections, source: Sections) -> None:
    """Merge *source* over *sections*. A keyring's path and a keyring's contents replace each other."""
    if "keyring" in source.get("store", {}):
        sections.get("", {}).pop("keyring_data", None)
    if "keyring_data" in source.get("", {}):
        sections.get("store", {}).pop("keyring", None)
    for name, values in source.items():
        sections.setdefault(name, {}).update(values)


def _settings(sections: Sections, file: Path | None) -> Settings:
    middleware: dict[str, Any] = dict(sections.get("middleware", {}))
    if "limits" in middleware:
        middleware["limits_store"] = middleware.pop("limits")
    values: dict[str, Any] = {**sections.get("", {}), **middleware, **sections.get("keys", {})}
    place: dict[str, Any] = sections.get("store", {})
    admin: dict[str, Any] = sections.get("admin", {})
    policies = values.pop("forward_auth", {})
    metrics: dict[str, Any] = sections.get("metrics", {})
    smtp: dict[str, Any] = sections.get("smtp", {})
    usage: dict[str, Any] = sections.get("usage", {})
    page: dict[str, Any] = sections.get("page", {})
    return Settings(
        path=file,
        store=place["url"].text if "url" in place else None,
        keyring=place.get("keyring"),
        usage=UsageSettings(**usage),
        metrics=MetricsSettings(**metrics),
        smtp=SmtpSettings(**smtp),
        admin=AdminSettings(**admin),
        page=PageSettings(**page),
        people=people_settings(sections),
        forward_auth={name: ForwardAuthSettings(**policy) for name, policy in policies.items()},
        **values,
    )
