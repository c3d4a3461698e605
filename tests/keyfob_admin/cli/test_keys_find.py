from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

pytestmark = pytest.mark.both_engines
READ = ("--permission", "items:read")


def test_the_keys_of_a_text_are_found(home: Home) -> None:
    """A pasted line names the key, its team and its state, and the secret is not repeated."""
    key_id, secret = home.make("ci", *READ)
    line = f'10.0.0.1 - "GET /items?key={secret} HTTP/1.1" 401'

    said = typed("keys", "find", "-", stdin=line)
    as_json = typed("keys", "find", "-", "--json", stdin=line)

    assert (0, 0) == (said.code, as_json.code)
    assert f"kf_api_{key_id}" in said.out
    assert [("key", key_id, True)] == [
        (match["kind"], match["key"]["id"], match["secret_checked"]) for match in as_json.data["matches"]
    ]
    assert secret[-40:] not in said.out + said.err + as_json.out


def test_nothing_found_is_exit_code_4(home: Home) -> None:
    """A script can tell; and what is named on the command line is refused, because it stays in a history."""
    assert 4 == typed("keys", "find", "-", stdin="nothing here").code
    assert 2 == typed("keys", "find", "some text").code
    assert 2 == typed("keys", "find").code
    assert 2 == typed("keys", "find", "-", stdin="a" * 70_000).code


def test_a_deleted_key_is_found(home: Home) -> None:
    """It says by whom it was deleted."""
    key_id, secret = home.make("old", *READ)
    typed("keys", "disable", key_id)
    typed("keys", "delete", "--yes", key_id)

    said = typed("keys", "find", "-", stdin=secret)

    assert 0 == said.code
    assert "deleted" in said.out
    assert "old" in said.out


def test_every_key_of_a_text_is_disabled(home: Home) -> None:
    """After --yes, or an answer at a terminal; without either nothing changes."""
    (one, secret), (other, _) = home.make("ci", *READ), home.make("deploy", *READ)
    text = f"{secret} and kf_api_{other}"

    assert 2 == typed("keys", "disable", "-", stdin=text).code
    assert "active" == typed("keys", "show", one, "--json").data["state"]
    assert 2 == typed("keys", "disable", "-", one, stdin=text).code
    assert 4 == typed("keys", "disable", "-", "--yes", stdin="nothing").code
    assert 0 == typed("keys", "disable", "-", "--yes", stdin=text).code
    assert ["disabled"] * 2 == [typed("keys", "show", key, "--json").data["state"] for key in (one, other)]
