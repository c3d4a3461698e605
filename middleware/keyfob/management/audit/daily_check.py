"""The daily check of ``keyfob serve``: the audit log, and every row that decides something against it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.management.audit.audit_verification import verify_audit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.audit.audit_verification import Verification
    from keyfob.store.contract.key_store import KeyStore

log = logging.getLogger("keyfob.audit")

EVERY = timedelta(hours=23)  # so that looking once an hour makes it once a day
LOOK_AGAIN = 3600.0  # seconds
_JUST_NOW = timedelta(minutes=1)  # so that of several workers that start together one checks
_MOST_LOGGED = 20


async def check_daily(
    store: KeyStore, entries: Callable[[], Mapping[str, SigningKey]], now: Callable[[], datetime]
) -> None:
    """Check at the start and then once a day, in one process of all that share the database, until cancelled."""
    wait = _JUST_NOW
    while True:
        with suppress(StoreUnavailable):  # tried again in an hour; the database being away is reported elsewhere
            at = now()
            if await store.audited.claim_check(at, not_since=at - wait):
                report(await verify_audit(store, entries()))
        wait = EVERY
        await asyncio.sleep(LOOK_AGAIN)


def report(found: Verification) -> None:
    """Log the head, to be kept elsewhere, and everything that is not what Keyfob wrote."""
    # Where nobody has set up logging, only warnings are printed; and the head must be.
    level = logging.INFO if log.isEnabledFor(logging.INFO) else logging.WARNING
    log.log(
        level,
        "the audit log's head is %s; keep it outside the database (`keyfob audit verify --head`)",
        found.head,
        extra={"event": "audit_head"},
    )
    for fault in found.faults[:_MOST_LOGGED]:
        log.critical("audit event %d: %s", fault.seq, fault.what, extra={"event": "audit_event_altered"})
    for difference in found.differences[:_MOST_LOGGED]:
        log.critical(
            "%s was changed in the database by other means than Keyfob: %s",
            difference.row,
            difference.what,
            extra={"event": "row_altered"},
        )
    unnamed = len(found.faults[_MOST_LOGGED:]) + len(found.differences[_MOST_LOGGED:])
    if unnamed:
        log.critical("%d more; `keyfob audit verify` names them all", unnamed, extra={"event": "rows_altered"})
