from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from keyfob.config import Settings, load_settings
from keyfob.errors import ConfigError

WHOLE = """
[store]
url = "sqlite:///data/keyfob.db"
ring = "keyfob.ring"
[keys]
brand = "acme"
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
persist_proofs = false
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

WRONG_FILES = [
    ("[middleware]\nmax_stalness = 2", "[middleware] max_stalness is not a setting; did you mean max_staleness?"),
    ("[midleware]\nrealm = 'x'", "[midleware] is not a section; did you mean [middleware]?"),
    ("[middleware]\nbrand = 'kf'", "[middleware] brand is not a setting; it belongs to [keys]"),
    ("[middleware]\nplans = 1", "[middleware] plans is not a setting; it belongs to [plans]"),
    ("[store]\ncolour = 1", "[store] colour is not a setting; known are ring, url"),
    ("max_staleness = 2", "max_staleness stands before the first section; write it under [middleware]"),
    ("colour = 2", "colour stands before the first section; remove it"),
    ("store = 'sqlite:///x.db'", "store must be a section; write [store] on a line of its own"),
    ("[middleware]\nmax_staleness = 0", "[middleware] max_staleness must be a number from 0.1 to 3,600, not 0"),
    ("[middleware]\nmax_staleness = nan", "[middleware] max_staleness must be a number from 0.1 to 3,600, not nan"),
    ("[middleware]\nmax_staleness = true", "[middleware] max_staleness must be a number from 0.1 to 3,600, not True"),
    ("[middleware]\nmax_staleness = '2'", "[middleware] max_staleness must be a number from 0.1 to 3,600, not '2'"),
    ("[middleware]\ncache_size = -1", "[middleware] cache_size must be a whole number from 0 to 100,000,000, not -1"),
    ("[middleware]\ncache_size = 1.5", "[middleware] cache_size must be a whole number"),
    ("[middleware]\ncache_size = true", "[middleware] cache_size must be a whole number"),
    ("[middleware]\nusage_interval = 0.01", "[middleware] usage_interval must be a number from 0.05 to 3,600"),
    ("[middleware]\nforward_credential = 1", "[middleware] forward_credential must be true or false, not 1"),
    ("[middleware]\nmode = 'observ'", '[middleware] mode must be "enforce" or "observe", not \'observ\''),
    ("[middleware]\nencoded_slash = 1", '[middleware] encoded_slash must be "refuse" or "allow", not 1'),
    ("[middleware]\nrealm = 'a\u00e9'", "[middleware] realm must be 1 to 200 printable ASCII characters"),
    ('[middleware]\nrealm = "a\\r"', "[middleware] realm must be 1 to 200 printable ASCII characters"),
    ("[middleware]\nclient_ip_header = 'x y'", "[middleware] client_ip_header must be the name of a header"),
    ("[middleware]\nargon2 = 4", "[middleware] argon2 must be a table"),
    ("[middleware]\nargon2 = { memory = 4 }", "[middleware] argon2 has no part memory; did you mean memory_kib?"),
    ("[middleware]\nargon2 = { time = 11 }", "[middleware] argon2 time must be a whole number from 1 to 10, not 11"),
    ("[middleware]\nargon2 = { memory_kib = 65537 }", "argon2 memory_kib must be a whole number from 8 to 65,536"),
    ("[middleware]\ntrusted_proxies = '10.0.0.0/8'", "[middleware] trusted_proxies must be a list of addresses"),
    ("[middleware]\ntrusted_proxies = [10]", "[middleware] trusted_proxies must be a list of addresses"),
    ("[middleware]\ntrusted_proxies = ['10.0.0.0/33']", "10.0.0.0/33 isn't an IP address or range"),
    ("[middleware]\ntrusted_proxies = ['10.1.2.3/8']", "10.1.2.3/8 has host bits; write 10.0.0.0/8 for the range"),
    ("[keys]\nbrand = 'KF'", "[keys] brand must be 2 to 16 of a-z and 0-9, a letter first, not 'KF'"),
    ("[store]\nring = 4", "[store] ring must be a path"),
    ("[store]\nurl = 4", "[store] url must be a URL like"),
    ("[store]\nurl = 'mysql://x'", "[store] url must be a URL like"),
    ("[store]\nurl = 'sqlite://keyfob.db'", "[store] url must be a URL like"),
    ("[store]\nurl = 'sqlite:///'", "[store] url names no file"),
    ("[store]\nurl = 'sqlite:///x.db?mode=ro'", "[store] url names no file"),
    ("[store]\nurl = 'sqlite:///:memory:'", "[store] url names a database in memory"),
    ("[store]\nurl = 'postgresql://[x/db'", "[store] url names a host that can't be read"),
    ("[admin]\nurl = 'keys.example.com'", "[admin] url must be a URL like"),
    ("[admin]\nurl = 'https://[x'", "[admin] url must be a URL like"),
    ("[admin]\nurl = 'https://u:p@keys.example.com'", "[admin] url must be a URL like"),
    ("[admin]\nsession_hours = 0", "[admin] session_hours must be a number from 0.1 to 720, not 0"),
    ("[forward_auth]\nbilling = 1", "[forward_auth.billing] must be a table"),
    ("[forward_auth.'a/b']\nheaders = 'x-original'", "[forward_auth.a/b] is not a name for a path"),
    ("[forward_auth.b]\nheaders = 'x-original'", "[forward_auth.b] needs trusted_proxies"),
    ("[forward_auth.b]\nheader = 'x-original'", "[forward_auth.b] header is not a setting; did you mean headers?"),
]

WRONG_ENVIRONMENTS = [
    (
        {"KEYFOB_MIDDLEWARE_MAX_STALNESS": "2"},
        "KEYFOB_MIDDLEWARE_MAX_STALNESS is not a setting; did you mean KEYFOB_MIDDLEWARE_MAX_STALENESS?",
    ),
    ({"KEYFOB_STOR_URL": "x"}, "KEYFOB_STOR_URL is not a setting; did you mean KEYFOB_STORE_URL?"),
    ({"KEYFOB_KEY_BRAND": "x"}, "KEYFOB_KEY_BRAND is not a setting; did you mean KEYFOB_KEYS_BRAND?"),
    (
        {"KEYFOB_MIDLEWARE_CACHE_SIZ": "1"},
        "KEYFOB_MIDLEWARE_CACHE_SIZ is not a setting; did you mean KEYFOB_MIDDLEWARE",
    ),
    ({"KEYFOB_MAX_STALENESS": "5"}, "KEYFOB_MAX_STALENESS is not a setting; did you mean KEYFOB_MIDDLEWARE_MAX_STALE"),
    ({"KEYFOB_STORE": "x"}, "KEYFOB_STORE is not a setting; did you mean KEYFOB_STORE_URL?"),
    ({"KEYFOB_SESSION_HOURS": "1"}, "KEYFOB_SESSION_HOURS is not a setting; did you mean KEYFOB_ADMIN_SESSION_HOURS?"),
    ({"KEYFOB_MIDDLEWARE_MAX_STALENESS": "soon"}, "KEYFOB_MIDDLEWARE_MAX_STALENESS must be a number"),
    ({"KEYFOB_MIDDLEWARE_CACHE_SIZE": "1.5"}, "KEYFOB_MIDDLEWARE_CACHE_SIZE must be a whole number"),
    ({"KEYFOB_ADMIN_INSECURE_COOKIES": "yes"}, "KEYFOB_ADMIN_INSECURE_COOKIES must be true or false, not 'yes'"),
    ({"KEYFOB_MIDDLEWARE_ARGON2": "time"}, "KEYFOB_MIDDLEWARE_ARGON2 time must be a whole number"),
    ({"KEYFOB_RING": "a", "KEYFOB_RING_DATA": "b"}, "KEYFOB_RING and KEYFOB_RING_DATA are both set; keep one"),
]

WRONG_KEYWORDS = [
    ({"max_stalness": 2}, "max_stalness is not a setting; did you mean max_staleness?"),
    ({"max_staleness": 0}, "max_staleness must be a number"),
    ({"on_denied": "print"}, "on_denied must be a function"),
    ({"ring_data": b"x"}, "ring_data must be the text of a ring"),
    ({"rules": ["GET /items"]}, "rules must be a table"),
    ({"key_types": ["api"]}, "key_types must be a table"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "keyfob.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_has_the_documented_default() -> None:
    """Without a file, an environment and keywords, the settings are those of the reference."""
    settings = load_settings(environ={})

    assert Settings() == settings
    assert (None, None, None, "kf") == (settings.store, settings.ring, settings.ring_data, settings.brand)
    assert ((), "x-forwarded-for") == (settings.trusted_proxies, settings.client_ip_header)
    assert (2.0, 0.0, 1.0) == (settings.max_staleness, settings.max_stale_on_outage, settings.usage_interval)
    assert (100_000, None) == (settings.cache_size, settings.argon2_threads)
    assert {"memory_kib": 19456, "time": 2} == settings.argon2
    assert ("keyfob", "enforce", "refuse") == (settings.realm, settings.mode, settings.encoded_slash)
    assert (False, False) == (settings.forward_credential, settings.allow_preflight)
    assert (True, True) == (settings.close_on_revoke, settings.persist_proofs)
    assert (8, None, False) == (settings.admin.session_hours, settings.admin.url, settings.admin.insecure_cookies)


def test_the_file_sets_everything(tmp_path: Path) -> None:
    """Each setting of the file arrives under its own name, checked and in the form that is used."""
    settings = load_settings(written(tmp_path, WHOLE), environ={})

    assert tmp_path / "keyfob.toml" == settings.path
    assert f"sqlite:///{tmp_path}/data/keyfob.db" == settings.store
    assert tmp_path / "keyfob.ring" == settings.ring
    assert "acme" == settings.brand
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
    assert (False, False) == (settings.close_on_revoke, settings.persist_proofs)
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


@pytest.mark.parametrize(("text", "message"), WRONG_FILES)
def test_what_is_wrong_in_the_file_is_named_with_the_mend(tmp_path: Path, text: str, message: str) -> None:
    """An unknown or impossible setting is refused in one line that says where it stands and what to write."""
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_settings(written(tmp_path, text), environ={})

    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(("environ", "message"), WRONG_ENVIRONMENTS)
def test_what_is_wrong_in_the_environment_is_named(environ: dict[str, str], message: str) -> None:
    """A misspelt or impossible variable stops the start, under its own name."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_settings(environ=environ)


