"""What a store URL may say, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyfob import ConfigError
from keyfob.config.settings import load_settings
from keyfob.store.opening import open_store
from keyfob.store.url import InvalidURL, StoreURL

UNDERSTOOD = [
    ("postgres://u@h/db", "postgresql://u@h/db"),
    ("postgresql://u@h/db?listen=off", "postgresql://u@h/db"),
    ("postgresql://u:p%40@h1:5432,h2/db?sslmode=require", "postgresql://u:p%40@h1:5432,h2/db?sslmode=require"),
    ("postgresql://u@[::1]:5432,[::2]/db", "postgresql://u@[::1]:5432,[::2]/db"),
    ("postgresql:///db?host=/run/postgresql&user=u", "postgresql:///db?host=/run/postgresql&user=u"),
    ("postgresql://h1,h2/db?port=5433,5434", "postgresql://h1,h2/db?port=5433,5434"),
    ("postgresql://h/db?target_session_attrs=read-write&listen=on", "postgresql://h/db"),
    ("postgresql://h/db?channel_binding=prefer&sslmode=verify-full", "postgresql://h/db?sslmode=verify-full"),
    ("postgresql://h/db?connect_timeout=10&application_name=a", "postgresql://h/db?application_name=a"),
    ("postgresql://h/db?options=-c%20search_path%3Dx", "postgresql://h/db?options=-c%20search_path%3Dx"),
    ("postgresql://h/db?client_encoding=utf8&gssencmode=disable&keepalives=1", "postgresql://h/db"),
]
REFUSED = [
    ("channel_binding=require", "channel_binding"),
    ("gssencmode=require", "gssencmode"),
    ("target_session_attrs=standby", "target_session_attrs"),
    ("target_session_attrs=prefer-standby", "target_session_attrs"),
    ("pgbouncer=true", "pgbouncer"),
    ("service=keys", "service"),
    ("client_encoding=latin1", "client_encoding"),
    ("ssl_mode=require", "ssl_mode, which Keyfob does not know; did you mean sslmode?"),
    ("statement_timeout=5", "statement_timeout"),
    ("sslmode=on", "sslmode"),
    ("sslmode=", "sslmode"),
    ("ssl_min_protocol_version=1.2", "ssl_min_protocol_version"),
    ("sslrootcert=/there/is/none", "sslrootcert"),
    ("sslrootcert=system", "sslrootcert"),
    ("connect_timeout=soon", "connect_timeout"),
    ("listen=maybe", "listen"),
    ("port=none", "port"),
    ("sslmode", "parameter without a value"),
]


@pytest.mark.parametrize(("url", "dsn"), UNDERSTOOD)
def test_ff_24_what_libpq_understands_is_understood(url: str, dsn: str) -> None:
    """The driver is given what it knows, and nothing that it would take for a setting of the server."""
    assert dsn == StoreURL.parse(url).dsn
    assert url == load_settings(environ={"KEYFOB_STORE_URL": url}).store
    assert not open_store(url).is_immediate


@pytest.mark.parametrize(("parameter", "named"), REFUSED)
def test_ff_24_a_parameter_that_cannot_be_obeyed_is_named_at_construction(parameter: str, named: str) -> None:
    """Nobody has to guess from 503 which part of the URL is wrong, whether settings or a store are made from it."""
    url = f"postgresql://u:hunter2@h/db?{parameter}"
    for construct in (open_store, lambda url: load_settings(environ={}, overrides={"store": url})):
        with pytest.raises(ConfigError) as caught:
            construct(url)
        assert named in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("hosts", ["h:0", "h:65536", "h:x", "h1,h2:", "[::1]:x", "h1:1,h2:99999"])
def test_ff_24_a_port_that_is_none_is_refused(hosts: str) -> None:
    """Each of several hosts may have a port, which must be one."""
    with pytest.raises(InvalidURL, match="port"):
        StoreURL.parse(f"postgresql://{hosts}/db")


@pytest.mark.parametrize(("written", "seconds"), [("10", 10.0), ("0", None), ("-1", None)])
def test_the_connect_timeout_is_libpqs(written: str, seconds: float | None) -> None:
    """Zero and below leave the time limit to Keyfob, as they leave it out in libpq."""
    assert seconds == StoreURL.parse(f"postgresql://h/db?connect_timeout={written}").connect_timeout


def test_a_store_url_shows_no_password() -> None:
    """Neither its repr nor what is shown to people has the password or the parameters."""
    url = StoreURL.parse("postgres://u:hunter2@h/db?sslpassword=hunter3")

    assert "postgresql://u@h/db" == url.shown
    assert "hunter" not in repr(url)


def test_a_relative_file_is_placed(tmp_path: Path) -> None:
    """A path in a configuration file is relative to that file; a server's URL is not."""
    assert tmp_path / "a.db" == StoreURL.parse("sqlite:///a.db").under(tmp_path).path
    assert Path("/a.db") == StoreURL.parse("sqlite:////a.db").under(tmp_path).path
    assert None is StoreURL.parse("postgresql://h/db").under(tmp_path).path


@pytest.mark.parametrize("text", [None, 7, "", "mysql://h/db", "sqlite://a.db", "postgresql://", "postgresql://a b/c"])
def test_what_is_no_store_url_is_refused(text: object) -> None:
    """The message says what one looks like."""
    with pytest.raises(InvalidURL, match=r"sqlite:///keyfob\.db"):
        StoreURL.parse(text)
