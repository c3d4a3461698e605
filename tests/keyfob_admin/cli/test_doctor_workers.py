"""What `keyfob doctor` says of the processes that answer requests."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.store.contract.workers import Worker
from keyfob_admin.cli.context import open_context
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def register(home: Home, **fields: object) -> None:
    """Register a worker as a running application does, but for *fields*."""
    with closing(sqlite3.connect(home.folder / "keyfob.db")) as database:
        ((fingerprint,),) = database.execute("SELECT fingerprint FROM signing_keys")

    async def put() -> None:
        async with open_context(load_settings(home.folder / "keyfob.toml", environ={})) as context:
            fresh = context.runtime.freshness
            good = Worker("0" * 16, "web1", 2.0, fresh.epoch or "", fresh.revision, datetime.now(UTC))
            signal = context.store.workers.signal_id or ""
            fields_of = {"signal": signal, "keyring": (fingerprint,), **fields}
            await context.store.workers.put(replace(good, **fields_of))  # type: ignore[arg-type]

    asyncio.run(put())


def said() -> list[tuple[str, str]]:
    findings = typed("doctor", "--json").data["findings"]
    return [(one["level"], one["detail"]) for one in findings if one["what"] == "workers"]


def test_workers_that_answer_are_counted(home: Home) -> None:
    """A worker with this database and keyring is fine."""
    register(home)

    assert [("ok", "1 on web1")] == said()


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ({"keyring": ("another",)}, "fail", "its keyring lacks a"),
        ({"epoch": "another"}, "warn", "another state of the database"),
        ({"seen_at": datetime.now(UTC) - timedelta(hours=1)}, "warn", "has said nothing since"),
    ],
)
def test_a_worker_that_cannot_answer_is_named(home: Home, fields: dict[str, object], level: str, words: str) -> None:
    """Another keyring refuses everything; another database, and silence, are to be looked into."""
    register(home, **fields)

    ((found, detail), _) = said()

    assert level == found
    assert "worker 0000000000000000 on web1" in detail
    assert words in detail


def test_nobody_is_no_failure(home: Home) -> None:
    """Without a running application the doctor says so, and is content."""
    ((level, detail),) = said()

    assert home.folder.exists()
    assert "ok" == level
    assert "no process answers requests" in detail
