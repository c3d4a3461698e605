"""What `keyfob doctor` finds on the disk and in the policy of each key type, with what to do about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.keyfob_admin.cli.conftest import Home

DATABASE = "keyfob.db"
NOBODY = 65_534  # the account of that name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other accounts")


def findings(level: str, what: str) -> list[dict[str, str]]:
    """What doctor finds of that kind; each says what to do."""
    found: list[dict[str, str]] = [
        finding
        for finding in typed("doctor", "--json").data["findings"]
        if (level, what) == (finding["level"], finding["what"])
    ]
    assert all(finding["fix"] for finding in found)
    return found


def test_a_second_name_of_the_database_fails(home: Home) -> None:
    """A hard link would have a change signal of its own."""
    os.link(home.folder / DATABASE, home.folder / "other.db")

    (finding,) = findings("fail", "database")
    assert "has 2 names" in finding["detail"]


@as_root
def test_a_file_of_another_account_fails(home: Home) -> None:
    """A file that belongs to somebody else than the database is named, with the command that gives it back."""
    signal = home.folder / f"{DATABASE}-signal"
    assert signal.exists()
    os.chown(signal, NOBODY, NOBODY)
    (finding,) = findings("fail", "database")

    assert str(signal.name) in finding["detail"]
    assert finding["fix"].startswith("chown --reference=")


def test_a_signal_that_others_can_read_fails(home: Home) -> None:
    """The change signal is no more open than the database is."""
    (home.folder / f"{DATABASE}-signal").chmod(0o644)
    (finding,) = findings("fail", "change signal")

    assert finding["fix"].startswith("chmod 600 ")


def policy(text: str) -> Callable[[str], str]:
    """Give keys of type api what *text* demands of them."""
    return lambda config: f"{config}\n[key_types.api]\n{text}\n"


@pytest.mark.parametrize(
    ("demanded", "said"),
    [
        ('expiry = "required"', "expire"),
        ('max_lifetime = "30d"\ndefault_lifetime = "30d"', "30"),
        ('ip_allow = "required"', "address"),
    ],
    ids=["expiry", "lifetime", "addresses"],
)
def test_keys_older_than_their_policy_are_named(home: Home, demanded: str, said: str) -> None:
    """A key that was made before its type demanded more goes on working, and is a warning."""
    key_id, _ = home.make("old", "--permission", "items:read", "--expires", "90d")
    home.make("endless", "--permission", "items:read")
    home.configure(policy(demanded))
    found = findings("warn", "policy")

    assert found
    assert all(said in finding["detail"] for finding in found)
    assert ("expiry" in demanded) != any(key_id in finding["fix"] for finding in found)
    assert "active" == typed("keys", "show", key_id, "--json").data["state"]


def test_a_team_with_too_many_keys_is_named(home: Home) -> None:
    """A team that has more keys of a type than it may is a warning that says how many."""
    for name in ("one", "two", "three"):
        home.make(name, "--permission", "items:read")
    home.configure(policy("per_team = 2"))
    (finding,) = findings("warn", "policy")

    assert "team default has 3 keys of the type api; 2 are allowed" == finding["detail"]
