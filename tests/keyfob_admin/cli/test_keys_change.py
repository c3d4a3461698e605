"""``keyfob keys edit`` and ``keyfob keys rotate``, typed as somebody at a terminal types them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import parse_key
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

pytestmark = pytest.mark.both_engines
READ = ("--permission", "items:read")


def edit(key_id: str, *options: str) -> dict[str, Any]:
    """Change a key; what it is afterwards."""
    said = typed("keys", "edit", key_id, *options, "--json")
    assert 0 == said.code, said.err
    shown: dict[str, Any] = said.data
    return shown


def test_each_option_changes_its_member(home: Home) -> None:
    """What an option names is changed, and nothing else."""
    key_id, _ = home.make("ci", *READ, "--description", "for the builds", "--ip", "10.0.0.0/8")
    before = typed("keys", "show", key_id, "--json").data
    after = edit(key_id, "--name", "nightly", "--external-id", "job-7", "--metadata", "tier=gold", "--metadata", "n=3")

    assert ("nightly", "job-7", {"tier": "gold", "n": 3}) == (after["name"], after["external_id"], after["metadata"])
    for member in ("description", "permissions", "ip_allow", "expires_at", "state", "owner", "created_at"):
        assert before[member] == after[member], member


def test_empty_texts_and_null_take_away(home: Home) -> None:
    """An empty description, external id or metadata member of null is none; --any-ip lifts the list of addresses."""
    made = (
        "--description",
        "for the builds",
        "--ip",
        "10.0.0.0/8",
        "--external-id",
        "job-7",
        "--metadata",
        "tier=gold",
    )
    key_id, _ = home.make("ci", *READ, *made)
    after = edit(key_id, "--description", "", "--external-id", "", "--metadata", "tier=null", "--any-ip")

    assert (None, None, {}, []) == tuple(after[name] for name in ("description", "external_id", "metadata", "ip_allow"))


def test_permissions_are_added_and_removed_by_name(home: Home) -> None:
    """--add and --remove change the permissions that are held; the others stay."""
    key_id, _ = home.make("ci", *READ)

    assert ["items:read", "items:write"] == edit(key_id, "--add", "items:write")["permissions"]
    assert ["items:write"] == edit(key_id, "--remove", "items:read")["permissions"]


def test_removing_what_is_not_held_is_a_mistake(home: Home) -> None:
    """A permission that the key does not hold cannot be taken away; the message says what it holds."""
    key_id, _ = home.make("ci", *READ)
    said = typed("keys", "edit", key_id, "--remove", "items:write")

    assert 2 == said.code
    assert "it holds items:read" in said.err


def test_the_end_can_be_set_and_lifted(home: Home) -> None:
    """A length of time sets the end, and never lifts it."""
    key_id, _ = home.make("ci", *READ)
    end = datetime.fromisoformat(edit(key_id, "--expires", "2w")["expires_at"])

    assert timedelta(days=13, hours=23) < end - datetime.now(UTC) <= timedelta(weeks=2)
    assert edit(key_id, "--expires", "never")["expires_at"] is None


def test_words_tell_a_change_from_none(home: Home) -> None:
    """Who changes nothing is told that nothing was changed."""
    key_id, _ = home.make("ci", *READ)

    assert "(nightly) was changed." in typed("keys", "edit", key_id, "--name", "nightly").err
    assert "nothing was changed" in typed("keys", "edit", key_id, "--name", "nightly").err


@pytest.mark.parametrize(
    "options",
    [("--ip", "10.0.0.0/8", "--any-ip"), ("--metadata", "tier"), ("--expires", "yesterday"), ("--owner", "me")],
    ids=["addresses", "metadata", "end", "unknown option"],
)
def test_options_that_contradict_or_cannot_be_read_change_nothing(home: Home, options: tuple[str, ...]) -> None:
    """A usage error is exit code 2, and the key stays as it is."""
    key_id, _ = home.make("ci", *READ)
    before = typed("keys", "show", key_id, "--json").data

    assert 2 == typed("keys", "edit", key_id, *options).code
    assert before == typed("keys", "show", key_id, "--json").data


def test_rotate_prints_the_new_key_alone(home: Home) -> None:
    """The new key is all of stdout; stderr says when the replaced one ends."""
    key_id, secret = home.make("ci", *READ)
    said = typed("keys", "rotate", key_id, "--overlap", "2h")
    made = parse_key(said.out.strip())

    assert (0, 1) == (said.code, len(said.out.splitlines()))
    assert made is not None
    assert made.secret != secret
    assert made.secret not in said.err
    assert f"The key {key_id} ends " in said.err


def test_rotate_as_json_links_both_keys(home: Home) -> None:
    """The new key names the one it replaces, which ends after the overlap."""
    key_id, _ = home.make("ci", *READ)
    answer = typed("keys", "rotate", key_id, "--json").data
    end = datetime.fromisoformat(answer["replaced"]["ends_at"])

    assert (key_id, key_id) == (answer["replaced"]["id"], answer["key"]["replaces"])
    assert timedelta(hours=23) < end - datetime.now(UTC) <= timedelta(hours=24)
    assert answer["key"]["id"] == typed("keys", "show", key_id, "--json").data["replaced_by"]


def test_a_replaced_key_may_go_on_until_somebody_ends_it(home: Home) -> None:
    """Without an end, the words say so."""
    key_id, _ = home.make("ci", *READ)
    said = typed("keys", "rotate", key_id, "--overlap", "never", "--expires", "30d")

    assert 0 == said.code
    assert f"The key {key_id} goes on working until somebody ends it." in said.err
    assert "It expires " in said.err


def test_rotating_waits_for_the_workers_when_asked(home: Home) -> None:
    """With --wait the answer says which workers have confirmed it; the secret is on stdout all the same."""
    key_id, _ = home.make("ci", *READ)
    said = typed("keys", "rotate", key_id, "--overlap", "0s", "--wait")

    assert 0 == said.code
    assert parse_key(said.out.removesuffix("\n")) is not None
    assert "No worker acts on the old state any longer" in said.err


@pytest.mark.parametrize("overlap", ["91d", "-1h", "soon", "24"])
def test_an_overlap_out_of_range_replaces_nothing(home: Home, overlap: str) -> None:
    """An overlap is 0s to 90d, or never."""
    key_id, _ = home.make("ci", *READ)
    said = typed("keys", "rotate", key_id, "--overlap", overlap)

    assert 0 != said.code
    assert "" == said.out
    assert typed("keys", "show", key_id, "--json").data["replaced_by"] is None


def test_a_key_is_replaced_once(home: Home) -> None:
    """The second time names the successor, and makes no key."""
    key_id, _ = home.make("ci", *READ)
    successor = typed("keys", "rotate", key_id, "--json").data["key"]["id"]
    said = typed("keys", "rotate", key_id)

    assert (5, "") == (said.code, said.out)
    assert successor in said.err