@pytest.mark.parametrize(("keywords", "message"), WRONG_KEYWORDS)
def test_what_is_wrong_in_a_keyword_is_named(keywords: dict[str, object], message: str) -> None:
    """Settings given in code are checked like those of the file."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_settings(environ={}, overrides=keywords)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Who names a file that is not there learns which, and how to get one."""
    with pytest.raises(ConfigError, match=re.escape(f"there is no configuration file {tmp_path}/none.toml")):
        load_settings(tmp_path / "none.toml", environ={})


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that the system will not give is an error of configuration, not a traceback."""
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_settings(tmp_path, environ={})


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    """A syntax error says in which line it is, at the end of the file too."""
    for text in ("[store]\nurl = =\n", "[store]\nurl ="):
        with pytest.raises(ConfigError, match=r"keyfob.toml is not valid TOML: .*line 2"):
            load_settings(written(tmp_path, text), environ={})


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are reported where they stand."""
    path = tmp_path / "keyfob.toml"
    path.write_bytes(b"[middleware]\nrealm = '\xe9'")

    with pytest.raises(ConfigError, match=r"is not UTF-8 \(at line 2\)"):
        load_settings(path, environ={})


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """A file saved by an editor that writes a byte order mark is read all the same."""
    path = tmp_path / "keyfob.toml"
    path.write_bytes(b"\xef\xbb\xbf[keys]\nbrand = 'ab'")

    assert "ab" == load_settings(path, environ={}).brand


