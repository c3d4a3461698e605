"""Options that mean nothing by themselves, contradict each other, or came from an empty variable of a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


@pytest.mark.parametrize("options", [["--link-expires", "24h"], ["--url", "https://keys.example.com"]])
def test_a_forgotten_handover_prints_no_key(home: Home, options: list[str]) -> None:
    """Whoever says how long a link works wants a link, and shall not see the secret instead."""
    refused = typed("keys", "create", "ci", "--permission", "items:read", *options)

    assert (2, "") == (refused.code, refused.out)
    assert "go with --handover" in refused.err
    assert ["admin"] == [key["name"] for key in typed("keys", "list", "--json").data["keys"]]


@pytest.mark.parametrize(
    "command",
    [
        ["keys", "create", "ci", "--handover", "--yes"],
        ["people", "invite", "ana@example.com", "--role", "member"],
        ["console", "login"],
    ],
)
@pytest.mark.parametrize("url", ["keys.example.com", "https://", "ftp://keys.example.com", "https://a b"])
def test_a_link_leads_to_an_address(home: Home, command: list[str], url: str) -> None:
    """A link that is made once and works once is not spent on an address that no browser opens."""
    refused = typed(*command, "--url", url)

    assert (2, "") == (refused.code, refused.out)
    assert 'must be a URL like "https://keys.example.com"' in refused.err
    assert typed(*command, "--url", "").out.startswith("http://127.0.0.1:8700/")


def test_what_contradicts_itself_changes_nothing(home: Home) -> None:
    """Neither of the two is chosen."""
    key, _ = home.make("ci", "--permission", "items:read")

    for arguments, words in (
        (
            ["keys", "edit", key, "--add", "items:write", "--remove", "items:write"],
            "contradict each other: items:write",
        ),
        (["keys", "duplicate", key, "--add", "items:read", "--remove", "items:read"], "contradict each other"),
        (["keys", "limits", key, "--for", "2h"], "--for goes with --raise"),
    ):
        refused = typed(*arguments)
        assert (2, True) == (refused.code, words in refused.err)
    assert ["items:read"] == typed("keys", "show", key, "--json").data["permissions"]


def test_an_empty_name_of_a_signing_key_is_not_the_newest(home: Home) -> None:
    """A variable that was never set activates nothing."""
    assert 0 == typed("keyring", "add").code
    assert 4 == typed("keyring", "activate", "", "--yes").code
    assert ["active", "not activated"] == [
        entry["state"] for entry in typed("keyring", "show", "--json").data["entries"]
    ]
