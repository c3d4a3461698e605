"""The outbox, on any engine: all use the same statement names and values."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from keyfob.audit import canonical
from keyfob.store.contract.notices import Delivery, Notice
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from keyfob.audit import Event
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sql.console_tables import Named

T = TypeVar("T")

_LONGEST_MONTH = timedelta(days=31)
_PAGE = 500
_FEW = 20  # deliveries taken at once
_MOST_SHOWN = 1_000


class Database(Protocol):
    """The part of the store that this needs. Both methods raise StoreUnavailable."""

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction."""
        ...

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement."""
        ...


class NoticeRows:
    """A `keyfob.store.contract.notices.NoticeTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def after(self, seq: int) -> list[Notice]:
        """The notices behind place *seq*, oldest first, at most 500."""
        return [_notice(row) for row in await self._read("notices_after", seq, _PAGE)]

    async def add_once(self, mark: str, notice: Notice) -> bool:
        """Write *notice* unless one was written under *mark* before. Says whether it was."""
        if await self._read("notice_mark", mark):
            return False

        async def work(transaction: Transaction) -> bool:
            run = cast("Named", transaction).run
            if not await run("add_notice_mark", (mark, rows.micros(notice.at))):
                return False
            await run("add_notice", values_of(notice))
            return True

        return await self._database.change(work)

    async def forget_daily_marks(self, before: datetime) -> None:
        """Delete the marks of notices that are written once a day, from before then; of months, from a month before."""
        await self._write("forget_daily_marks", rows.micros(before), rows.micros(before - _LONGEST_MONTH))

    async def address(self, deliveries: Iterable[tuple[Notice, str]]) -> None:
        """Let each notice be delivered to a receiver, unless that is so already."""
        values = json.dumps([(notice.id, target, rows.micros(notice.at)) for notice, target in deliveries])
        await self._write("add_deliveries", values)

    async def claim(self, targets: Sequence[str], now: datetime, until: datetime) -> list[Delivery]:
        """Take a few deliveries to *targets* that are due. Nobody else gets them before *until*."""
        due, wanted = rows.micros(now), json.dumps(targets)
        if not await self._read("due_deliveries", due, wanted):
            return []
        taken = await self._write("claim_deliveries", rows.micros(until), wanted, due, _FEW)
        found = {
            row[1]: _notice(row) for row in await self._read("notices_by_id", json.dumps([row[0] for row in taken]))
        }
        return [
            Delivery(found[notice], target, attempts, until, None)
            for notice, target, attempts in taken
            if notice in found
        ]

    async def settle(self, delivery: Delivery, due_at: datetime | None, error: str | None) -> None:
        """Note how an attempt ended, unless another one has begun since."""
        due = None if due_at is None else rows.micros(due_at)
        await self._write("settle_delivery", due, error, delivery.notice.id, delivery.target, delivery.attempts)

    async def unfinished(self) -> list[Delivery]:
        """Deliveries that wait or were given up, the newest first, at most 1,000."""
        found = await self._read("unfinished_deliveries", _MOST_SHOWN)
        with rows.decoding():
            return [
                Delivery(_notice(row), row[5], row[6], None if row[7] is None else rows.moment(row[7]), row[8])
                for row in found
            ]

    async def retry(self, now: datetime) -> int:
        """Make every unfinished delivery due *now*; says how many there are."""
        return len(await self._write("retry_deliveries", rows.micros(now)))

    async def tried_after_disable(self, since: datetime) -> list[tuple[str, datetime, datetime, str]]:
        """Keys tried since then although disabled: id, when disabled, when last tried, address."""
        found = await self._read("tried_after_disable", rows.micros(since))
        return [(row[0], rows.moment(row[1]), rows.moment(row[2]), row[3]) for row in found]

    async def new_addresses(self, since: datetime) -> list[tuple[str, str, datetime]]:
        """Keys admitted since then from an address that is new to them: id, address, when first."""
        found = await self._read("new_addresses", since.date().toordinal(), rows.micros(since))
        return [(row[0], row[1], rows.moment(row[2])) for row in found]

    async def replaced_in_use(self) -> list[tuple[str, str, datetime]]:
        """Keys that were used after another took their place: id, id of the other, last use."""
        return [(row[0], row[1], rows.moment(row[2])) for row in await self._read("replaced_in_use")]

    async def _read(self, name: str, *values: object) -> list[Sequence[Any]]:
        return await self._database.read(self._statements[name], values)

    async def _write(self, name: str, *values: object) -> list[Sequence[Any]]:
        async def work(transaction: Transaction) -> list[Sequence[Any]]:
            return await cast("Named", transaction).run(name, values)

        return await self._database.change(work)


def values_of(notice: Notice) -> tuple[object, ...]:
    """The parameters of ``add_notice``."""
    return notice.id, notice.event, rows.micros(notice.at), canonical(dict(notice.data))


def notice_of(event: Event, seq: int, notice_id: str) -> Notice:
    """What the audit *event* number *seq* tells."""
    data = {
        "seq": seq,
        "actor": {"kind": event.actor_kind, "id": event.actor_id, "name": event.actor_name},
        "ip": event.ip,
        "team": event.team,
        "key_id": event.key_id,
        "person_id": event.person_id,
        "detail": dict(event.detail),
    }
    return Notice(notice_id, event.action, event.at, data)


def _notice(row: Sequence[Any]) -> Notice:
    """The notice in ``seq, id, event, at, data``."""
    with rows.decoding():
        return Notice(row[1], row[2], rows.moment(row[3]), json.loads(row[4]), row[0])
