"""The outbox: notices that commit with a change, and their deliveries to each receiver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

KEPT: Final = timedelta(days=3)  # for so long a delivery is tried again


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told. *id* is the same for every receiver and attempt."""

    id: str
    event: str
    at: datetime
    data: Mapping[str, object]
    seq: int = 0  # its place in the outbox


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one receiver. *due_at* is None once it has arrived or was given up."""

    notice: Notice
    target: str
    attempts: int
    due_at: datetime | None
    error: str | None


class NoticeTable(Protocol):
    """The part of a store that delivers notices. Every method may raise StoreUnavailable."""

    async def after(self, seq: int) -> list[Notice]:
        """The notices behind place *seq*, oldest first, at most 500."""
        ...

    async def add_once(self, mark: str, notice: Notice) -> bool:
        """Write *notice* unless one was written under *mark* before. Says whether it was."""
        ...

    async def forget_daily_marks(self, before: datetime) -> None:
        """Delete the marks of notices that are written once a day, from before then; of months, from a month before."""
        ...

    async def address(self, deliveries: Iterable[tuple[Notice, str]]) -> None:
        """Let each notice be delivered to a receiver, unless that is so already."""
        ...

    async def claim(self, targets: Sequence[str], now: datetime, until: datetime) -> list[Delivery]:
        """Take a few deliveries to *targets* that are due. Nobody else gets them before *until*."""
        ...

    async def settle(self, delivery: Delivery, due_at: datetime | None, error: str | None) -> None:
        """Note how an attempt ended, unless another one has begun since."""
        ...

    async def unfinished(self) -> list[Delivery]:
        """Deliveries that wait or were given up, the newest first, at most 1,000."""
        ...

    async def retry(self, now: datetime) -> int:
        """Make every unfinished delivery due *now*; says how many there are."""
        ...

    async def tried_after_disable(self, since: datetime) -> list[tuple[str, datetime, datetime, str]]:
        """Keys tried since then although disabled: id, when disabled, when last tried, address."""
        ...

    async def new_addresses(self, since: datetime) -> list[tuple[str, str, datetime]]:
        """Keys admitted since then from an address that is new to them: id, address, when first."""
        ...

    async def replaced_in_use(self) -> list[tuple[str, str, datetime]]:
        """Keys that were used after another took their place: id, id of the other, last use."""
        ...
