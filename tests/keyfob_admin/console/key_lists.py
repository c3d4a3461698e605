"""A list of keys: filling it, reading the names on it, and walking on."""

from __future__ import annotations

import asyncio
import html
import random
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from keyfob.management.key_drafts import KeyDraft
from keyfob.store.contract.key_store import Use
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime


def fill(live: LiveConsole, count: int, *, lively: bool = False) -> list[tuple[str, str]]:
    """Make *count* keys that were used, alike or each in its own way, and give ids and names, newest first."""
    made: list[tuple[str, str]] = []
    chance = random.Random(7)  # noqa: S311 - the same numbers every time, no secrets

    async def work() -> None:
        async with live.installation.opened() as runtime:
            made.extend([await _make(runtime, f"key {number:03}") for number in range(count)])
            now = runtime.now()
            alike = Use(now, "203.0.113.24", {now.date() - timedelta(days=n): 7 * n + 1 for n in range(0, 30, 2)})
            await runtime.store.add_usage({key_id: _use(now, chance) if lively else alike for key_id, _ in made})

    asyncio.run(work())
    return made[::-1]


def _use(now: datetime, chance: random.Random) -> Use:
    days = {now.date() - timedelta(days=n): chance.randrange(900) for n in range(30)}
    return Use(now - timedelta(minutes=chance.randrange(9000)), f"203.0.113.{chance.randrange(1, 9)}", days)


async def _make(runtime: Runtime, name: str) -> tuple[str, str]:
    created = await runtime.lifecycle.create(TEAM, KeyDraft(name, permissions=("items:read",)), actor=ANA)
    return created.view.record.id, name


def names_on(text: str) -> list[str]:
    return re.findall(r'scope="row"><a href="[^"]+">([^<]+)</a>', text)


def link(text: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', text)
    assert found is not None, rel
    return html.unescape(found[1])