def test_the_environment_overrides_the_file_and_keywords_override_both(tmp_path: Path) -> None:
    """Nearer to the code wins."""
    path = written(tmp_path, "[middleware]\nmax_staleness = 3\ncache_size = 3\nrealm = 'file'")
    environ = {"KEYFOB_MIDDLEWARE_CACHE_SIZE": "4", "KEYFOB_MIDDLEWARE_REALM": "environment"}

    settings = load_settings(path, environ=environ, overrides={"realm": "keyword"})

    assert (3.0, 4, "keyword") == (settings.max_staleness, settings.cache_size, settings.realm)


def test_environment_values_are_read_by_the_type_of_the_setting() -> None:
    """Text becomes numbers, switches, lists and tables."""
    environ = {
        "KEYFOB_KEYS_BRAND": "acme",
        "KEYFOB_MIDDLEWARE_MAX_STALENESS": "2.5",
        "KEYFOB_MIDDLEWARE_ALLOW_PREFLIGHT": "True",
        "KEYFOB_MIDDLEWARE_CLOSE_ON_REVOKE": "0",
        "KEYFOB_MIDDLEWARE_TRUSTED_PROXIES": "10.0.0.0/8, unix,",
        "KEYFOB_MIDDLEWARE_ARGON2": "memory_kib=32768,time=3",
        "KEYFOB_ADMIN_SESSION_HOURS": "2",
    }

    settings = load_settings(environ=environ)

    assert ("acme", 2.5) == (settings.brand, settings.max_staleness)
    assert (True, False) == (settings.allow_preflight, settings.close_on_revoke)
    assert ("10.0.0.0/8", "unix") == settings.trusted_proxies
    assert {"memory_kib": 32768, "time": 3} == settings.argon2
    assert 2 == settings.admin.session_hours


