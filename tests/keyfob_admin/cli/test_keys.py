from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from keyfob import parse_key
from keyfob.store.contract.key_store import Use
from keyfob.store.opening import open_store
from tests.keyfob_admin.cli.conftest import run, typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

READ = ("--permission", "items:read")


async def use(home: Home, key_id: str) -> None:
    """Let it look as if the key had been used just now."""
    store = open_store(home.settings.store or "")
    await store.add_usage({key_id: Use(last_at=datetime.now(UTC), ip="10.0.0.1")})
    await store.close()


def names(*arguments: str) -> list[str]:
    return [key["name"] for key in typed("keys", "list", *arguments, "--json").data["keys"]]


def test_create_prints_the_key_alone(home: Home) -> None:
    """The key is all that is on stdout, and words about it, without it, are on stderr."""
    made = run("keys", "create", "ci", *READ)
    key = parse_key(made.out.strip())

    assert (0, 1) == (made.code, len(made.out.splitlines()))
    assert key is not None
    assert key.display in made.err
    assert key.secret not in made.err


def test_create_says_all_that_a_key_can_be(home: Home) -> None:
    """Every option arrives where it belongs, and the command line is named as the creator."""
    options = ["--team", "default", "--permission", "items:write", *READ, "--description", "for the builds"]
    made = typed("keys", "create", "ci", *options, "--expires", "2w", "--ip", "10.0.0.0/8", "--ip", "::1", "--json")
    key = made.data["key"]
    left = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)

    assert ["items:read", "items:write"] == key["permissions"]
    assert ("ci", "for the builds", "api", "default", "active") == tuple(
        key[name] for name in ("name", "description", "type", "team", "state")
    )
    assert ["10.0.0.0/8", "::1/128"] == key["ip_allow"] or ["10.0.0.0/8", "::1"] == key["ip_allow"]
    assert timedelta(days=13, hours=23) < left <= timedelta(weeks=2)
    assert "cli" == key["created_by"]["kind"]
    assert key["created_by"]["name"]


@pytest.mark.parametrize("when", ["90d", "12h", "2w", "2099-01-31T12:00:00Z", "2099-01-31T12:00:00+01:00"])
def test_expiry_is_written_as_people_write_it(home: Home, when: str) -> None:
    """A length of time or RFC 3339 says when a key runs out."""
    assert 0 == typed("keys", "create", "ci", "--expires", when).code


@pytest.mark.parametrize("when", ["", "d", "-1d", "90", "1y", "tomorrow", "2020-01-01T00:00:00Z", "2099-01-31T12:00:00",
                                  "999999w", "0d", "٣d"])  # fmt: skip
def test_an_expiry_that_is_none_is_a_usage_error(home: Home, when: str) -> None:
    """What is no time, lies in the past or has no time zone makes no key."""
    assert (2, "") == (typed("keys", "create", "ci", "--expires", when).code, "")
    assert ["admin"] == names()


@pytest.mark.both_engines
def test_lists_are_filtered(home: Home) -> None:
    """State, type, team and how long a key was not used narrow the list."""
    home.make("reader", *READ)
    computer, _ = home.make("studio", "--type", "computer")
    typed("keys", "disable", computer)
    typed("teams", "create", "other")
    home.make("theirs", "--team", "other", *READ)

    assert ["admin", "reader", "studio", "theirs"] == names()
    assert ["theirs"] == names("--team", "other")
    assert ["studio"] == names("--state", "disabled")
    assert ["studio"] == names("--type", "computer")
    asyncio.run(use(home, computer))
    assert [] == names("--unused", "1h")  # every key is younger than that
    assert ["admin", "reader", "theirs"] == names("--never-used")
    assert ["admin", "reader", "studio", "theirs"] == names("--unused", "2099-01-01T00:00:00Z")
    assert 4 == typed("keys", "list", "--team", "nobody").code
    assert 2 == typed("keys", "list", "--type", "nothing").code


