"""The ``keyfob.toml`` that an installation starts with: what works at once, and what one may want to change."""

from __future__ import annotations

import json
from collections.abc import Mapping

_TEXT = """\
# Keyfob's configuration. `keyfob doctor` checks it and says what to change.
# The environment overrides every setting, as KEYFOB_<SECTION>_<KEY>: KEYFOB_STORE_URL.

[store]
url = "sqlite:///keyfob.db"          # relative to this file; or postgresql://user@host/db
keyring = "keyfob.keyring"                 # the server's own keys: keep it secret, keep a copy, never commit it

# The catalogue: what can be granted to a key, as people read it.
[permissions]
{permissions}

# What a request needs. What no rule names is refused. Paths are your application's:
#   "GET /items" = "items:read"                                       one permission
#   "/items/{{id}}" = ["items:read", "items:write"]                     all of them, with any method
#   "GET /reports" = {{ any_of = ["reports:read", "admin:read"] }}      one of them
#   "GET /teams/{{team}}" = {{ permission = "items:read", team = "{{team}}" }}  the path must name the key's own team
#   "/docs/{{path:path}}" = {{ public = true }}                           no key needed
[rules]
{rules}

# Plans and key types come with defaults (plans enterprise and teams; types api, computer, scim and admin).
# [key_types.robot]
# label = "Robot key"
# per_team = 1
# permissions = ["items:read"]

[middleware]
# trusted_proxies = ["10.0.0.0/8"]   # proxies that may say the client's address in X-Forwarded-For
# max_staleness = 2.0                # seconds; the longest a revoked key can pass on another host

[admin]
# url = "https://keys.example.com"   # where people reach the console; its links and its Origin check use this
# session_hours = 8
"""


def starting_file(
    *, permissions: Mapping[str, str], rules: Mapping[str, object], notes: Mapping[str, str] | None = None
) -> str:
    """Write a configuration with this catalogue and these rules. *notes* are comments above some of the rules."""
    return _TEXT.format(permissions=_lines(permissions), rules=_lines(rules, notes or {}))


def _lines(table: Mapping[str, object], notes: Mapping[str, str] | None = None) -> str:
    lines = []
    for name, value in table.items():
        if notes and name in notes:
            lines.append(f"# {notes[name]}:")
        lines.append(f"{_toml(name)} = {_toml(value)}")
    return "\n".join(lines)


def _toml(value: object) -> str:
    """Write a text, a switch, a list or an inline table; JSON's texts, switches and lists are TOML's too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
