"""Keys that come near a limit: noted while requests are counted, and told once a day for each key and limit.

A purse that all keys of a team share is told once a day for the team, with the key that was counted then. What is noted
is written after a batch of usage, so that no request waits for it; a killed process may lose the last one.
"""

from __future__ import annotations

import secrets
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.store.notices import Notice

if TYPE_CHECKING:
    from keyfob.limits.windows import Standing
    from keyfob.store.contract import KeyView
    from keyfob.store.notices import NoticeTable

EVENT: Final = "limit.near"
_OF_TEAM: Final = "-team"
_MOST: Final = 65_536  # noted by one process on a day; what is beyond may be looked up again, and is written once
_MARKS_KEPT: Final = timedelta(days=3)
_DAY: Final = 86_400


class Outbox(Protocol):
    """The part of a store that this needs. Both may raise StoreUnavailable."""

    @property
    def notices(self) -> NoticeTable:
        """What is to be told."""
        ...

    async def view(self, key_id: str) -> KeyView | None:
        """A key, unless it is deleted."""
        ...


class NearLimits:
    """What one process has seen come near."""

    def __init__(self, store: Outbox) -> None:
        self._store = store
        self._day = 0
        self._noted: set[tuple[str, str]] = set()  # by key and limit, on this day
        self._pending: deque[tuple[str, Standing, float]] = deque()

    def note(self, key_id: str, standing: Standing, now: float) -> None:
        """A key has *standing* at *now* (seconds since the epoch), which is near its limit."""
        if now // _DAY != self._day or len(self._noted) >= _MOST:
            self._day = int(now // _DAY)
            self._noted.clear()
        if (key_id, standing.meter.name) not in self._noted:
            self._noted.add((key_id, standing.meter.name))
            self._pending.append((key_id, standing, now))

    async def write(self) -> None:
        """Write what was noted. What cannot be written is kept. Raises StoreUnavailable."""
        pending, self._pending = self._pending, deque()  # before any await, so that two batches do not write the same
        try:
            while pending:
                key_id, standing, now = pending[0]
                view = await self._store.view(key_id)
                if view is not None:
                    await self._tell(view, standing, datetime.fromtimestamp(now, UTC))
                pending.popleft()
        finally:
            self._pending.extendleft(reversed(pending))

    async def _tell(self, view: KeyView, standing: Standing, at: datetime) -> None:
        record, meter = view.record, standing.meter
        of = record.team if meter.name.endswith(_OF_TEAM) else record.id
        key = {"key_id": record.id, "name": record.name, "team": record.team}
        data = {**key, "limit": meter.name, "q": meter.amount, "w": meter.seconds}
        notice = Notice(f"evt_{secrets.token_hex(12)}", EVENT, at, data)
        if await self._store.notices.add_once(f"{EVENT} {of} {meter.name} {at.date()}", notice):
            await self._store.notices.forget_daily_marks(at - _MARKS_KEPT)