@pytest.mark.both_engines
def test_a_list_longer_than_a_page_is_whole(home: Home) -> None:
    """The command line pages through to the end by itself."""
    from keyfob_admin.cli.keys import list as keys_list  # noqa: PLC0415

    pages = pytest.MonkeyPatch()
    pages.setattr(keys_list, "LARGEST_PAGE", 2)
    try:
        made = [home.make(f"key {n}", *READ)[0] for n in range(4)]
        listed = [key["id"] for key in typed("keys", "list", "--json").data["keys"]]
    finally:
        pages.undo()

    assert set(made) < set(listed)
    assert 5 == len(listed)


@pytest.mark.parametrize("shape", ["{id}", "kf_api_{id}"])
def test_show_takes_both_forms_of_an_id(home: Home, shape: str) -> None:
    """The 16 characters and the displayed form name the same key."""
    key_id, _ = home.make("ci", *READ)
    shown = typed("keys", "show", shape.format(id=key_id), "--json").data

    assert (key_id, "ci") == (shown["id"], shown["name"])
    assert f"kf_api_{key_id}" in typed("keys", "show", key_id).out


@pytest.mark.parametrize("verb", ["show", "disable", "enable", "duplicate", "delete"])
def test_an_unknown_id_is_not_found(home: Home, verb: str) -> None:
    """A key that never was, or an id of another shape, ends with 4."""
    for unknown in ("0123456789abcdef", "kf_api_0123456789abcdef", "xyz", "..", "kg_api_0123456789abcdef"):
        assert (4, "") == (typed("keys", verb, unknown).code, "")


@pytest.mark.parametrize("verb", ["show", "disable", "enable", "duplicate", "delete"])
def test_a_whole_key_is_no_id_and_is_not_repeated(home: Home, verb: str) -> None:
    """Who pastes a secret where an id belongs is told so, without showing it again."""
    _, secret = home.make("ci", *READ)
    refused = typed("keys", verb, secret)

    assert 2 == refused.code
    assert secret[-40:] not in refused.out + refused.err


def test_duplicate_copies_but_for_what_is_said(home: Home) -> None:
    """A copy has a new secret, the permissions less and more what one says, and a name of its own."""
    key_id, secret = home.make("ci", *READ, "--expires", "30d")
    copy = typed("keys", "duplicate", key_id, "--add", "items:write", "--remove", "items:read", "--json").data
    other = typed("keys", "duplicate", key_id, "--name", "other", "--expires", "never", "--json").data

    assert ("Copy of ci", ["items:write"], key_id) == tuple(
        copy["key"][n] for n in ("name", "permissions", "duplicated_from")
    )
    assert ("other", ["items:read"], None) == tuple(other["key"][n] for n in ("name", "permissions", "expires_at"))
    assert 3 == len({secret, copy["secret"], other["secret"]})
    assert 2 == typed("keys", "duplicate", key_id, "--remove", "items:write").code


def test_lc_03_a_key_is_disabled_then_deleted_for_ever(home: Home) -> None:
    """An enabled key is not deleted, a disabled one is after a yes, and then nobody finds it."""
    key_id, secret = home.make("ci", *READ)

    assert 5 == typed("keys", "delete", key_id, "--yes").code
    assert "disabled" == typed("keys", "disable", key_id, "--json").data["state"]
    assert 3 == typed("keys", "check", "-", stdin=secret).code
    assert "active" == typed("keys", "enable", key_id, "--json").data["state"]
    assert 0 == typed("keys", "check", "-", stdin=secret).code
    typed("keys", "disable", key_id)
    assert 2 == typed("keys", "delete", key_id).code
    deleted = typed("keys", "delete", key_id, "--yes", "--json")
    assert {"id": key_id, "display": f"kf_api_{key_id}", "deleted": True} == deleted.data
    assert "" == deleted.err
    assert 4 == typed("keys", "show", key_id).code
    assert 3 == typed("keys", "check", "-", stdin=secret).code


