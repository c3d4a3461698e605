"""What a restored backup leaves as it is: what was told, and what is used of quotas."""

# ruff: noqa: ASYNC240 (the event loop has nothing else to do)
from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config.notices import NoticeSettings, SmtpSettings
from keyfob.notices.delivery import Courier
from keyfob.store.contract.notices import Notice
from keyfob.store.contract.quotas import Batch, CountedPeriod, QuotaUse, Settlement
from keyfob.store.opening import open_store
from tests.keyfob_admin.cli.conftest import typed
from tests.keyfob_admin.cli.test_on_postgres import change, database, programs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import TypeVar

    from keyfob.store.contract.key_store import KeyStore

    T = TypeVar("T")

__all__ = ["database", "programs"]  # fixtures

NOW = datetime.now(UTC)
BEGAN = int(NOW.timestamp())
ONE = CountedPeriod("key/one", BEGAN, BEGAN + 86_400)
LOG = NoticeSettings(events=("key.*",), log=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of a store, which the command line uses, too."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'keyfob.db'}"
    request.getfixturevalue("programs")
    url: str = request.getfixturevalue("database")
    return url


def run(url: str, work: Callable[[KeyStore], Awaitable[T]]) -> T:
    async def opened() -> T:
        store = open_store(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def told(url: str, sender: Courier | None = None) -> int:
    """Deliver what is due, and say how much that was."""
    return run(url, lambda store: (sender or Courier(store, [LOG], SmtpSettings(), lambda: datetime.now(UTC))).step())


def test_nobody_is_told_twice_or_not_at_all(store: str) -> None:
    """What was delivered since the backup is not delivered again, what waits still goes, and marks are kept."""
    typed("init")
    typed("keys", "create", "one")
    assert 0 == typed("db", "backup", "copy").code
    assert 2 == told(store)
    typed("keys", "create", "two")
    mark = "key.expiring one"
    assert run(store, lambda rows: rows.notices.add_once(mark, Notice("evt_1", "key.expiring", NOW, {})))

    assert 0 == typed("db", "restore", "copy", "--yes").code

    assert 2 == told(store)
    assert not run(store, lambda rows: rows.notices.add_once(mark, Notice("evt_2", "key.expiring", NOW, {})))
    typed("keys", "create", "three")
    assert 1 == told(store)


def test_quotas_are_as_they_were(store: str) -> None:
    """What was used since the backup stays used, and what is leased stays leased."""

    async def use(rows: KeyStore) -> None:
        await rows.quotas.settle(Batch("worker", 1, [Settlement(ONE, 4, 0)], BEGAN))

    typed("init")
    run(store, lambda rows: rows.quotas.lease(ONE, amount=10, least=6, most=6))
    assert 0 == typed("db", "backup", "copy").code
    run(store, use)

    assert 0 == typed("db", "restore", "copy", "--yes").code

    assert QuotaUse(ONE, 4, 2) == run(store, lambda rows: rows.quotas.use(ONE))
    run(store, use)
    assert QuotaUse(ONE, 4, 2) == run(store, lambda rows: rows.quotas.use(ONE))  # a batch is not applied twice


def test_where_the_database_was_lost_nobody_holds_a_portion(store: str, folder: Path) -> None:
    """What was used until the backup counts; what workers held of the lost database can be leased again."""
    typed("init")
    run(store, lambda rows: rows.quotas.lease(ONE, amount=10, least=6, most=6))
    run(store, lambda rows: rows.quotas.settle(Batch("worker", 1, [Settlement(ONE, 4, 0)], BEGAN)))
    assert 0 == typed("db", "backup", "copy").code
    if store.startswith("sqlite"):
        for file in folder.glob("keyfob.db*"):
            file.unlink()
    else:
        asyncio.run(change(store, "DROP SCHEMA keyfob CASCADE"))

    assert 0 == typed("db", "restore", "copy", "--yes").code

    assert QuotaUse(ONE, 4, 0) == run(store, lambda rows: rows.quotas.use(ONE))


def test_notices_of_another_database_in_its_place(folder: Path) -> None:
    """Whoever delivers begins anew where the last notice that it saw is gone: their numbers come again."""

    async def both(rows: KeyStore) -> tuple[int, int]:
        sender = Courier(rows, [LOG], SmtpSettings(), lambda: datetime.now(UTC))
        before = await sender.step()
        for file in folder.glob("keyfob.db*"):
            file.unlink()
        shutil.copy(folder / "copy", folder / "keyfob.db")
        return before, await sender.step()

    typed("init")
    assert 0 == typed("db", "backup", "copy").code
    typed("keys", "create", "two")

    assert (2, 1) == run(f"sqlite:///{folder / 'keyfob.db'}", both)