def test_an_empty_list_in_the_environment_empties_the_files_list(tmp_path: Path) -> None:
    """Somebody can switch the trusted proxies of the file off without editing it."""
    path = written(tmp_path, "[middleware]\ntrusted_proxies = ['10.0.0.0/8']")

    assert () == load_settings(path, environ={"KEYFOB_MIDDLEWARE_TRUSTED_PROXIES": ""}).trusted_proxies


def test_other_variables_are_none_of_our_business() -> None:
    """A name that belongs to no section is left alone, so that scripts may use it."""
    assert Settings() == load_settings(
        environ={
            "KEYFOB_DEMO_KEY": "x",
            "KEYFOB_ADMIN_KEY": "z",
            "KEYFOB_KEY_ID": "7Qx2mB9tKd03LpWz",
            "KEYFOB_URL": "http://127.0.0.1:8700",
            "KEYFOBX": "y",
            "PATH": "/bin",
        }
    )


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    """KEYFOB_CONFIG names the file where no other is named."""
    path = written(tmp_path, "[keys]\nbrand = 'acme'")

    assert "acme" == load_settings(environ={"KEYFOB_CONFIG": str(path)}).brand


def test_the_rings_path_from_the_environment_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is relative to where it was written: here the shell's folder, not the file's."""
    path = written(tmp_path, "[store]\nring = 'file.ring'")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    assert tmp_path / "work" / "my.ring" == load_settings(path, environ={"KEYFOB_RING": "my.ring"}).ring


def test_the_rings_contents_take_the_place_of_its_path(tmp_path: Path) -> None:
    """With the ring's contents in the environment no file is needed."""
    path = written(tmp_path, "[store]\nring = 'file.ring'")

    settings = load_settings(path, environ={"KEYFOB_RING_DATA": "entries"})

    assert (None, "entries") == (settings.ring, settings.ring_data)


