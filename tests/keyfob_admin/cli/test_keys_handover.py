from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

pytestmark = pytest.mark.both_engines
MAKE = ("keys", "create", "partner", "--permission", "items:read", "--handover")


def test_the_link_alone_is_on_stdout(home: Home) -> None:
    """A script can send it on; the words are on stderr, and no secret is anywhere."""
    made = typed(*MAKE, "--url", "https://keys.example.com/")

    assert 0 == made.code
    (link,) = made.out.splitlines()
    assert link.startswith("https://keys.example.com/handover/")
    assert "is pending" in made.err
    assert link.rpartition("/")[2] not in made.err
    assert "partner" in typed("keys", "list", "--state", "pending").out


def test_a_new_link_is_printed_for_a_pending_key(home: Home) -> None:
    """Of a key that has its secret there is none: exit code 5."""
    made = typed(*MAKE, "--json", "--link-expires", "10min")
    key_id, _ = home.make("ci", "--permission", "items:read")

    renewed = typed("keys", "handover", made.data["key"]["id"], "--json")

    assert "pending" == made.data["key"]["state"]
    assert made.data["handover_url"] != renewed.data["handover_url"]
    assert "secret" not in renewed.data
    assert 5 == typed("keys", "handover", key_id).code
    assert 2 == typed("keys", "handover", made.data["key"]["id"], "--link-expires", "1min").code
