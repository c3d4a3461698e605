"""The short way of a known key, beside the whole way."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.gate.credentials import split_headers
from keyfob.gate.verdict import Denied, Granted, Reason
from keyfob.keys.format import KEY_CHAR_AT
from tests.end_to_end.forging import forged, resummed, tagged
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

PATHS = [
    "/items",
    "/items/",
    "/items/7",
    "/any",
    "/scim",
    "/open",
    "/docs/private",
    "/docs/x",
    "/teams/default/members",
]
PATHS += ["/teams/other/members", "/nowhere", "/items//7", "/items/../any", "/items\n", "*"]
RAW_PATHS = [None, b"/items", b"/items%2f7", b"/items%20x", b"/any%00"]
PLAIN = [
    (b"host", b"example.com"),
    (b"accept", b"*/*"),
    (b"user-agent", b"probe"),
    (b"x-forwarded-for", b"10.9.9.9"),
]
BESIDE: list[tuple[bytes, bytes]] = [
    (b"x-keyfob-team", b"forged"),
    (b"X_Keyfob_Key-Id", b"forged"),
    (b"x-custom", b"1"),
]
BESIDE += [
    (b"origin", b"https://a.example"),
    (b"access-control-request-method", b"PUT"),
    (b"authorization", b"Basic eDp5"),
]

KEYLESS = {"public", Reason.MISSING, Reason.BAD_PATH}
CHEAP_REJECTIONS = {Reason.FORGED, Reason.MALFORMED}
AT_ONCE = {
    *CHEAP_REJECTIONS,
    Reason.UNKNOWN,
    Reason.DISABLED,
    Reason.NO_RULE,
    Reason.WRONG_TYPE,
    Reason.WRONG_ADDRESS,
    Reason.PERMISSION,
}


async def known_texts(here: Installation, middleware: APIKeyMiddleware) -> list[bytes]:
    """Keys of every kind that can stand in the cache, each presented once, so that it does."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = [
        await here.issue("items:read", "members:read"),
        await here.issue("*", expires_at=soon),
        await here.issue("items:*", ip_allow=("203.0.113.0/24",)),
        await here.issue("items:read", ip_allow=("198.51.100.7/32",)),
        await here.issue("scim:provision", key_type="scim"),
        await here.issue("docs:secret", disabled_at=datetime.now(UTC)),
    ]
    for issued in made:
        await ask(middleware, "/any", {"Authorization": f"Bearer {issued.text}"})
    return [issued.text.encode() for issued in made]


async def refused_texts(here: Installation, middleware: APIKeyMiddleware) -> list[bytes]:
    """What is no key: made without the keyring, signed but never issued, under another key character, and junk."""
    issued = await here.issue("items:read")
    guessed = tagged(here.signing)
    strange = resummed(issued.text[:KEY_CHAR_AT] + "Z" + issued.text[KEY_CHAR_AT + 1 :])
    texts = [forged(), guessed, strange, issued.text[:-1] + "!", forged() + " ", "x,y", "", "junk", "a b", "\xfc" * 40]
    for text in texts:
        await ask(middleware, "/any", {"Authorization": f"Bearer {text}"})
    return [text.encode() for text in texts]


def a_request(chance: random.Random, texts: list[bytes]) -> dict[str, Any]:
    """One request, ordinary or not."""
    text = chance.choice([*texts, *texts[:1] * 6])
    scheme = chance.choice([b"Bearer "] * 12 + [b"bearer ", b"Digest ", b"Bearer  ", b"Bearer", b""])
    name = chance.choice([b"authorization"] * 12 + [b"Authorization", b"x-api-key", b"x-custom"])
    credential = (name, scheme + text)
    headers = [*PLAIN, credential]
    if chance.random() < 0.3:
        headers.append(chance.choice([*BESIDE, (b"x-api-key", text), credential]))
    if chance.random() < 0.2:
        headers.remove(credential)
    chance.shuffle(headers)
    scope = {
        "type": "http",
        "method": chance.choice(["GET"] * 6 + ["HEAD", "POST", "OPTIONS", "WS"]),
        "path": chance.choice([*PATHS, *PATHS[:4] * 4]),
        "root_path": chance.choice([""] * 9 + ["/items"]),
        "client": chance.choice([("203.0.113.9", 1), ("198.51.100.7", 1), ("::ffff:203.0.113.9", 1), None]),
        "headers": headers,
    }
    raw_path = chance.choice([*RAW_PATHS, *RAW_PATHS[:2] * 4])
    return scope if raw_path is None else {**scope, "raw_path": raw_path}


