"""What every store promises of logs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.keys.record import StoredSecret
from keyfob.store.contract.key_store import Use
from tests.keyfob.store.samples import KEY, NOON, SECRET, adding

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore


class SilenceContract:
    """Nothing of what the database is asked, or answers, is in a log."""

    async def test_ff_72_nothing_of_a_statement_is_logged(
        self, store: KeyStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        """With every logger at DEBUG, and asyncio's debug mode on, no statement, value or row is in the log."""
        caplog.set_level(logging.DEBUG)
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0
        new = StoredSecret("$argon2id$CANARY-NEW", b"CANARY-DIGEST")

        await store.change(adding(KEY))
        await store.save_digest(KEY.id, SECRET.hash, new)
        assert new == (await store.find(KEY.id)).secret
        await store.changes(0)
        await store.view(KEY.id)
        await store.add_usage({KEY.id: Use(NOON, "203.0.113.99")})
        with pytest.raises(StoreUnavailable):
            await store.read("SELECT 'CANARY' FROM no_such_table")  # type: ignore[attr-defined] # both have it
        loop.set_debug(False)

        assert caplog.records
        for secret in ("CANARY", SECRET.hash, "SELECT", "INSERT", "PRAGMA", KEY.name, "203.0.113.99", "no_such_table"):
            assert secret not in caplog.text
