"""Refused requests are written with the batches of usage."""

from __future__ import annotations

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.store.contract.refusals import MOST, RefusedRequest
from tests.keyfob.gate.test_usage import NOON, Sink


def refused(number: int) -> RefusedRequest:
    return RefusedRequest(f"{number:016x}", NOON, "k", "GET", "/items", None, "permission", None)


async def test_refusals_wait_for_the_next_batch_and_the_newest_are_kept() -> None:
    """What cannot be written is written later, in its order; a flood never holds more than the table does."""
    usage, sink = Usage(Stats()), Sink()
    for number in range(MOST + 5):
        usage.keep_refused(refused(number))
    sink.refusals.broken = True
    with pytest.raises(StoreUnavailable):
        await usage.flush(sink)
    usage.keep_refused(refused(MOST + 5))
    sink.refusals.broken = False

    await usage.flush(sink)
    await usage.flush(sink)

    assert [refused(number) for number in range(6, MOST + 6)] == sink.refusals.kept
