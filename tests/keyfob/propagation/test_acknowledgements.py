"""A wait for acknowledgements waits for workers that serve, and for nobody else; by itself, without a store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.propagation.acknowledgements import GRACE, AcknowledgementWait
from keyfob.propagation.freshness import boot_clock
from keyfob.store.contract.workers import Worker
from tests.keyfob.conftest import until

if TYPE_CHECKING:
    from tests.keyfob.propagation.worker_list import WorkerList

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def calling(worker_list: WorkerList, lease: float = 0.1) -> AcknowledgementWait:
    return AcknowledgementWait(worker_list, lease=lease, now=lambda: NOON)


async def test_an_unreadable_list_is_unavailable(worker_list: WorkerList) -> None:
    """Who cannot ask the workers says so when the lease has run out, and claims nothing about them."""
    worker_list.broken = True

    with pytest.raises(StoreUnavailable, match="the change is made"):
        await calling(worker_list).wait_for(1)


async def test_a_list_that_cannot_be_read_for_a_while_is_waited_for(worker_list: WorkerList) -> None:
    """A look that fails in the midst proves nothing about a worker; the next one does."""
    worker_list.rows["w"] = Worker("w", "host", 5.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(worker_list).wait_for(2))
    await until(lambda: "all" in worker_list.done)
    worker_list.broken = True
    await until(lambda: worker_list.done.count("all") >= 3)
    assert not taking.done()
    worker_list.rows["w"] = replace(worker_list.rows["w"], revision=2)
    worker_list.broken = False

    assert [("w", NOON)] == [(one.id, one.confirmed_at) for one in await taking]


async def test_who_comes_back_with_old_knowledge_is_waited_for(worker_list: WorkerList) -> None:
    """A worker that enters during the wait with less than was asked for is one of those whose word counts."""
    worker_list.rows["w"] = Worker("w", "host", 5.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(worker_list).wait_for(2))
    await until(lambda: "all" in worker_list.done)
    worker_list.rows["back"] = Worker("back", "host", 5.0, "epoch", 1, NOON)
    seen = worker_list.done.count("all")
    await until(lambda: worker_list.done.count("all") > seen + 1)
    worker_list.rows["w"] = replace(worker_list.rows["w"], revision=2)
    seen = worker_list.done.count("all")
    await until(lambda: worker_list.done.count("all") > seen + 1)
    assert not taking.done()
    worker_list.rows["back"] = replace(worker_list.rows["back"], revision=3)

    assert ["w", "back"] == [one.id for one in await taking if one.confirmed_at]


async def test_who_stops_is_not_waited_for(worker_list: WorkerList) -> None:
    """A worker that leaves the list during the wait serves nothing; it is named without a time."""
    worker_list.rows["w"] = Worker("w", "host", 600.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(worker_list).wait_for(2))
    await until(lambda: "all" in worker_list.done)
    del worker_list.rows["w"]

    assert [("w", None)] == [(one.id, one.confirmed_at) for one in await taking]


async def test_who_lives_is_not_deregistered(worker_list: WorkerList) -> None:
    """A lease that ran out deregisters only a worker that has said nothing meanwhile."""
    worker_list.rows |= {name: Worker(name, "host", 0.2, "epoch", 1, NOON) for name in ("dead", "alive")}
    taking = asyncio.create_task(calling(worker_list).wait_for(2))
    await until(lambda: "all" in worker_list.done)
    worker_list.rows["alive"] = replace(worker_list.rows["alive"], seen_at=datetime.now(UTC))
    began = boot_clock()

    assert [None, None] == [one.confirmed_at for one in await taking]
    assert ["alive"] == list(worker_list.rows)
    assert boot_clock() - began < 0.2 + GRACE + 1
