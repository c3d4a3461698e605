"""Several keys at once, and finding the ones that are meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

pytestmark = pytest.mark.both_engines
READ = ("--permission", "items:read")


def names(*arguments: str) -> list[str]:
    return [key["name"] for key in typed("keys", "list", *arguments, "--json").data["keys"]]


def test_several_keys_are_disabled_enabled_and_deleted_at_once(home: Home) -> None:
    """Each id is acted on once, in order; with --json each key is one line."""
    ids = [home.make(f"key {number}", *READ)[0] for number in range(3)]
    disabled = typed("keys", "disable", *ids, ids[0], "--json").out.splitlines()

    assert [(key_id, "disabled") for key_id in ids] == [(key["id"], key["state"]) for key in map(json.loads, disabled)]
    assert 3 == typed("keys", "enable", *ids).err.count("is enabled")
    typed("keys", "disable", *ids[:2])
    refused = typed("keys", "delete", "--yes", *ids)
    assert 5 == refused.code
    assert ids[2] in refused.err
    assert 0 == typed("keys", "delete", "--yes", *ids[:2]).code
    assert ["admin", "key 2"] == names()


@pytest.mark.parametrize("verb", ["disable", "enable", "delete"])
def test_a_slip_in_one_of_several_ids_changes_no_key(home: Home, verb: str) -> None:
    """All ids are found before the first key is changed."""
    key_id, _ = home.make("ci", *READ)
    typed("keys", "enable" if verb == "disable" else "disable", key_id)
    before = typed("keys", "show", key_id).out

    assert 4 == typed("keys", verb, key_id, "0123456789abcdef").code
    assert 2 == typed("keys", verb).code
    assert before == typed("keys", "show", key_id).out


def test_lists_are_searched(home: Home) -> None:
    """A part of the name or the id finds a key; a whole key on the command line is refused and not repeated."""
    key_id, secret = home.make("billing staging", *READ)
    home.make("checkout", *READ)

    assert ["billing staging"] == names("--search", "LING")
    assert ["billing staging"] == names("--search", key_id)
    assert ["billing staging"] == names("--search", f"kf_api_{key_id}")
    assert [] == names("--search", "nothing like it")
    refused = typed("keys", "list", "--search", secret)
    assert 2 == refused.code
    assert secret[-40:] not in refused.out + refused.err


@pytest.mark.parametrize("unused", ["2024-01-31", "1mo", "90d"])
def test_unused_takes_dates_and_lengths(home: Home, unused: str) -> None:
    """A date or a length of time says since when a key was not used."""
    assert 0 == typed("keys", "list", "--unused", unused).code


def test_keys_that_run_out_soon_are_listed(home: Home) -> None:
    """The next one first; exit code 3 tells a daily job that there are any, and disabled keys need no attention."""
    for name, lifetime in (("in ten days", "10d"), ("tomorrow", "1d"), ("later", "90d"), ("off", "2d")):
        home.make(name, *READ, "--expires", lifetime)
    off = next(key for key in typed("keys", "list", "--json").data["keys"] if key["name"] == "off")
    typed("keys", "disable", off["id"])

    soon = typed("keys", "expiring", "--json")

    assert (3, ["tomorrow", "in ten days"]) == (soon.code, [key["name"] for key in soon.data["keys"]])
    assert 3 == typed("keys", "expiring", "--within", "5d").code
    assert 0 == typed("keys", "expiring", "--within", "1h").code
    listed = typed("keys", "list", "--expiring", "14d", "--order-by", "-expires_at", "--json")
    assert (0, ["in ten days", "tomorrow"]) == (listed.code, [key["name"] for key in listed.data["keys"]])
    assert 2 == typed("keys", "list", "--expiring", "14d", "--state", "disabled").code
