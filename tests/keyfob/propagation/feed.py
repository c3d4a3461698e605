"""A change feed in memory, and who takes what it says."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.counter import OwnCounter
from keyfob.store.contract.key_store import Changes

if TYPE_CHECKING:
    import asyncio


class Signal(OwnCounter):
    """A counter that somebody can close."""

    is_closed = False

    def read(self) -> int:
        if self.is_closed:
            raise OSError(errno.EBADF, "closed")
        return super().read()


class Feed:
    """A store at the other end of a line that can be cut, delayed and lied on."""

    def __init__(self) -> None:
        self.signal = Signal()
        self.revision = 1
        self.epoch = "a"
        self.reads = 0
        self.broken = False
        self.too_many = False
        self.gate: asyncio.Event | None = None

    @property
    def change_signal(self) -> Signal:
        return self.signal

    async def changes(self, since: int | None) -> Changes:
        self.reads += 1
        seen = Changes(self.revision, self.epoch, (), (), self.too_many)
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("the line is cut")
        return seen


class Merged:
    """Remembers what arrived."""

    def __init__(self) -> None:
        self.revisions: list[int] = []
        self.forgotten = 0

    def merge(self, changes: Changes) -> None:
        self.revisions.append(changes.revision)

    def forget(self) -> None:
        self.forgotten += 1
