"""Notices that nobody's change causes: keys that run out, lie idle, or are used as they should not be.

Each is written once for a key and what it has reached. Whoever looks finds them, however many processes look.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.key_store import KeyQuery
from keyfob.store.contract.notices import Notice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore, KeyView

EVERY: Final = 10.0  # seconds between two looks at uses
_SLOW: Final = 360  # looks between two at all keys: an hour
EXPIRING: Final = (1, 7, 30)  # days
UNUSED: Final = 90  # days
_BACK: Final = timedelta(minutes=15)  # how far back uses are looked at: longer than a batch of usage may wait
_PAGE: Final = 1_000


class Watcher:
    """Looks for what is to be told."""

    def __init__(self, store: KeyStore, catalogue: Catalogue, now: Callable[[], datetime]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._now = now

    async def run(self) -> None:
        """Look until cancelled."""
        looks = 0
        while True:
            with suppress(StoreUnavailable):  # reported elsewhere, and tried again
                await self.look_at_uses()
                if looks % _SLOW == 0:
                    await self.look_at_keys()
                looks += 1
            await asyncio.sleep(EVERY)

    async def look_at_uses(self) -> None:
        """Write notices about uses of the last minutes. Raises StoreUnavailable."""
        notices, since = self._store.notices, self._now() - _BACK
        for key_id, disabled_at, at, address in await notices.tried_after_disable(since):
            mark = f"key.tried_after_disable {key_id} {disabled_at.isoformat()}"
            await self._write("key.tried_after_disable", mark, key_id, at, address=address or None)
        for key_id, address, at in await notices.new_addresses(since):
            mark = f"key.new_address {key_id} {at.date()}"
            await self._write("key.new_address", mark, key_id, at, address=address)

    async def look_at_keys(self) -> None:
        """Write notices about what time brings. Raises StoreUnavailable."""
        now = self._now()
        async for view in self._every(expires_before=now + timedelta(days=max(EXPIRING))):
            end = view.record.expires_at
            if end is None or end <= now:
                continue
            days = next(days for days in EXPIRING if end - now <= timedelta(days=days))
            mark = f"key.expiring {view.record.id} {days} {end.isoformat()}"
            await self._write("key.expiring", mark, view.record.id, now, expires_at=end.isoformat(), within_days=days)
        async for view in self._every(unused_since=now - timedelta(days=UNUSED)):
            used = None if view.last_used is None else view.last_used.at.isoformat()
            mark = f"key.unused {view.record.id} {used}"
            await self._write("key.unused", mark, view.record.id, now, last_used_at=used)
        for key_id, successor, at in await self._store.notices.replaced_in_use():
            mark = f"key.replaced_in_use {key_id} {successor}"
            await self._write("key.replaced_in_use", mark, key_id, at, replaced_by=successor)

    async def _every(self, **conditions: datetime) -> AsyncIterator[KeyView]:
        """Every active key that meets *conditions*."""
        plans = {team.plan for team in await self._store.teams()}
        types = self._catalogue.key_types
        suspended = {plan: [name for name in types if self._catalogue.suspends(plan, name)] for plan in plans}
        after: tuple[str | int | None, str] | None = None
        while True:
            page = await self._store.views(
                KeyQuery(
                    team=None,
                    now=self._now(),
                    state="active",
                    limit=_PAGE,
                    after=after,
                    suspended_types=suspended,
                    **conditions,  # type: ignore[arg-type]
                )
            )
            for view in page:
                yield view
            if len(page) < _PAGE:
                return
            after = page[-1].place("created_at")

    async def _write(self, event: str, mark: str, key_id: str, at: datetime, **about: object) -> None:
        found = await self._store.view(key_id)
        if found is not None:
            notice = Notice(f"evt_{secrets.token_hex(12)}", event, at, {**_key(found.record), **about})
            await self._store.notices.add_once(mark, notice)


def _key(record: KeyRecord) -> dict[str, object]:
    return {"key_id": record.id, "name": record.name, "team": record.team}
