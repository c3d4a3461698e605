"""Whoever publishes a change knows which workers see it immediately, and promises nothing for the others."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from keyfob.config.settings import load_settings
from keyfob.errors import StoreUnavailable
from keyfob.propagation.reach import seconds_until_effective, signal_problems, unreached
from keyfob.runtime.runtime import Runtime
from keyfob.store.contract.workers import NOTHING, Worker
from keyfob.store.sqlite.change_signal import ChangeSignal
from keyfob.store.sqlite.store import SQLiteStore
from keyfob_admin.app import build_admin
from tests.keyfob.conftest import until
from tests.keyfob.management.conftest import ROOT
from tests.keyfob.propagation.test_workers import LEASE, here, keys_of
from tests.keyfob_admin.api.conftest import serving

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

__all__ = ["here"]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
sqlite_only = pytest.mark.parametrize("here", ["sqlite"], indirect=True)


def deaf(name: str = "deaf", lease: float = 7.0, signal: str = "") -> Worker:
    return Worker(name, "elsewhere", lease, "", NOTHING, NOON, signal)


@sqlite_only
async def test_ff_02_workers_that_read_this_signal_are_reached(here: Installation, guard: Guard) -> None:
    """With every worker on one signal, a disabled key is refused from now on, and that is what is promised."""
    await guard(max_staleness=LEASE).runtime.start()

    assert [] == list(await unreached(here.store))
    assert [here.store.workers.signal_id] == [worker.signal for worker in await here.store.workers.all()]
    assert 0 == await seconds_until_effective(here.store, 2.0)
    assert [] == await signal_problems(here.store)


@sqlite_only
@pytest.mark.parametrize("signal", ["", "another"])
async def test_ff_02_nothing_is_promised_for_a_worker_that_reads_another_signal(
    here: Installation, guard: Guard, signal: str
) -> None:
    """Whether it reads none or that of another name of the file: effective_by waits for its lease if that is longer."""
    await guard(max_staleness=LEASE).runtime.start()
    await here.store.workers.put(deaf(signal=signal))
    issued = await here.issue("items:read")

    before = datetime.now(UTC)
    changed = await keys_of(here).disable("default", issued.record.id, actor=ROOT)

    assert before + timedelta(seconds=7) <= changed.effective_by
    assert not changed.is_immediate
    assert 30.0 == await seconds_until_effective(here.store, 30.0)
    assert ["workers that do not read this change signal: 1"] == await signal_problems(here.store)


@sqlite_only
async def test_ff_02_a_worker_that_loses_the_signal_says_so(here: Installation, guard: Guard) -> None:
    """Its row changes with the next poll, and again when it has found the signal."""
    app = guard(max_staleness=LEASE)
    await app.runtime.start()
    store = app.runtime.store
    assert isinstance(store, SQLiteStore)
    store.signal.path.unlink()
    store.signal.path.mkdir()

    async def row() -> str:
        (worker,) = await here.store.workers.all()
        return worker.signal

    async def is_silent() -> bool:
        return await row() == ""

    async def is_back() -> bool:
        return await row() == here.store.workers.signal_id != ""

    await until(is_silent)
    assert ["this process cannot read the change signal"] == await signal_problems(store)
    store.signal.path.rmdir()
    await until(is_back)
    assert 0 == await seconds_until_effective(here.store, 2.0)


@sqlite_only
async def test_ff_02_readyz_names_what_is_not_reached(here: Installation) -> None:
    """Whoever watches /readyz learns that changes are not immediate; it stays 200, because the lease still bounds."""
    overrides = {"store": here.options["store"], "keyring": here.options["keyring"]}
    with serving(build_admin(Runtime(load_settings(environ={}, overrides=overrides)))) as url:
        async with httpx.AsyncClient() as client:
            fine = await client.get(f"{url}/readyz")
            await here.store.workers.put(deaf())
            wrong = await client.get(f"{url}/readyz")

    assert (200, {"status": "ok"}) == (fine.status_code, fine.json())
    warnings = ["workers that do not read this change signal: 1"]
    assert (200, {"status": "ok", "warnings": warnings}) == (wrong.status_code, wrong.json())


async def test_readyz_tells_in_detail_what_it_waits_for(here: Installation) -> None:
    """Workers that the signal does not reach are counted; an engine without a signal says null."""
    overrides = {"store": here.options["store"], "keyring": here.options["keyring"]}
    with serving(build_admin(Runtime(load_settings(environ={}, overrides=overrides)))) as url:
        async with httpx.AsyncClient() as client:
            await here.store.workers.put(deaf())
            detail = (await client.get(f"{url}/readyz?verbose")).json()["detail"]

    is_sqlite = isinstance(here.store, SQLiteStore)
    assert (("sqlite", "read", 1) if is_sqlite else ("postgresql", None, None)) == (
        detail["database"],
        detail["change_signal"],
        detail["workers_unreached"],
    )
    assert 2 == detail["workers"]


async def test_where_the_workers_cannot_be_read_nothing_is_promised(here: Installation) -> None:
    """A list that cannot be read may hold anybody."""

    class Silent:
        signal_id = "one"

        async def all(self) -> None:
            raise StoreUnavailable("silent")

    class Store:
        workers = Silent()
        is_immediate = True

    assert 2.0 == await seconds_until_effective(Store(), 2.0)  # type: ignore[arg-type] # all that is asked of it


@sqlite_only
async def test_a_process_that_cannot_publish_says_so(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may only read the signal hears changes, and makes none that is immediate."""
    assert isinstance(here.store, SQLiteStore)
    here.store.signal.is_writable = False
    monkeypatch.setattr(ChangeSignal, "reopen", lambda _: None)

    assert ["this process cannot write the change signal"] == await signal_problems(here.store)
    assert 2.0 == await seconds_until_effective(here.store, 2.0)


@sqlite_only
async def test_ff_02_what_root_makes_serves_the_worker_that_owns_the_database(here: Installation) -> None:
    """The signal, log and shared memory that root's command makes can be used by the account that owns the database."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files for others")
    database, user = here.folder / "keyfob.db", 4711
    await here.store.close()
    for file in here.folder.glob("keyfob.db-*"):
        file.unlink()
    for path in (here.folder, database):
        os.chown(path, user, user)
    here.store.open()
    await here.issue("items:read")  # by root, which makes the files

    files = list(here.folder.glob("keyfob.db*"))
    assert {(user, user)} == {(file.stat().st_uid, file.stat().st_gid) for file in files}
    assert {f"keyfob.db{end}" for end in ("", "-wal", "-shm", "-signal")} <= {file.name for file in files}
