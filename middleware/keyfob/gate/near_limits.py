"""Keys that come near a limit: noted while requests are counted, and told once a day for each key and limit.

A quota is told once in its period, which is a day or a month. A purse that all keys of a team share is told once for
the team, with the key that was counted then. What is noted is written after a batch of usage, so that no request waits
for it; a killed process may lose the last one.
"""

from __future__ import annotations

import secrets
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from keyfob.store.contract.notices import Notice

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import KeyView
    from keyfob.store.contract.notices import NoticeTable

EVENT: Final = "limit.near"
_OF_TEAM: Final = "-team"
_MOST: Final = 65_536  # noted by one process on a day; what is beyond may be looked up again, and is written once
_OF_MONTH: Final = f"{EVENT}.month"
_MARKS_KEPT: Final = timedelta(days=3)
_DAY: Final = 86_400


class Near(NamedTuple):
    """What a key is near to, as clients see it: *amount* may pass in *seconds*."""

    name: str
    amount: int
    seconds: int


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
        self._pending: deque[tuple[str, Near, float]] = deque()

    def note(self, key_id: str, name: str, amount: int, seconds: int, now: float) -> None:
        """A key is near its limit or quota *name* at *now* (seconds since the epoch)."""
        if now // _DAY != self._day or len(self._noted) >= _MOST:
            self._day = int(now // _DAY)
            self._noted.clear()
        if (key_id, name) not in self._noted:
            self._noted.add((key_id, name))
            self._pending.append((key_id, Near(name, amount, seconds), now))

    async def write(self) -> None:
        """Write what was noted. What cannot be written is kept. Raises StoreUnavailable."""
        pending, self._pending = self._pending, deque()  # before any await, so that two batches do not write the same
        try:
            while pending:
                key_id, near, now = pending[0]
                view = await self._store.view(key_id)
                if view is not None:
                    await self._tell(view, near, datetime.fromtimestamp(now, UTC))
                pending.popleft()
        finally:
            self._pending.extendleft(reversed(pending))

    async def _tell(self, view: KeyView, near: Near, at: datetime) -> None:
        record = view.record
        key = {"key_id": record.id, "name": record.name, "team": record.team}
        data = {**key, "limit": near.name, "q": near.amount, "w": near.seconds}
        notice = Notice(f"evt_{secrets.token_hex(12)}", EVENT, at, data)
        if await self._store.notices.add_once(_mark(record, near, at), notice):
            await self._store.notices.forget_daily_marks(at - _MARKS_KEPT)


def _mark(record: KeyRecord, near: Near, at: datetime) -> str:
    """What stands for having told of it: of the day, or of a month, which is longer than the marks of days are kept."""
    counted_as = record.limits_id or record.id  # a rotated key as the one that it replaced
    of = record.team if near.name.endswith(_OF_TEAM) else counted_as
    if near.seconds > _DAY:
        return f"{_OF_MONTH} {of} {near.name} {at:%Y-%m}"
    return f"{EVENT} {of} {near.name} {at.date()}"
