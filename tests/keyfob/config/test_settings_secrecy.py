from __future__ import annotations

import re

import pytest

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError


def test_se_01_no_repr_holds_a_secret() -> None:
    """Settings end up in logs and debuggers; the keyring and the store's password don't."""
    environ = {
        "KEYFOB_KEYRING_DATA": "ringsecret",
        "KEYFOB_STORE_URL": "postgresql://app:hunter2@db:5432/keys?password=x",
    }

    settings = load_settings(environ=environ)

    assert "postgresql://app@db:5432/keys" == settings.shown_store
    assert environ["KEYFOB_STORE_URL"] == settings.store
    assert not re.search("ringsecret|hunter2|password", repr(settings))


@pytest.mark.parametrize(
    "url",
    [
        "postgress://app:hunter2@db/keys",
        "postgresql://app:hunter2@db:port/keys",
        "postgresql://app@db/keys?pasword=hunter2",
        "postgresql://app@db/keys?hunter2",
        "postgresql://app@db/keys?Hunter2!=hunter2",
        "postgresql://app@db/keys?sslmode=hunter2",
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
