"""What is open is known by its key, whichever event loop it runs in."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from keyfob.connections.connection import KeyRevokedError
from tests.keyfob.conftest import ask, until
from tests.keyfob.connections.staying_open import BRISK, stream, streams

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


async def test_a_response_of_another_thread_is_cut_there(here: Installation, guard: Guard) -> None:
    """A revoked key ends the task that answers, in its own event loop, and not one of the loop that hears of it."""
    app, issued = guard(streams, **BRISK), await here.issue("items:read")
    assert 401 == (await ask(app, "/items", {"X-API-Key": issued.text[:-1]})).status  # so that this loop is Keyfob's
    ended: list[BaseException] = []
    sent: list[object] = []

    async def elsewhere() -> None:
        running, parts = stream(app, issued)
        await until(lambda: len(parts) == 2)
        sent.extend(parts)
        with pytest.raises(KeyRevokedError) as end:
            await running
        ended.append(end.value)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await until(lambda: bool(sent))
    app.runtime.connections.end_key(issued.record.id)
    await asyncio.to_thread(thread.join)

    assert 1 == len(ended)
