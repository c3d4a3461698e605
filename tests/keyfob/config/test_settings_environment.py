from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.config.settings import Settings, load_settings
from tests.keyfob.config.config_file import written

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_environment_overrides_the_file_and_keywords_override_both(tmp_path: Path) -> None:
    """Nearer to the code wins."""
    path = written(tmp_path, "[middleware]\nmax_staleness = 3\ncache_size = 3\nrealm = 'file'")
    environ = {"KEYFOB_MIDDLEWARE_CACHE_SIZE": "4", "KEYFOB_MIDDLEWARE_REALM": "environment"}

    settings = load_settings(path, environ=environ, overrides={"realm": "keyword"})

    assert (3.0, 4, "keyword") == (settings.max_staleness, settings.cache_size, settings.realm)


def test_environment_values_are_read_by_the_type_of_the_setting() -> None:
    """Text becomes numbers, switches, lists and tables."""
    environ = {
        "KEYFOB_KEYS_PREFIX": "acme",
        "KEYFOB_MIDDLEWARE_MAX_STALENESS": "2.5",
        "KEYFOB_MIDDLEWARE_ALLOW_PREFLIGHT": "True",
        "KEYFOB_MIDDLEWARE_CLOSE_ON_REVOKE": "0",
        "KEYFOB_MIDDLEWARE_TRUSTED_PROXIES": "10.0.0.0/8, unix,",
        "KEYFOB_MIDDLEWARE_ARGON2": "memory_kib=32768,time=3",
        "KEYFOB_ADMIN_SESSION_HOURS": "2",
    }

    settings = load_settings(environ=environ)

    assert ("acme", 2.5) == (settings.prefix, settings.max_staleness)
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
    path = written(tmp_path, "[keys]\nprefix = 'acme'")

    assert "acme" == load_settings(environ={"KEYFOB_CONFIG": str(path)}).prefix


def test_the_keyrings_path_from_the_environment_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is relative to where it was written: here the shell's folder, not the file's."""
    path = written(tmp_path, "[store]\nkeyring = 'file.keyring'")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    assert tmp_path / "work" / "my.keyring" == load_settings(path, environ={"KEYFOB_KEYRING": "my.keyring"}).keyring


def test_the_keyrings_contents_take_the_place_of_its_path(tmp_path: Path) -> None:
    """With the keyring's contents in the environment no file is needed."""
    path = written(tmp_path, "[store]\nkeyring = 'file.keyring'")

    settings = load_settings(path, environ={"KEYFOB_KEYRING_DATA": "entries"})

    assert (None, "entries") == (settings.keyring, settings.keyring_data)


def test_a_keyring_named_in_code_takes_the_place_of_contents_in_the_environment(tmp_path: Path) -> None:
    """A keyword overrides the environment, whichever of the two ways it gives the keyring."""
    settings = load_settings(environ={"KEYFOB_KEYRING_DATA": "entries"}, overrides={"keyring": tmp_path / "a.keyring"})

    assert (tmp_path / "a.keyring", None) == (settings.keyring, settings.keyring_data)


def test_an_empty_keyring_variable_counts_as_unset(tmp_path: Path) -> None:
    """Container tools pass variables that are declared but empty."""
    path = written(tmp_path, "[store]\nkeyring = 'file.keyring'")

    assert (
        tmp_path / "file.keyring"
        == load_settings(path, environ={"KEYFOB_KEYRING": "", "KEYFOB_KEYRING_DATA": ""}).keyring
    )


def test_a_store_named_in_the_environment_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved at once, so that a process may change its folder later."""
    monkeypatch.chdir(tmp_path)

    assert f"sqlite:///{tmp_path}/a.db" == load_settings(environ={"KEYFOB_STORE_URL": "sqlite:///a.db"}).store
