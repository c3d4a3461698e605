"""What doctor finds in the configuration that keeps `keyfob serve` from starting, or notices from arriving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

WEBHOOK = '[[notices]]\nevents = ["*"]\nwebhook = "https://hooks.example.com/"\nsecret_file = "hook.secret"\n'
MAIL = """
[smtp]
sender = "keyfob@example.com"
username = "keyfob"
password_file = "smtp.password"
[[notices]]
events = ["*"]
email = ["ops@example.com"]
"""


@pytest.mark.parametrize(
    ("more", "what", "words"),
    [
        ('[[memberships]]\ngroup = "dev"\nteam = "default"\nrole = "membre"\n', "people", "did you mean member?"),
        ("[[memberships]]\ngroup = 5\n", "people", "entry 1 group must be a name"),
        ('[roles.boss]\npermissions = "keys:read"\n', "people", "permissions must be a list"),
        ('[foreign.old]\npattern = "["\n', "foreign", "is no literal, character class or count"),
        (WEBHOOK, "notices", "hook.secret can't be read"),
        (MAIL, "notices", "smtp.password: No such file or directory"),
        ('[plans.gold]\nkey_types = ["robot"]\n', "rules", "robot"),
    ],
)
def test_what_keeps_the_server_from_starting_is_found_once(home: Home, more: str, what: str, words: str) -> None:
    """Under the name of what it is about, and not of the check that came across it afterwards."""
    home.configure(lambda text: f"{text}\n{more}")
    said = typed("doctor", "--json")

    assert 3 == said.code
    assert [what] == [one["what"] for one in said.data["findings"] if words in one["detail"]]


@pytest.mark.parametrize("password", ["p\u00e4ssword".encode(), b"\xff\xfe"])
def test_a_password_that_smtp_cannot_send_is_a_warning(home: Home, password: bytes) -> None:
    """No e-mail would arrive; the password itself is not repeated."""
    (home.folder / "smtp.password").write_bytes(password)
    home.configure(lambda text: text + MAIL)
    said = typed("doctor", "--json")

    (found,) = [one for one in said.data["findings"] if one["what"] == "notices"]
    assert (0, "warn", True) == (said.code, found["level"], "cannot be sent" in found["detail"])
    assert "p\u00e4ssword" not in said.out


def test_receivers_that_can_be_told_are_no_finding(home: Home) -> None:
    """What is right is not mentioned."""
    (home.folder / "smtp.password").write_text("hush")
    (home.folder / "hook.secret").write_text("whsec_" + "eHh4" * 8)
    home.configure(lambda text: text + MAIL + WEBHOOK)
    said = typed("doctor", "--json")

    assert (0, []) == (said.code, [one for one in said.data["findings"] if one["what"] == "notices"])


@pytest.mark.parametrize("url", ["valkey://[::1", "valkey://host:x", "valkey://host:99999/0", "redis://:hush@host:0"])
def test_an_address_of_valkey_that_cannot_be_is_one_line(home: Home, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A bracket too few or a port that is none is a mistake in the configuration, and the message keeps the URL."""
    monkeypatch.setenv("KEYFOB_MIDDLEWARE_LIMITS", url)
    failed = typed("keys", "list")

    assert (1, 1) == (failed.code, len(failed.err.splitlines()))
    assert 'KEYFOB_MIDDLEWARE_LIMITS must be "local", or a URL such as' in failed.err
    assert "hush" not in failed.err
