"""What whoever sees only their own keys is told of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, words
from tests.keyfob_admin.console.people import beside, closing, joined

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.runtime.runtime import Runtime

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines


def test_pages_of_own_keys_tell_nothing_of_others(live: LiveConsole) -> None:
    """A member learns neither what other keys hold, nor what the key is called that theirs was copied from."""
    theirs, _ = live.make("payroll", permissions=("items:read", "users:*"))
    ben, visitor = joined(live, "ben@example.com")

    async def copied(runtime: Runtime) -> KeyRecord:
        made = await runtime.lifecycle.duplicate(
            TEAM, theirs.id, {"name": "mine", "permissions": ["items:read"]}, actor=ANA
        )
        return (await runtime.lifecycle.update(TEAM, made.key.id, {"owner": {"person": ben.id}}, actor=ANA)).record

    mine = beside(live, copied)
    permissions, page = visitor.get("/permissions"), visitor.get(f"/keys/{mine.id}")

    assert "items:read Read items 1 key" in words(permissions.text)
    assert "users:*" not in permissions.text
    assert f"Duplicated from {theirs.id}" in words(page.text)
    assert "(deleted)" not in page.text
    assert "payroll" not in page.text
