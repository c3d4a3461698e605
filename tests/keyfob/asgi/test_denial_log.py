"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.redaction import redact
from tests.keyfob.conftest import ask, on_both_stores

if TYPE_CHECKING:
    from keyfob import Denied
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


async def test_ff_29_on_denied_may_be_a_coroutine_function(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """It is awaited in the background; what it raises is logged, and the refusal stands."""
    heard = []
    done = asyncio.Event()

    async def on_denied(denied: Denied) -> None:
        await asyncio.sleep(0)
        heard.append(denied.reason)
        if len(heard) == 2:
            done.set()
        raise RuntimeError("not me")

    app = guard(on_denied=on_denied)
    for _ in range(2):
        assert 401 == (await ask(app, "/items")).status
    async with asyncio.timeout(10):
        await done.wait()

    assert ["missing", "missing"] == heard
    assert "on_denied raised" in caplog.text


class Callback:
    """An object whose call is a coroutine."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def __call__(self, _: Denied) -> None:
        self.calls += 1
        await self.go_on.wait()


async def test_ff_29_a_flood_of_denials_does_not_pile_up_calls(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that hangs is called a thousand times at once and no more, which is said once."""
    callback = Callback()
    app = guard(on_denied=partial(callback))

    for _ in range(1_100):
        await ask(app, "/items")
    await asyncio.sleep(0)

    assert 1_000 == callback.calls
    assert 1 == caplog.text.count("on_denied takes too long")
    callback.go_on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await ask(app, "/items")
    await asyncio.sleep(0)
    assert 1_001 == callback.calls


async def test_ff_50_a_whole_key_reaches_no_line_of_ours(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """A key in a path, percent-encoded too, or in a traceback is cut to the form that may be shown."""
    issued = await here.issue("items:read")
    secret = issued.text.rpartition("_")[2]

    def on_denied(_: Denied) -> None:
        raise ValueError(issued.text)

    app = guard(on_denied=on_denied)
    with caplog.at_level(logging.INFO, "keyfob"):
        for path in (issued.text, issued.text.replace("_", "%5f"), issued.text.replace("_", "%255F"), issued.text[:-9]):
            await ask(app, f"/nowhere/{path}")
            await ask(app, "/" + "x" * 450 + path)
    logging.getLogger("keyfob.admin").warning("%s and %s", issued.text, 1)

    assert secret[:20] not in caplog.text
    assert issued.record.id in caplog.text
    assert 17 == caplog.text.count("…")


async def test_ff_50_a_key_in_a_foreign_form_reaches_no_line_and_no_row(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can tell which part of it is public, so that nothing of it is shown, wherever a line is cut."""
    app, issued = guard(foreign={"legacy": "sk_live_[A-Za-z0-9]{32}"}), await here.issue("items:read")
    foreign = "sk_live_" + "s" * 32
    with caplog.at_level(logging.INFO, "keyfob"):
        for path in (f"/nowhere/{foreign}", f"/{foreign}/x", "/" + "x" * 479 + "/" + foreign):
            await ask(app, path)
            await ask(app, path, issued.headers)
    kept = [refused.path for refused in app.runtime.usage._refused]

    assert "ssss" not in caplog.text
    assert ["/nowhere/…", "/…/x"] == kept[:2]
    assert not any("ssss" in path for path in kept)


async def test_cp_14_a_method_makes_one_line(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """HTTP/2 hands on any character in a method: it is escaped like the path."""
    with caplog.at_level(logging.INFO, "keyfob"):
        await ask(guard(), "/items", method="GET\x1b[31m\n")

    assert r"bad_method: GET\x1b[31m\n '/items'" in caplog.text


def test_ff_50_what_may_be_shown_stays() -> None:
    """The displayed form, ids and other texts are not touched."""
    for text in ("kf_api_7Qx2mB9tKd03LpWz", "7Qx2mB9tKd03LpWz", "GET /items/kf_api", "a_b_c", ""):
        assert text == redact(text)


@pytest.mark.parametrize("before", ["", "x", f"foo_bar_{'A' * 14}", f"kf_api_{'A' * 14}"])
@pytest.mark.parametrize("underscore", ["_", r"\_", "%255f"])
def test_ff_50_nothing_before_a_key_keeps_it_in_a_line(before: str, underscore: str) -> None:
    """Even where the key's prefix looks like the end of an id, its body is cut."""
    key = underscore.join(("kf", "api", "7Qx2mB9tKd03LpWz", "s" * 64))

    assert "s" * 9 not in redact(before + key)


async def test_ff_50_a_log_line_is_no_longer_than_it_needs(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """A path of 50 KB does not become a line of 50 KB."""
    with caplog.at_level(logging.INFO, "keyfob"):
        await ask(guard(), "/" + "é" * 50_000, method="X" * 32)
        await ask(guard(), "/", method="X" * 50_000)

    assert max(map(len, caplog.messages)) < 4_000


async def test_a_403_has_an_id_in_its_body_in_the_log_and_in_the_callback(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is refused can name the request to whoever can explain it; a 401 of the gate stays without."""
    heard: list[Denied] = []
    app = guard(on_denied=heard.append)
    issued = await here.issue("items:read")
    with caplog.at_level(logging.INFO, "keyfob"):
        forbidden = await ask(app, "/items", issued.headers, method="POST")
        unknown = await ask(app, "/items", {"X-API-Key": "nothing"})

    request_id = json.loads(forbidden.body)["request_id"]
    assert 16 == len(request_id)
    assert str(len(forbidden.body)) == forbidden.headers["content-length"]
    assert [request_id, None] == [denied.request_id for denied in heard]
    assert caplog.messages[0].endswith(f", request {request_id}")
    assert "request_id" not in json.loads(unknown.body)


@on_both_stores
async def test_a_refusal_is_kept_with_what_its_rule_demanded(here: Installation, guard: Guard) -> None:
    """The next batch writes it; a key in the path is cut as in the log."""
    app = guard()
    issued = await here.issue("items:read")
    refused = [
        await ask(app, "/items", issued.headers, method="POST"),
        await ask(app, f"/{issued.text}", issued.headers),
    ]
    await app.runtime.stop()

    ids = [json.loads(answer.body)["request_id"] for answer in refused]
    kept = [await here.store.refusals.find(one, since=datetime.now(UTC) - timedelta(hours=1)) for one in ids]
    assert [("POST", "/items", "permission"), ("GET", f"/{redact(issued.text)}", "no_rule")] == [
        (one.method, one.path, one.reason) for one in kept if one is not None
    ]
    first, second = kept
    assert first is not None
    assert first.demands is not None
    assert (issued.record.id, "203.0.113.9", "POST /items") == (first.key_id, first.ip, first.demands["rule"])
    assert second is not None
    assert second.demands is None
