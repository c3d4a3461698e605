"""What real processes let pass of one quota, whichever of them are killed: never more, and hardly less."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.store.opening import open_store
from tests.history.killing import work_and_kill
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # seconds, for a machine ten times as busy

AMOUNT, PORTION = 1_500, 15
PROCESSES = 4
KILLED = 3

# Each admitted request is one line, written before the next is judged. Who is refused gives back the rest, and ends.
_JUDGING = """
import asyncio, os, sys
from keyfob.limits.purses import Purse
from keyfob.limits.quota_book import QuotaBook
from keyfob.errors import LimitsUnavailable
from keyfob.keys.quota import Every
from keyfob.store.opening import open_store

url, history, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
out = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

async def main():
    store = open_store(url, audit_key=None)
    book = QuotaBook(store.quotas, clock=lambda: 1_930_000_000.0)
    purses = (Purse("key/k", "quota-month", amount, Every.MONTH),)
    number = 0
    while True:
        try:
            outcome = await book.acquire(purses, 1)
        except LimitsUnavailable:
            continue  # the lock of a busy file
        if not outcome.has_room:
            break
        os.write(out, b"x\\n")
        number += 1
        if number % 50 == 0:
            await book.settle()
        if number == 20:
            print("under way", flush=True)
    await book.drain()
    await store.close()
    print("done", flush=True)

asyncio.run(main())
"""


def judging(url: str, history: Path) -> subprocess.Popen[str]:
    arguments = [url, str(history), str(AMOUNT)]
    return subprocess.Popen([sys.executable, "-c", _JUDGING, *arguments], stdout=subprocess.PIPE, text=True)


def run(url: str, history: Path) -> None:
    """Let processes judge at the same time, kill some under way, let others take their place, and one use the rest."""
    work_and_kill(lambda: judging(url, history), processes=PROCESSES, killed=KILLED)
    assert "done\n" == judging(url, history).communicate()[0][-5:]
    passed = len(history.read_text().splitlines())
    assert AMOUNT - KILLED * (PORTION + 1) <= passed <= AMOUNT  # each may have been killed before it wrote its line


async def test_processes_on_one_file_never_exceed_a_quota(tmp_path: Path) -> None:
    """Four processes, three of them killed: what passes is the amount, less at most a portion for each that was."""
    url = f"sqlite:///{tmp_path}/keys.db"
    await open_store(url, audit_key=None, create=True).close()

    await asyncio.to_thread(run, url, tmp_path / "history")


async def test_processes_on_one_server_never_exceed_a_quota(tmp_path: Path) -> None:
    """The same on PostgreSQL, where the processes may be on several hosts."""
    async with fresh_database() as url:
        await asyncio.to_thread(run, url, tmp_path / "history")