def test_a_ring_named_in_code_takes_the_place_of_contents_in_the_environment(tmp_path: Path) -> None:
    """A keyword overrides the environment, whichever of the two ways it gives the ring."""
    settings = load_settings(environ={"KEYFOB_RING_DATA": "entries"}, overrides={"ring": tmp_path / "a.ring"})

    assert (tmp_path / "a.ring", None) == (settings.ring, settings.ring_data)


def test_an_empty_ring_variable_counts_as_unset(tmp_path: Path) -> None:
    """Container tools pass variables that are declared but empty."""
    path = written(tmp_path, "[store]\nring = 'file.ring'")

    assert tmp_path / "file.ring" == load_settings(path, environ={"KEYFOB_RING": "", "KEYFOB_RING_DATA": ""}).ring


def test_absolute_paths_stay(tmp_path: Path) -> None:
    """Four slashes name a file from the root, wherever the configuration lies."""
    path = written(tmp_path, "[store]\nurl = 'sqlite:////var/lib/keyfob.db'\nring = '/etc/keyfob.ring'")

    settings = load_settings(path, environ={})

    assert ("sqlite:////var/lib/keyfob.db", Path("/etc/keyfob.ring")) == (settings.store, settings.ring)


def test_a_store_named_in_code_is_relative_to_the_working_directory() -> None:
    """Without a file there is no file's folder."""
    settings = load_settings(environ={}, overrides={"store": "sqlite:///keyfob.db"})

    assert f"sqlite:///{os.getcwd()}/keyfob.db" == settings.store  # noqa: PTH109 - as a shell would say it


def test_a_store_named_in_the_environment_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved at once, so that a process may change its folder later."""
    monkeypatch.chdir(tmp_path)

    assert f"sqlite:///{tmp_path}/a.db" == load_settings(environ={"KEYFOB_STORE_URL": "sqlite:///a.db"}).store


def test_a_keyword_of_none_is_not_given(tmp_path: Path) -> None:
    """The middleware hands all its keywords on, and those left at None don't hide the file's."""
    path = written(tmp_path, "[middleware]\nargon2_threads = 3")

    assert 3 == load_settings(path, environ={}, overrides={"argon2_threads": None}).argon2_threads


def test_rules_and_callbacks_can_be_given_in_code() -> None:
    """Tables and functions pass as they are; rules and catalogue are read elsewhere."""
    given = {"rules": {"GET /items": "items:read"}, "permissions": ["items:read"], "on_denied": print}

    settings = load_settings(environ={}, overrides=given)

    assert given == {"rules": settings.rules, "permissions": settings.permissions, "on_denied": settings.on_denied}


def test_se_01_no_repr_holds_a_secret() -> None:
    """Settings end up in logs and debuggers; the ring and the store's password don't."""
    environ = {"KEYFOB_RING_DATA": "ringsecret", "KEYFOB_STORE_URL": "postgresql://app:hunter2@db:5432/keys?password=x"}

    settings = load_settings(environ=environ)

    assert "postgresql://app@db:5432/keys" == settings.shown_store
    assert environ["KEYFOB_STORE_URL"] == settings.store
    assert not re.search("ringsecret|hunter2|password", repr(settings))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://app:hunter2@db/keys",
        "postgresql://app:hunter2@d b/keys",
        "postgresql://app:12/hunter2@db/keys",
        "postgresql://app:12?hunter2@db/keys",
        "postgresql://app:12#hunter2@db/keys",
        "postgresql://app:hunter2@[db/keys",
    ],
)
def test_se_01_no_message_holds_the_stores_password(url: str) -> None:
    """A URL that cannot be read is refused without being repeated."""
    with pytest.raises(ConfigError, match="KEYFOB_STORE_URL ") as caught:
        load_settings(environ={"KEYFOB_STORE_URL": url})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_store_is_shown_as_it_is() -> None:
    """A path holds no password."""
    assert "sqlite:////a.db" == load_settings(environ={}, overrides={"store": "sqlite:////a.db"}).shown_store


def test_without_a_store_nothing_is_shown() -> None:
    """A configuration may lack a store; whoever needs one says so."""
    assert None is load_settings(environ={}).shown_store
