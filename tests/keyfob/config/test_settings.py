from __future__ import annotations

import os
from pathlib import Path

from keyfob.config.settings import Settings, load_settings
from tests.keyfob.config.config_file import written

WHOLE = """
[store]
url = "sqlite:///data/keyfob.db"
keyring = "keyfob.keyring"
[keys]
prefix = "acme"
[permissions]
"items:read" = "Read items"
[rules]
"GET /items" = "items:read"
"/docs/{path:path}" = { public = true }
[key_types.computer]
label = "Laptop key"
[plans.teams]
key_types = ["computer"]
[middleware]
trusted_proxies = ["10.0.0.0/8", "unix", "192.0.2.1"]
client_ip_header = "X-Real-IP"
max_staleness = 3
max_stale_on_outage = 30
usage_interval = 0.5
cache_size = 0
argon2_threads = 2
argon2 = { memory_kib = 65536 }
realm = "Acme \\"API\\""
forward_credential = true
allow_preflight = true
mode = "observe"
close_on_revoke = false
persist_digests = false
encoded_slash = "allow"
[admin]
session_hours = 1.5
url = "https://keys.example.com/keyfob/"
insecure_cookies = true
[forward_auth.billing]
headers = "x-original"
status_map = "nginx"
trusted_proxies = ["127.0.0.1/32"]
[forward_auth.billing.rules]
"GET /invoices/{id}" = "invoices:read"
"""


def test_every_setting_has_the_documented_default() -> None:
    """Without a file, an environment and keywords, the settings are those of the reference."""
    settings = load_settings(environ={})

    assert Settings() == settings
    assert (None, None, None, "kf") == (settings.store, settings.keyring, settings.keyring_data, settings.prefix)
    assert ((), "x-forwarded-for") == (settings.trusted_proxies, settings.client_ip_header)
    assert (2.0, 0.0, 1.0) == (settings.max_staleness, settings.max_stale_on_outage, settings.usage_interval)
    assert (100_000, None) == (settings.cache_size, settings.argon2_threads)
    assert {"memory_kib": 19456, "time": 2} == settings.argon2
    assert ("keyfob", "enforce", "refuse") == (settings.realm, settings.mode, settings.encoded_slash)
    assert (False, False) == (settings.forward_credential, settings.allow_preflight)
    assert (True, True) == (settings.close_on_revoke, settings.persist_digests)
    assert (8, None, False) == (settings.admin.session_hours, settings.admin.url, settings.admin.insecure_cookies)


def test_the_file_sets_everything(tmp_path: Path) -> None:
    """Each setting of the file arrives under its own name, checked and in the form that is used."""
    settings = load_settings(written(tmp_path, WHOLE), environ={})

    assert tmp_path / "keyfob.toml" == settings.path
    assert f"sqlite:///{tmp_path}/data/keyfob.db" == settings.store
    assert tmp_path / "keyfob.keyring" == settings.keyring
    assert "acme" == settings.prefix
    assert {"items:read": "Read items"} == settings.permissions
    assert {"GET /items": "items:read", "/docs/{path:path}": {"public": True}} == settings.rules
    assert {"computer": {"label": "Laptop key"}} == settings.key_types
    assert {"teams": {"key_types": ["computer"]}} == settings.plans
    assert ("10.0.0.0/8", "unix", "192.0.2.1/32") == settings.trusted_proxies
    assert "x-real-ip" == settings.client_ip_header
    assert (3.0, 30.0, 0.5) == (settings.max_staleness, settings.max_stale_on_outage, settings.usage_interval)
    assert (0, 2) == (settings.cache_size, settings.argon2_threads)
    assert {"memory_kib": 65536, "time": 2} == settings.argon2
    assert ('Acme "API"', "observe", "allow") == (settings.realm, settings.mode, settings.encoded_slash)
    assert (True, True) == (settings.forward_credential, settings.allow_preflight)
    assert (False, False) == (settings.close_on_revoke, settings.persist_digests)
    assert (1.5, True) == (settings.admin.session_hours, settings.admin.insecure_cookies)


def test_the_admin_url_ends_without_a_slash(tmp_path: Path) -> None:
    """What links are built on is one form, however it was written."""
    settings = load_settings(written(tmp_path, WHOLE), environ={})

    assert "https://keys.example.com/keyfob" == settings.admin.url


def test_a_forward_auth_policy_is_read_whole(tmp_path: Path) -> None:
    """A gateway's policy carries its header family, its proxies and its own rules."""
    policy = load_settings(written(tmp_path, WHOLE), environ={}).forward_auth["billing"]

    assert ("x-original", "nginx", ("127.0.0.1/32",)) == (policy.headers, policy.status_map, policy.trusted_proxies)
    assert {"GET /invoices/{id}": "invoices:read"} == policy.rules


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """A file saved by an editor that writes a byte order mark is read all the same."""
    path = tmp_path / "keyfob.toml"
    path.write_bytes(b"\xef\xbb\xbf[keys]\nprefix = 'ab'")

    assert "ab" == load_settings(path, environ={}).prefix


def test_absolute_paths_stay(tmp_path: Path) -> None:
    """Four slashes name a file from the root, wherever the configuration lies."""
    path = written(tmp_path, "[store]\nurl = 'sqlite:////var/lib/keyfob.db'\nkeyring = '/etc/keyfob.keyring'")

    settings = load_settings(path, environ={})

    assert ("sqlite:////var/lib/keyfob.db", Path("/etc/keyfob.keyring")) == (settings.store, settings.keyring)


def test_a_store_named_in_code_is_relative_to_the_working_directory() -> None:
    """Without a file there is no file's folder."""
    settings = load_settings(environ={}, overrides={"store": "sqlite:///keyfob.db"})

    assert f"sqlite:///{os.getcwd()}/keyfob.db" == settings.store  # noqa: PTH109 - as a shell would say it


def test_a_keyword_of_none_is_not_given(tmp_path: Path) -> None:
    """The middleware hands all its keywords on, and those left at None don't hide the file's."""
    path = written(tmp_path, "[middleware]\nargon2_threads = 3")

    assert 3 == load_settings(path, environ={}, overrides={"argon2_threads": None}).argon2_threads


def test_rules_and_callbacks_can_be_given_in_code() -> None:
    """Tables and functions pass as they are; rules and catalogue are read elsewhere."""
    given = {"rules": {"GET /items": "items:read"}, "permissions": ["items:read"], "on_denied": print}

    settings = load_settings(environ={}, overrides=given)

    assert given == {"rules": settings.rules, "permissions": settings.permissions, "on_denied": settings.on_denied}
