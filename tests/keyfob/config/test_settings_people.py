"""How people sign in, as it is configured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import HeaderSettings, OidcSettings, PeopleSettings
from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError
from keyfob.policy.group_rules import GroupRule, build_group_rules
from keyfob.policy.roles import DEFAULT_ROLES
from tests.keyfob.config.config_file import written

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
[people]
sign_in = ["oidc", "local"]
[people.oidc]
issuer = "https://id.example.com/"
client_id = "keyfob"
client_secret_file = "oidc.secret"
label = "Sign in with Example"
[people.header]
email = "X-Forwarded-Email"
groups = ""
trusted_proxies = ["10.0.0.5/32"]
[[memberships]]
group = "acme-dev"
team = "acme"
role = "member"
"""
OIDC = "[people.oidc]\nissuer = 'https://id.example.com'\nclient_id = 'k'\nclient_secret_file = 's'\n"
WRONG = [
    ("[people]\nsign_in = ['odic']", "[people] sign_in holds a wrong entry, which must be"),
    ("[people]\nsign_in = 'oidc'", "[people] sign_in must be a list"),
    ("[people]\nsign_in = ['local', 'local']", "[people] sign_in names something twice"),
    ("[people]\nsign_in = ['oidc']", "[people.oidc] needs issuer"),
    ("[people]\nsign_in = ['header']", "[people.header] needs trusted_proxies"),
    ("[people]\nsignin = ['local']", "[people] signin is not a setting; did you mean sign_in?"),
    ("[people]\noidc = 'https://id.example.com'", "people.oidc must be a section"),
    ("[people.odic]\nissuer = 'x'", "[people.odic] is not a section; did you mean [people.oidc]?"),
    ("[people.header]\ntrusted_proxies = []", "[people.header] needs trusted_proxies"),
    ("[people.header]\nemail = 'x'", "[people.header] needs trusted_proxies"),
    ("[people.header]\nemail = ''\ntrusted_proxies = ['unix']", "[people.header] email must be the name of a header"),
    ("[people.oidc]\nissuer = 'https://id.example.com'\nclient_id = 'k'", "[people.oidc] needs client_secret_file"),
    (OIDC + "client_secret = 'hunter2'", "[people.oidc] client_secret is a secret; set it in the environment"),
    (OIDC.replace("https:", "http:"), "[people.oidc] issuer must begin with https://, not http://"),
    (OIDC.replace(".com'", ".com?a=b'"), "[people.oidc] issuer must be a URL like"),
    (OIDC + "groups_claim = 'a b'", "[people.oidc] groups_claim must be 1 to 200 printable ASCII characters"),
    (OIDC + 'label = "a\\nb"', "[people.oidc] label must be 1 to 60 characters on one line"),
    ("[memberships]\ngroup = 'x'", "memberships must be entries; write [[memberships]] above each"),
]
WRONG_ENTRIES = [
    ([{"group": "a", "team": "acme"}], "entry 1 role must be a name, and is missing"),
    ([{"group": "a", "team": "acme", "role": "membr"}], "role: there is no role membr; did you mean member?"),
    ([{"group": "a", "team": "acme", "role": "member", "rol": "x"}], "rol is not a setting; did you mean role?"),
    ([{"group": "", "team": "acme", "role": "member"}], "entry 1 group must be a name"),
    ([{"group": "a", "team": "t", "role": "member"}, {"group": "a", "team": "t", "role": "auditor"}], "of entry 1"),
    (["acme"], "entry 1 must be a table with group, team and role"),
]


def test_a_whole_configuration_is_read(tmp_path: Path) -> None:
    """The sections are read with their defaults, the issuer as it is written, and paths beside the file."""
    settings = load_settings(written(tmp_path, WHOLE), environ={})

    assert ("oidc", "local") == settings.people.sign_in
    assert settings.people.oidc == OidcSettings(
        issuer="https://id.example.com/",
        client_id="keyfob",
        client_secret_file=tmp_path / "oidc.secret",
        label="Sign in with Example",
    )
    assert HeaderSettings(trusted_proxies=("10.0.0.5/32",), groups="") == settings.people.header
    assert (GroupRule("acme-dev", "acme", "member"),) == build_group_rules(settings.memberships, DEFAULT_ROLES)


def test_people_sign_in_by_passphrase_unless_something_else_is_said(tmp_path: Path) -> None:
    """Without `[people]` sign-in is local; an empty list turns it off."""
    off = load_settings(written(tmp_path, "[people]\nsign_in = []"), environ={})

    assert PeopleSettings(sign_in=("local",)) == load_settings(environ={}).people
    assert () == off.people.sign_in


def test_the_environment_names_sections_inside_people(tmp_path: Path) -> None:
    """The secret, and whatever else, can come from the environment, and no repr shows the secret."""
    environ = {
        "KEYFOB_PEOPLE_SIGN_IN": "header, oidc",
        "KEYFOB_PEOPLE_OIDC_CLIENT_SECRET": "hunter2",
        "KEYFOB_PEOPLE_OIDC_ISSUER": "http://127.0.0.1:8080",
        "KEYFOB_PEOPLE_HEADER_TRUSTED_PROXIES": "unix",
    }

    people = load_settings(written(tmp_path, WHOLE), environ=environ).people

    assert people.oidc is not None
    assert people.header is not None
    assert (("header", "oidc"), "hunter2", "http://127.0.0.1:8080", ("unix",)) == (
        people.sign_in,
        people.oidc.client_secret,
        people.oidc.issuer,
        people.header.trusted_proxies,
    )
    assert "hunter2" not in repr(people)


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A mistake in how people sign in stops the start, with the setting and the fix, and without a secret."""
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_settings(written(tmp_path, text), environ={})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"KEYFOB_PEOPLE_OIDC_ISUER": "x"}, "did you mean KEYFOB_PEOPLE_OIDC_ISSUER?"),
        ({"KEYFOB_PEOPLE_OIDC_CLIENT_SECRET": "hunter2 \xe9"}, "KEYFOB_PEOPLE_OIDC_CLIENT_SECRET must be the client's"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(environ: dict[str, str], message: str) -> None:
    """A misspelt or impossible variable stops the start; its value is not repeated."""
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_settings(environ=environ)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("raw", "message"), WRONG_ENTRIES)
def test_a_wrong_membership_is_named(raw: list[object], message: str) -> None:
    """A mistake in `[[memberships]]` stops the start, with the entry's number."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_group_rules(raw, DEFAULT_ROLES)