def test_disable_says_until_when_it_may_take(home: Home) -> None:
    """The answer tells by when every server acts on it."""
    key_id, _ = home.make("ci", *READ)

    assert "effective_by" in typed("keys", "disable", key_id, "--json").data


def test_disable_waits_for_nobody_where_nobody_serves(home: Home) -> None:
    """Without a server there is nobody to wait for, and the answer comes at once."""
    key_id, _ = home.make("ci", *READ)

    told = typed("keys", "disable", key_id, "--wait", "--json").data

    assert [] == told["workers"]
    assert told["effective_at"] == told["effective_by"]


def test_aa_14_the_last_admin_key_stays(home: Home) -> None:
    """Who would lock everybody out is refused, and the way on is named."""
    (admin,) = typed("keys", "list", "--json").data["keys"]
    refused = typed("keys", "disable", admin["id"])

    assert 5 == refused.code
    assert "create another one first" in refused.err


@pytest.mark.both_engines
def test_one_key_per_team_is_a_conflict(home: Home) -> None:
    """A second computer key is refused, and takes the first one's place when one says so."""
    first, _ = home.make("one", "--type", "computer")

    assert 5 == typed("keys", "create", "two", "--type", "computer").code
    assert 0 == typed("keys", "create", "two", "--type", "computer", "--replace").code
    assert 4 == typed("keys", "show", first).code


@pytest.mark.parametrize(
    "arguments",
    [
        ["--permission", "items:raed"],
        ["--permission", "nothing:read"],
        ["--permission", "Items"],
        ["--type", "robot"],
        ["--ip", "10.0.0.0/99"],
        ["--ip", "somewhere"],
        ["--description", "a\x00b"],
        ["--type", "computer", "--permission", "items:read"],
        ["--type", "api", "--permission", "keys:read"],
        ["--state", "active"],
    ],
)
def test_what_cannot_be_makes_no_key(home: Home, arguments: list[str]) -> None:
    """A wrong value is a usage error in one line, and prints no key."""
    refused = typed("keys", "create", "ci", *arguments)

    assert (2, "", 1) == (refused.code, refused.out, len(refused.err.splitlines()))
    assert refused.err.startswith("keyfob: ")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "\u202eevil", "\x1b[31m"])
def test_bad_names_make_no_key(home: Home, name: str) -> None:
    """Names that are empty, too long or could mislead are refused, and do not steer the terminal."""
    refused = typed("keys", "create", name)

    assert (2, "") == (refused.code, refused.out)
    assert "\x1b" not in refused.err


def test_a_team_has_to_be_named_where_there_are_several(home: Home) -> None:
    """With one team it is the one that is meant; with two, one has to say which; an unknown one is not found."""
    home.make("ci", *READ)
    typed("teams", "create", "other")
    asked = typed("keys", "create", "ci", *READ)

    assert 2 == asked.code
    assert "default, other" in asked.err
    assert 4 == typed("keys", "create", "ci", *READ, "--team", "nobody").code


def test_a_plan_without_the_type_refuses(home: Home) -> None:
    """What a team's plan does not include is refused, and restored keys work when the plan is raised again."""
    _, secret = home.make("ci", *READ)
    assert 0 == typed("teams", "set-plan", "default", "teams").code

    assert 1 == typed("keys", "create", "more", *READ).code
    assert 3 == typed("keys", "check", "-", stdin=secret).code
    assert 0 == typed("teams", "set-plan", "default", "enterprise").code
    assert 0 == typed("keys", "check", "-", stdin=secret).code


def test_an_account_without_a_name_is_known_by_its_number(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user has no name the audit log says the number."""

    def nobody(_: int) -> NoReturn:
        raise KeyError

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    key_id, _ = home.make("ci")

    assert typed("keys", "show", key_id, "--json").data["created_by"]["name"].startswith("uid ")
