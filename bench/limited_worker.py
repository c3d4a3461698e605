"""One of several workers under overload: ``python -m bench.limited_worker``, with what to do as JSON in standard input.

It says ``ready``, waits for a line, sends as many requests as it was told to, and prints how many were admitted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, TypedDict

from bench.admit import request
from bench.limited_apps import RIVALS, keyfob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message


class Work(TypedDict):
    """What one worker is told."""

    package: str  # "" is Keyfob
    options: dict[str, Any]  # of Keyfob
    key: str
    amount: int  # allowed a day
    requests: int


async def admitted(app: ASGIApp, keys: Iterable[str]) -> int:
    """Send one request for each of *keys*, and count the answers that are 200."""
    passed = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal passed
        passed += message.get("status") == 200

    for key in keys:
        await app(request("/items", key), receive, send)
    return passed


async def _work(work: Work) -> int:
    count = work["requests"]
    if work["package"]:
        (rival,) = (one for one in RIVALS if one.package == work["package"])
        app = rival.make(work["amount"])
        _wait()
        return await admitted(app, [work["key"]] * count)
    guard = keyfob(work["options"], work["amount"])
    await guard.runtime.start()
    _wait()
    passed = await admitted(guard, [work["key"]] * count)
    await guard.runtime.stop()
    return passed


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    print(asyncio.run(_work(json.loads(sys.stdin.readline()))))
