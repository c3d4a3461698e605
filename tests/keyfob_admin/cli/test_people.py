"""``keyfob people``, typed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.management.actor import Actor
from keyfob.people.app_person import AppPerson
from keyfob.runtime.runtime import Runtime
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.cli.conftest import Home


def invited(email: str, role: str = "member") -> dict[str, Any]:
    said = typed("people", "invite", email, "--role", role, "--json")
    assert 0 == said.code, said.err
    person: dict[str, Any] = said.data["person"]
    return person


def test_an_invitation_prints_its_link_alone(home: Home) -> None:
    """The link is all that stands on stdout, so that it can be piped; it leads to the console that is named."""
    said = typed("people", "invite", "ben@example.com", "--role", "member", "--name", "Ben", "--url", "https://k.org/")

    assert said.out.startswith("https://k.org/invitation/")
    assert 1 == len(said.out.splitlines())
    assert "Ben (ben@example.com) is member in the team default" in said.err


def test_people_are_listed(home: Home) -> None:
    """The list is by name, narrowed by team, text and state."""
    for name in ("cleo", "ana", "ben"):
        invited(f"{name}@example.com")

    def emails(*arguments: str) -> list[str]:
        return [one["email"] for one in typed("people", "list", *arguments, "--json").data["people"]]

    assert ["ana@example.com", "ben@example.com", "cleo@example.com"] == emails() == emails("--team", "default")
    assert (["ben@example.com"], []) == (emails("--search", "ben"), emails("--state", "left"))
    assert "default: member" in typed("people", "list").out


def test_a_role_is_set_and_taken(home: Home) -> None:
    """People are named by address or id."""
    person = invited("ben@example.com")

    after = typed("people", "set-role", "BEN@example.com", "--role", "auditor", "--json").data
    said = typed("people", "remove", person["id"])

    assert [{"team": "default", "role": "auditor", "by": "person"}] == after["memberships"]
    assert (0, "ben@example.com (ben@example.com) is no member of the team default any more.\n") == (
        said.code,
        said.err,
    )


def test_offboarding_asks_and_says_what_happens(home: Home) -> None:
    """Without a terminal --yes is demanded; a dry run changes nothing; the keys go to whom --to names."""
    invited("cleo@example.com")
    ben = invited("ben@example.com")
    key, _ = home.make("ci", "--permission", "items:read")
    leave = ("people", "offboard", "cleo@example.com", "--keys", "transfer", "--to", "ben@example.com")

    assert 2 == typed(*leave).code
    assert "would leave" in typed(*leave, "--dry-run").err
    assert "invited" == typed("people", "list", "--search", "cleo", "--json").data["people"][0]["state"]
    done = typed(*leave, "--yes", "--reason", "left", "--json")

    assert {"keys": [], "sessions_ended": 0, "admin_keys_ended": 0} == done.data
    assert "left" == typed("people", "list", "--search", "cleo", "--json").data["people"][0]["state"]
    assert 5 == typed(*leave, "--yes").code
    assert {"kind": "team"} == typed("keys", "show", key, "--json").data["owner"]
    assert [] == typed("keys", "list", "--owner", ben["id"], "--json").data["keys"]


def test_somebody_who_left_is_invited_again_by_id(home: Home) -> None:
    """The id in place of the address brings them back; they have a name already."""
    ben = invited("ben@example.com")
    again = ("people", "invite", ben["id"], "--role", "member")
    typed("people", "offboard", ben["id"], "--keys", "keep", "--yes")
    assert 2 == typed(*again, "--name", "Benjamin").code
    assert "/invitation/" in typed(*again).out
    assert "invited" == typed("people", "list", "--json").data["people"][0]["state"]
    assert 4 == typed("people", "invite", "0" * 16, "--role", "member").code


def test_a_way_back_is_printed(home: Home) -> None:
    """A new link works for whoever is a local person and has not left."""
    invited("ben@example.com")

    link = typed("people", "sign-in-link", "ben@example.com").out
    typed("people", "offboard", "ben@example.com", "--keys", "keep", "--yes")

    assert "/invitation/" in link
    assert 5 == typed("people", "sign-in-link", "ben@example.com").code


def test_init_invites_the_first_owner(folder: Path) -> None:
    """The key and then the link are all that `keyfob init --owner` prints; a wrong address makes nothing."""
    assert 2 == typed("init", "--owner", "nobody").code
    assert [] == list(folder.iterdir())

    key, link = typed("init", "--owner", "ana@example.com").out.splitlines()

    assert key.startswith("kf_admin_")
    assert link.startswith("http://127.0.0.1:8700/invitation/")
    (owner,) = typed("people", "list", "--json").data["people"]
    assert ("ana@example.com", "owner") == (owner["email"], owner["memberships"][0]["role"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["invite", "nobody", "--role", "member"], 2),
        (["invite", "a@example.com", "--role", "king"], 2),
        (["invite", "a@example.com", "--role", "member", "--team", "none"], 4),
        (["set-role", "nobody@example.com", "--role", "member"], 4),
        (["remove", "nobody@example.com"], 4),
        (["sign-in-link", "nobody@example.com"], 4),
        (["offboard", "nobody@example.com", "--keys", "keep", "--yes"], 4),
    ],
)
def test_what_cannot_be_is_one_line(home: Home, arguments: list[str], code: int) -> None:
    """An unknown person or team is not found, a wrong value a usage error."""
    refused = typed("people", *arguments)

    assert (code, "", 1) == (refused.code, refused.out, len(refused.err.splitlines()))


def test_somebody_without_an_address_is_named_by_id(home: Home) -> None:
    """The users of an application need none, and two of them may have one name."""

    async def open_page() -> str:
        runtime = Runtime(home.settings)
        try:
            await runtime.ready()
            given = AppPerson("u1", "Ann", None, "default")
            made = await runtime.page_sessions.create(
                given, "https://app.example.com/", actor=Actor.command_line("operator")
            )
            return made.person.id
        finally:
            await runtime.stop()

    home.configure(lambda text: text + '\n[page]\nreturn_urls = ["https://app.example.com"]\n')
    ann = asyncio.run(open_page())

    for arguments in (["set-role", ann, "--role", "team_admin"], ["offboard", ann, "--keys", "keep", "--yes"]):
        assert f"Ann ({ann}) has " in typed("people", *arguments).err
