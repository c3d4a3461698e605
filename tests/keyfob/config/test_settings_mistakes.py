from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError
from tests.keyfob.config.config_file import written

if TYPE_CHECKING:
    from pathlib import Path

WRONG_FILES = [
    ("[middleware]\nmax_stalness = 2", "[middleware] max_stalness is not a setting; did you mean max_staleness?"),
    ("[midleware]\nrealm = 'x'", "[midleware] is not a section; did you mean [middleware]?"),
    ("[middleware]\nprefix = 'kf'", "[middleware] prefix is not a setting; it belongs to [keys]"),
    ("[middleware]\nplans = 1", "[middleware] plans is not a setting; it belongs to [plans]"),
    ("[store]\ncolour = 1", "[store] colour is not a setting; known are keyring, url"),
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
    ("[keys]\nprefix = 'KF'", "[keys] prefix must be 2 to 16 of a-z and 0-9, a letter first, not 'KF'"),
    ("[store]\nkeyring = 4", "[store] keyring must be a path"),
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
    ({"KEYFOB_KEY_PREFIX": "x"}, "KEYFOB_KEY_PREFIX is not a setting; did you mean KEYFOB_KEYS_PREFIX?"),
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
    (
        {"KEYFOB_KEYRING": "a", "KEYFOB_KEYRING_DATA": "b"},
        "KEYFOB_KEYRING and KEYFOB_KEYRING_DATA are both set; keep one",
    ),
]

WRONG_KEYWORDS = [
    ({"max_stalness": 2}, "max_stalness is not a setting; did you mean max_staleness?"),
    ({"max_staleness": 0}, "max_staleness must be a number"),
    ({"on_denied": "print"}, "on_denied must be a function"),
    ({"keyring_data": b"x"}, "keyring_data must be the text of a keyring"),
    ({"rules": ["GET /items"]}, "rules must be a table"),
    ({"key_types": ["api"]}, "key_types must be a table"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES)
def test_what_is_wrong_in_the_file_is_named_with_the_fix(tmp_path: Path, text: str, message: str) -> None:
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
