"""Delivers what is in the outbox, beside the requests of ``keyfob serve``. Several processes share the work.

A delivery is claimed for a minute before it is sent, so that a process that is killed leaves it to the next one. So a
receiver may get a notice twice, under the same id, and never misses one within three days.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from keyfob.errors import StoreUnavailable
from keyfob.notices import mail, webhook
from keyfob.notices.signing import read_secret, signed_headers
from keyfob.notices.webhook import NotDelivered
from keyfob.store.contract.notices import KEPT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from keyfob.config.notices import NoticeSettings, SmtpSettings
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.notices import Delivery, Notice

log = logging.getLogger("keyfob.notices")

EVERY: Final = 1.0  # seconds between two looks
CLAIMED_FOR: Final = timedelta(minutes=1)  # longer than any attempt takes
BACKOFF: Final = (10, 60, 300, 1_800, 3_600, 7_200, 14_400, 21_600)  # seconds after each failure; the last one repeats


class Courier:
    """Sends to the configured receivers."""

    def __init__(
        self,
        store: KeyStore,
        receivers: Sequence[NoticeSettings],
        smtp: SmtpSettings,
        now: Callable[[], datetime],
    ) -> None:
        """Read the secrets. Raises ConfigError."""
        self._store = store
        self._receivers = {one.target: one for one in receivers}
        self._secrets = {one.target: read_secret(one.secret_file) for one in receivers if one.secret_file is not None}
        self._smtp = smtp
        self._now = now
        self._seen: Notice | None = None  # the last one that was given to its receivers

    async def run(self) -> None:
        """Deliver until cancelled, to each receiver by itself: one that hangs keeps nobody else from theirs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat(self._address))
            for target in self._receivers:
                group.create_task(_repeat(partial(self._deliver, target)))

    async def step(self) -> int:
        """Deliver what is due; says how many attempts were made. Raises StoreUnavailable."""
        await self._address()
        return sum(await asyncio.gather(*map(self._deliver, self._receivers)))

    async def _deliver(self, target: str) -> int:
        made = 0
        while due := await self._store.notices.claim([target], self._now(), self._now() + CLAIMED_FOR):
            await asyncio.gather(*map(self._attempt, due))
            made += len(due)
        return made

    async def _address(self) -> None:
        """Give every new notice to the receivers that want it."""
        while found := await self._unseen():
            wanted = [
                (notice, target)
                for notice in found
                for target, receiver in self._receivers.items()
                if receiver.wants(notice.event)
            ]
            if wanted:
                await self._store.notices.address(wanted)
            self._seen = found[-1]

    async def _unseen(self) -> list[Notice]:
        """What comes after the last one; all there is where that is gone, because the database is another one."""
        if self._seen is not None:
            found = await self._store.notices.after(self._seen.seq - 1)
            if found[:1] == [self._seen]:
                return found[1:]
        self._seen = None
        return await self._store.notices.after(0)

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await self.send(delivery.notice, delivery.target)
        except NotDelivered as why:
            due = next_attempt(delivery, self._now())
            log.warning(
                "%s was not delivered to %s: %s%s",
                delivery.notice.event,
                delivery.target,
                why,
                "" if due is not None else "; it is given up",
                extra={"event": "notice_undelivered"},
            )
            await self._store.notices.settle(delivery, due, str(why))
        else:
            await self._store.notices.settle(delivery, None, None)

    async def send(self, notice: Notice, target: str) -> None:
        """Make one attempt. Raises NotDelivered."""
        receiver = self._receivers[target]
        if receiver.webhook is not None:
            body = body_of(notice)
            seconds = int(self._now().timestamp())
            headers = signed_headers(notice.id, seconds, body, self._secrets[target])
            await webhook.post(receiver.webhook, headers, body, allow_private=receiver.allow_private)
        elif receiver.email:
            await mail.send(notice, receiver.email, self._smtp)
        else:
            log.warning("%s: %s", notice.event, json.dumps(notice.data, sort_keys=True), extra={"event": "notice"})


async def _repeat(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        with suppress(StoreUnavailable):  # reported elsewhere, and tried again
            await work()
        await asyncio.sleep(EVERY)


def body_of(notice: Notice) -> bytes:
    """The body of a webhook: type, time and data."""
    at = notice.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"type": notice.event, "timestamp": at, "data": notice.data}, separators=(",", ":")).encode()


def next_attempt(delivery: Delivery, now: datetime) -> datetime | None:
    """When to try again after *delivery* failed; None once three days have passed."""
    wait = BACKOFF[min(delivery.attempts, len(BACKOFF)) - 1]
    due = now + timedelta(seconds=wait)
    return due if due <= delivery.notice.at + KEPT else None
