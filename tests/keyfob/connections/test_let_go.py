"""What a response that was cut held, such as a connection to a database, does not wait for a garbage collection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

from keyfob.connections.connection import KeyRevokedError
from tests.keyfob.conftest import until
from tests.keyfob.connections.staying_open import BRISK, stream, streams

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


class Held:
    """What the application puts into the scope."""


async def test_a_cut_response_lets_go_of_its_request(here: Installation, guard: Guard) -> None:
    """As soon as the server has dropped the exception, nothing of Keyfob's refers to the request any more."""
    held: list[weakref.ref[Held]] = []

    async def holding(scope: Scope, receive: Receive, send: Send) -> None:
        scope["held"] = Held()
        held.append(weakref.ref(scope["held"]))
        await streams(scope, receive, send)

    issued = await here.issue("items:read")
    running, sent = stream(guard(holding, **BRISK), issued)
    await until(lambda: len(sent) == 2)
    gc.disable()
    try:
        await here.disable(issued)
        await asyncio.wait([running])
        kind = type(running.exception())
        del running
        assert (KeyRevokedError, None) == (kind, held[0]())
    finally:
        gc.enable()
