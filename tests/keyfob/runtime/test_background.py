"""What runs beside the requests runs once in each event loop, and nowhere after the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from anyio.from_thread import start_blocking_portal

from tests.keyfob.conftest import until

if TYPE_CHECKING:
    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard


async def nothing(*_: object) -> None:
    """An application that nobody asks."""


def polling() -> int:
    """How many tasks of the running event loop read changes."""
    return Counter(task.get_name() for task in asyncio.all_tasks())["keyfob-poll"]


async def asked(app: APIKeyMiddleware, issued: Issued) -> int:
    """How many read changes after a key was judged in this event loop."""
    await app.runtime.inspect(issued.text)
    return polling()


async def test_a_start_after_the_first_question_begins_nothing_twice(here: Installation, guard: Guard) -> None:
    """Whoever asks before the server starts has begun it: a second set of tasks would outlive the end."""
    app = guard(nothing)
    assert 1 == await asked(app, await here.issue("items:read"))

    await app.runtime.start()
    assert 1 == polling()
    await app.runtime.stop()

    assert 0 == polling()


async def test_two_event_loops_have_their_own(here: Installation, guard: Guard) -> None:
    """Requests that come in turn from two event loops begin nothing anew each time, and one end is for both."""
    app, issued = guard(nothing), await here.issue("items:read")
    with start_blocking_portal() as portal:
        for _ in range(3):
            assert 1 == await asked(app, issued)
            assert 1 == await asyncio.to_thread(portal.call, asked, app, issued)

        await app.runtime.stop()

        assert 0 == polling()
        await until(lambda: portal.call(_polling) == 0)


async def _polling() -> int:
    return polling()