@pytest.mark.parametrize(
    "options",
    [{}, {"forward_credential": True}, {"allow_preflight": True}, {"encoded_slash": "allow"}, {"cache_size": 0}],
    ids=str,
)
async def test_the_short_way_never_says_anything_else_than_the_whole_way(
    here: Installation, guard: Guard, options: dict[str, Any]
) -> None:
    """Whatever a request looks like, `judge` leaves it to `_judge_in_full`, or answers exactly what that does."""
    middleware = guard(**options)
    texts = [*await known_texts(here, middleware), *await refused_texts(here, middleware)]
    chance = random.Random(8)  # noqa: S311 (which requests, no secret)
    immediately = Counter[str]()
    for _ in range(8000):
        scope = a_request(chance, texts)
        judged = middleware.gate.judge(scope)
        if isinstance(judged, tuple):
            immediately[judged[0].reason if isinstance(judged[0], Denied) else type(judged[0]).__name__.lower()] += 1
            _, sensitive = split_headers(scope["headers"])
            assert judged == await middleware.gate._judge_in_full(scope, sensitive), scope
        else:
            await judged

    found = {*KEYLESS, *CHEAP_REJECTIONS} if options == {"cache_size": 0} else {*KEYLESS, "granted", *AT_ONCE}
    assert found == {kind for kind, count in immediately.items() if count > 40}


async def test_what_was_refused_is_refused_at_once_and_counted_once(here: Installation, guard: Guard) -> None:
    """A replayed dead key, a forged one and one that is none are each one refusal, and no read."""
    middleware = guard()
    disabled = await here.issue("items:read", disabled_at=datetime.now(UTC))
    await ask(middleware, "/items", disabled.headers)
    for text, counts in ((disabled.text, (1, 0)), (forged(), (0, 1)), ("junk", (0, 0))):
        before = dict(middleware.stats)
        assert 401 == (await ask(middleware, "/items", {"Authorization": f"Bearer {text}"})).status
        grown = {name: value - before[name] for name, value in middleware.stats.items()}
        assert (1, *counts, 0) == tuple(
            grown[name] for name in ("denied", "cache_hits", "refused_by_tag", "store_reads")
        )


@pytest.mark.parametrize("least", [True, False], ids=["from a server that says the least", "from one that says all"])
async def test_cr_01_the_requests_of_a_known_key_take_the_short_way(
    here: Installation,
    guard: Guard,
    least: bool,  # noqa: FBT001
) -> None:
    """From the second request on, a key that may do what it asks is judged without waiting for anything."""
    middleware = guard()
    issued = await here.issue("items:read", "members:read")
    headers = [*PLAIN, (b"authorization", f"Bearer {issued.text}".encode())]
    await ask(middleware, "/items", issued.headers)
    for path in ("/items", "/items/7", "/any", "/teams/default/members"):
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": headers}
        scope |= {} if least else {"raw_path": path.encode(), "root_path": ""}
        known = middleware.gate.judge(scope)

        assert isinstance(known, tuple)
        assert isinstance(known[0], Granted)
        assert PLAIN == known[1]


async def test_a_rule_that_was_passed_is_judged_again_when_the_key_changes(here: Installation, guard: Guard) -> None:
    """What a key was once allowed is kept with its permissions, so that a narrowed key has none of it."""
    middleware = guard()
    issued = await here.issue("items:read")
    for _ in range(3):
        assert 200 == (await ask(middleware, "/items", issued.headers)).status

    await here.change(issued, permissions=("items:write",))

    for _ in range(3):  # the first is judged in full, because a change was signalled
        assert 403 == (await ask(middleware, "/items", issued.headers)).status


async def test_a_key_that_changes_to_and_fro_is_judged_by_what_it_is_now(here: Installation, guard: Guard) -> None:
    """What is kept of the requests of a disabled key says nothing about it once it is enabled, nor the reverse."""
    middleware = guard()
    issued = await here.issue("items:read")
    for disabled_at, status in ((None, 200), (datetime.now(UTC), 401), (None, 200), (datetime.now(UTC), 401)):
        await here.change(issued, disabled_at=disabled_at)
        for _ in range(3):
            assert status == (await ask(middleware, "/items", issued.headers)).status
    await middleware.runtime.usage.flush(middleware.runtime.store)

    (day,) = await here.store.usage(issued.record.id, datetime.now(UTC).date() - timedelta(days=1))
    assert (6, 6) == (day.admitted, day.denied)


async def test_lc_08_a_rule_that_was_passed_is_judged_again_when_the_key_runs_out(
    here: Installation, guard: Guard
) -> None:
    """A key that was let in a moment ago is refused at its expiry, not after it."""
    middleware = guard()
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    issued = await here.issue("items:read", expires_at=expires_at)
    for _ in range(3):
        assert 200 == (await ask(middleware, "/items", issued.headers)).status

    middleware.gate._now = expires_at.timestamp

    assert 401 == (await ask(middleware, "/items", issued.headers)).status


async def test_a_key_in_use_outlives_idle_ones_in_a_full_cache(here: Installation, guard: Guard) -> None:
    """What was used since the last flush counts as used when module is made, though no request reorders the cache."""
    middleware = guard(cache_size=2, usage_interval=3600.0)
    busy, idle, newcomer = [await here.issue("items:read") for _ in range(3)]
    for issued in (busy, idle):
        await ask(middleware, "/items", issued.headers)
    await middleware.runtime.usage.flush(middleware.runtime.store)
    await ask(middleware, "/items", busy.headers)
    await ask(middleware, "/items", newcomer.headers)
    reads = middleware.stats.store_reads

    await ask(middleware, "/items", busy.headers)
    assert reads == middleware.stats.store_reads
    await ask(middleware, "/items", idle.headers)
    assert reads + 1 == middleware.stats.store_reads
