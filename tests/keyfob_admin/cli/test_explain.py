"""``keyfob explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def test_explain_says_what_is_held_and_what_is_missing(home: Home) -> None:
    """By the rules of the configuration, in words and as JSON."""
    key_id, secret = home.make("ci", "--permission", "items:read")
    asked = ("explain", "--key", key_id, "--method", "POST", "--path", "/items")

    said, data = typed(*asked), typed(*asked, "--json").data

    assert 0 == said.code
    assert {"items:read", "items:write", "refused: permission"} <= {
        part.strip() for line in said.out.splitlines() for part in line.split("  ")
    }
    assert (["items:write"], ["Give the key items:write."]) == (data["missing"], data["changes"])
    assert secret not in said.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--key", "0" * 16), 2),
        (("id", "--key", "0" * 16, "--method", "GET", "--path", "/"), 2),
        (("--key", "0" * 16, "--method", "GET", "--path", "/"), 4),
        (("0" * 16,), 4),
    ],
)
def test_explain_needs_a_whole_question(home: Home, arguments: tuple[str, ...], code: int) -> None:
    """2 for half a question, 4 for a key or a request that nobody knows."""
    assert code == typed("explain", *arguments).code


@pytest.mark.parametrize("path", ["/items/\udcff", "/items/\udcff%41", "/items/%ff"])
def test_explain_judges_what_is_no_utf_8(home: Home, path: str) -> None:
    """A path with bytes that are no UTF-8, as a shell hands them over, is explained as the gate judges it."""
    key_id, _ = home.make("ci", "--permission", "items:read")

    said = typed("explain", "--key", key_id, "--method", "GET", "--path", path, "--json")

    assert (0, "bad_path") == (said.code, said.data["reason"])
