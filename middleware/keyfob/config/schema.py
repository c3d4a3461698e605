"""All settings: section, name and kind. The names are those of `keyfob.APIKeyMiddleware`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import keyfob.config.kinds as a
import keyfob.config.web_kinds as web
from keyfob.config.notices import SMTP
from keyfob.config.people import WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.config.kinds import Kind

_PREFIX = a.text_like(r"[a-z][a-z0-9]{1,15}", "2 to 16 of a-z and 0-9, a letter first")
_HEADER = a.text_like(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", 'the name of a header, for example "x-forwarded-for"')
_APP_PREFIX = a.text_like(r"(/[^/\\%?#;\x00-\x20\x7f{}]+)*", 'the beginning of paths, for example "/auth"')
_SCHEME = r"[A-Za-z][A-Za-z0-9._~+-]{0,63}"  # of a credential (RFC 9110, section 11.1)
_ANY_HEADER = a.text_like(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100})?", 'the name of a header, or "" for none')
_LABEL = a.text_like(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60}", "1 to 60 characters on one line")
_CLAIM = a.text_like(r"[!-~]{1,200}", "1 to 200 printable ASCII characters without spaces")
_REALM = a.text_like(r"[ -~]{1,200}", "1 to 200 printable ASCII characters")

STORE: Mapping[str, Kind] = {"url": a.store_url(), "keyring": a.file_path()}
KEYS: Mapping[str, Kind] = {"prefix": _PREFIX}
ADMIN: Mapping[str, Kind] = {
    "session_hours": a.number(0.1, 720),
    "url": web.web_url(),
    "insecure_cookies": a.switch(),
}
MIDDLEWARE: Mapping[str, Kind] = {
    "trusted_proxies": a.proxies(),
    "client_ip_header": a.lower(_HEADER),
    "forwarded_scheme": a.switch(),
    "max_staleness": a.number(0.1, 3600),  # seconds, as the next two
    "max_stale_on_outage": a.number(0, 86_400),
    "usage_interval": a.number(0.05, 3600),
    "cache_size": a.whole(0, 100_000_000),
    "argon2_threads": a.whole(1, 64),
    "argon2": a.argon2(),
    "realm": _REALM,
    "forward_credential": a.switch(),
    "allow_preflight": a.switch(),
    "mode": a.word("enforce", "observe"),
    "close_on_revoke": a.switch(),
    "starlette_user": a.switch_or("auto"),
    "background": a.switch(),
    "persist_digests": a.switch(),
    "encoded_slash": a.word("refuse", "allow"),
    "path_parameters": a.word("refuse", "allow"),
    "app_prefix": _APP_PREFIX,
    "announce_replacement": a.switch(),
    "credential_headers": a.lower_names(r"[A-Za-z][A-Za-z0-9-]{0,99}", '["authorization", "x-api-key"]'),
    "authorization_schemes": a.lower_names(_SCHEME, '["bearer", "basic"]'),
    "limits": a.limits_store(),
    "limits_file": a.file_path(),
    "limits_on_outage": a.word("local", "open", "closed"),
    "limits_mode": a.word("enforce", "observe"),
    "ratelimit_headers": a.word("always", "refusals", "never"),
}
USAGE: Mapping[str, Kind] = {"days": a.whole(1, 3650)}
PAGE: Mapping[str, Kind] = {"return_urls": web.return_urls()}
METRICS: Mapping[str, Kind] = {"allow": a.proxies()}
PEOPLE: Mapping[str, Kind] = {"sign_in": a.words(*WAYS)}
PEOPLE_OIDC: Mapping[str, Kind] = {
    "issuer": web.issuer(),
    "client_id": _CLAIM,
    "client_secret": web.secret("the client's secret"),
    "client_secret_file": a.file_path(),
    "groups_claim": _CLAIM,
    "label": _LABEL,
}
PEOPLE_HEADER: Mapping[str, Kind] = {
    "email": a.lower(_HEADER),
    "name": a.lower(_ANY_HEADER),
    "groups": a.lower(_ANY_HEADER),
    "trusted_proxies": a.proxies(),
}
FORWARD_AUTH: Mapping[str, Kind] = {
    "headers": a.word("x-forwarded", "x-original"),
    "status_map": a.word("full", "nginx"),
    "trusted_proxies": a.proxies(),
    "rules": a.table(),
}

SECTIONS: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {
        "store": STORE,
        "keys": KEYS,
        "middleware": MIDDLEWARE,
        "usage": USAGE,
        "metrics": METRICS,
        "smtp": SMTP,
        "admin": ADMIN,
        "page": PAGE,
        "people": PEOPLE,
        "people.oidc": PEOPLE_OIDC,
        "people.header": PEOPLE_HEADER,
    }
)
ENTRIES = ("memberships",)  # written [[memberships]], each with its own values
SECRETS = frozenset({("people.oidc", "client_secret")})  # from the environment, never written into the file
FOREIGN: Mapping[str, Kind] = {"pattern": a.text_like(r"[!-~]{1,512}", "printable ASCII characters without spaces")}
# Sections whose entries users name.
TABLES = ("permissions", "rules", "key_types", "plans", "limits", "roles", "forward_auth", "foreign", "notices")

KEYWORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "store": ("store", "url"),
        "keyring": ("store", "keyring"),
        "prefix": ("keys", "prefix"),
        **{name: ("middleware", name) for name in MIDDLEWARE if name not in TABLES},
        "limits_store": ("middleware", "limits"),  # as a keyword, limits are the limits themselves
    }
)
