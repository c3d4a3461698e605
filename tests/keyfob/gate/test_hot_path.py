"""What one request of a known key may cost, counted in steps of the interpreter, which no busy machine changes."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keys.format import compose
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

    from starlette.types import Message, Receive, Scope, Send

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

# Bytecode instructions beyond the bare application, as counted on CPython 3.11, and a few more, because other versions
# need some less or more. Who makes the way longer has to come here, measure `scripts/bench admit`, and say why.
# Some 100 of them watch the response from admission on, or a stream that begins after its key is revoked would go on.
MOST = {"/items": 530, "/items/7": 530, "/teams/default/members": 540}
MOST_CALLS = 11  # of functions written in Python
MOST_LIMITED = 925  # instructions with one limit that is counted in the file of this host, and told to the client
MOST_FORGED = 1_065  # instructions for a key that the keyring did not make, its answer among them


async def bare(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class Steps:
    """Counts what the interpreter does while it runs."""

    def __init__(self) -> None:
        self.instructions = 0
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Steps:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        self.instructions += event == "opcode"
        self.calls += event == "call"
        return self

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work*, which must not wait for anything."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work.send(None)
        except StopIteration:
            return
        finally:
            sys.settrace(before)
        pytest.fail("it waited")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A framework that another test ran may have turned the log lines of denials on."""
    caplog.set_level(logging.WARNING, "keyfob")


def steps_of(app: Any, path: str, headers: list[tuple[bytes, bytes]]) -> Steps:
    """What one request to *app* costs."""
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"headers": headers, "client": ("203.0.113.9", 4711)}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    steps = Steps()
    steps.run(app(scope, receive, send))
    return steps


async def warm(middleware: APIKeyMiddleware, path: str, headers: dict[str, str]) -> None:
    for _ in range(3):
        assert 200 == (await ask(middleware, path, headers)).status


@pytest.mark.cases("CR-01")
@pytest.mark.parametrize("path", MOST)
async def test_an_admitted_request_takes_no_more_steps_than_agreed(here: Installation, guard: Guard, path: str) -> None:
    """With rules, change_signal, lease, expiry, address and usage all on, the way of a known key has a fixed length."""
    middleware = guard(bare)
    issued = await here.issue("items:read", "members:read")
    await warm(middleware, path, issued.headers)
    headers = [(b"host", b"a"), (b"accept", b"*/*"), (b"user-agent", b"b"), (b"accept-encoding", b"gzip")]
    headers.append((b"authorization", f"Bearer {issued.text}".encode()))

    least, cost = steps_of(bare, path, headers), steps_of(middleware, path, headers)

    print(f"{path}: {cost.instructions - least.instructions} instructions, {cost.calls - least.calls} calls")  # noqa: T201
    assert cost.instructions - least.instructions <= MOST[path]
    assert cost.calls - least.calls <= MOST_CALLS


@pytest.mark.parametrize("here", ["sqlite"], indirect=True)
async def test_a_limited_request_takes_no_more_steps_than_agreed(here: Installation, guard: Guard) -> None:
    """A request with one limit, which has room, is counted without being judged in full again."""
    rules = {"GET /items": {"permission": "items:read", "limit": "much"}}
    middleware = guard(bare, rules=rules, limits={"much": {"rate": "1000000/day"}})
    issued = await here.issue("items:read")
    await warm(middleware, "/items", issued.headers)
    headers = [(b"authorization", f"Bearer {issued.text}".encode())]

    cost = steps_of(middleware, "/items", headers)

    print(f"limited: {cost.instructions} instructions, {cost.calls} calls")  # noqa: T201
    assert cost.instructions <= MOST_LIMITED
    assert 4 == middleware.stats.admitted


@pytest.mark.cases("DL-01")
async def test_a_forged_key_takes_no_more_steps_than_agreed(here: Installation, guard: Guard) -> None:
    """What anybody can send by the thousand is refused in a fixed number of steps, without waiting for anything."""
    middleware = guard(bare)
    assert "a" == here.signing.char
    issued = await here.issue("items:read")
    await warm(middleware, "/items", issued.headers)
    forged = compose(key_type="api", key_id="0" * 16, secret="0" * 43, key_char="a", tag=lambda _: "0" * 14)
    headers = [(b"authorization", f"Bearer {forged.text}".encode())]  # most random tags are too large a number
    steps_of(middleware, "/items", headers)  # whether refusals are logged is asked once

    cost = steps_of(middleware, "/items", headers)

    print(f"forged: {cost.instructions} instructions, {cost.calls} calls")  # noqa: T201
    assert cost.instructions <= MOST_FORGED
    assert 2 == middleware.stats.refused_by_tag
