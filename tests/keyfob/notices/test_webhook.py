"""Where a webhook goes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from keyfob.notices import webhook
from tests.keyfob.notices.receiver import receiving

if TYPE_CHECKING:
    import pytest


async def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an address of each family, as localhost has, reaches a receiver that listens on one of them."""

    async def found(_: object, port: int, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    async with receiving() as receiver:
        url = f"http://localhost:{receiver.port}/"
        await webhook.post(url, {}, b"{}", allow_private=True)

    assert [b"{}"] == receiver.bodies
