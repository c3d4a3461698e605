"""What a client may try through a gateway, and what somebody may try who is none."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import APIKeyMiddleware
from tests.keyfob_admin.forward_auth.conftest import CLIENT, GATEWAY, TOLD

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from tests.keyfob_admin.forward_auth.conftest import Gateway

PATHS = ("/invoices", "/invoices/", "/invoices/7", "/open", "/teams/acme", "/scim/Users", "/", "/nowhere")
BAD_TARGETS = (
    "/invoices/../open",
    "/invoices/%2e%2e/open",
    "/invoices//7",
    "/invoices/a%2Fb",
    "/invoices/a%5Cb",
    "/invoices\\7",
    "/invoices/%00",
    "/invoices%0a",
    "/open#/invoices",
    "http://elsewhere.example/open",
    "//elsewhere.example/open",
    "open",
    "*",
    "?/open",
    "/b\xfcro",
    "/open;x=1",
    "/open/..;/invoices",
    "/open/%2e%2e;/invoices",
    "/open/..%3b/invoices",
    "/open%3B",
    "/open/%zz",
    "/open/%",
    "/open/%4",
    "/open/%ff",
    "/open/%c0%ae%c0%ae/invoices",
    "/open/%ed%a0%80",
    "/open x",
    "/open\t",
    "/scim/..;/invoices",
    "/scim/%3b",
    "/scim/%zz",
    "/scim/%c0%af",
    "/scim/%u002e",
)


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.2", "10.1.2.3"])
async def test_only_the_gateway_is_believed(gateway: Gateway, peer: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever else asks is refused, with a good key and on a public path, too, and the log says so once."""
    key = await gateway.here.issue("invoices:read")

    answers = [await gateway.ask(target, key, peer=peer) for target in ("/invoices", "/open", "/nowhere")]

    assert {(403, "untrusted_gateway")} == {(answer.status_code, answer.json()["code"]) for answer in answers}
    assert not any(name in answer.headers for answer in answers for name in TOLD)
    assert 0 == gateway.runtime.stats.store_reads
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"forward-auth billing: '{peer}' asks, and is not in its trusted_proxies" == warning


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Forwarded-Method", "GET")],
        [("X-Forwarded-Uri", "/open")],
        [("X-Forwarded-Method", ""), ("X-Forwarded-Uri", "/open")],
        [("X-Forwarded-Method", "G\xcbT"), ("X-Forwarded-Uri", "/open")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/invoices"), ("X-Forwarded-Uri", "/open")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/open")],
        [("X-Original-Method", "GET"), ("X-Original-Uri", "/open")],
        [("X-Forwarded-Method", "GET"), ("X-Original-Uri", "/open")],
        [("X_Forwarded_Method", "GET"), ("X_Forwarded_Uri", "/open")],
    ],
)
async def test_what_the_gateway_does_not_say_once_is_not_guessed(
    gateway: Gateway, headers: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Without method and target, each once and in the policy's own family, nothing passes, and the log says why."""
    answer = await gateway.send("/v1/forward-auth/billing", headers)

    assert (400, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert (
        "forward-auth billing: the gateway must send X-Forwarded-Method and X-Forwarded-Uri, once each" in caplog.text
    )


@pytest.mark.cases("FF-74")
@pytest.mark.parametrize("asked_by", ["GET", "HEAD", "MOVE", "COPY"])
async def test_what_is_written_elsewhere_needs_what_elsewhere_needs(gateway: Gateway, asked_by: str) -> None:
    """A gateway that keeps Destination to itself gets no answer; the method that it asks with means nothing."""
    key = await gateway.here.issue("scim:provision", key_type="scim")

    async def moved(*destinations: str) -> int:
        sent = [("X-Forwarded-Method", "MOVE"), ("X-Forwarded-Uri", "/scim/a"), ("X-Forwarded-For", CLIENT)]
        sent += [("Authorization", f"Bearer {key.text}"), *(("Destination", path) for path in destinations)]
        return (await gateway.send("/v1/forward-auth/billing", sent, method=asked_by)).status_code

    assert (200, 403, 403, 400) == (
        await moved("https://shop.example/scim/b"),
        await moved("/invoices/b"),
        await moved("/v1/teams"),
        await moved(),
    )
    assert 200 == (await gateway.ask("/scim/a", key)).status_code


async def test_the_other_family_is_the_clients_and_counts_for_nothing(gateway: Gateway) -> None:
    """Headers that the gateway does not set come from the client: they change no answer."""
    key = await gateway.here.issue("orders:read")
    claimed = [("X-Original-Method", "GET"), ("X-Original-Uri", "/open"), ("X-Original-Url", "/open")]
    other = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/open")]

    assert 401 == (await gateway.ask("/invoices", headers=claimed)).status_code
    assert 401 == (await gateway.ask("/orders", policy="shop", headers=other)).status_code
    assert 200 == (await gateway.ask("/orders", key, policy="shop", headers=other)).status_code


@pytest.mark.parametrize("target", BAD_TARGETS)
async def test_a_target_that_two_programs_could_read_in_two_ways_is_refused(gateway: Gateway, target: str) -> None:
    """What a gateway or an application might fold, cut or decode is refused before any key is looked at."""
    key = await gateway.here.issue("invoices:read")

    answer = await gateway.ask(target, key)

    assert (400, "invalid_path") == (answer.status_code, answer.json()["code"])


async def test_ip_04_the_address_is_the_gateways_word(gateway: Gateway) -> None:
    """A key that is bound to addresses passes from these, as the nearest hop that is not trusted says."""
    key = await gateway.here.issue("invoices:read", ip_allow=("203.0.113.0/24",))

    assert 200 == (await gateway.ask("/invoices", key, client="203.0.113.9")).status_code
    assert 200 == (await gateway.ask("/invoices", key, client="198.51.100.1, 203.0.113.9")).status_code
    assert 403 == (await gateway.ask("/invoices", key, client="203.0.113.9, 198.51.100.1")).status_code
    assert 403 == (await gateway.ask("/invoices", key, client="nonsense")).status_code


async def test_the_gateways_own_address_opens_nothing(gateway: Gateway) -> None:
    """Where the gateway does not say from where, the address is unknown; it is not the gateway's."""
    bound = await gateway.here.issue("invoices:read", ip_allow=(GATEWAY,))
    free = await gateway.here.issue("invoices:read")

    assert 403 == (await gateway.ask("/invoices", bound, client=None)).status_code
    assert 200 == (await gateway.ask("/invoices", free, client=None)).status_code


async def test_nothing_secret_is_told(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """Neither answer nor log holds a presented key."""
    caplog.set_level(logging.DEBUG)
    key = await gateway.here.issue("invoices:read")

    answers = [await gateway.ask(target, key) for target in ("/invoices", "/nowhere", "/a//b", "/invoices/7?x=1")]

    said = caplog.text + "".join(f"{answer.headers!r} {answer.text}" for answer in answers)
    assert key.text not in said
    assert key.text.rpartition("_")[2] not in said


class _Sent:
    status = 0

    async def __call__(self, message: Message) -> None:
        self.status = message.get("status", self.status)


async def _passes(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_gateway_is_answered_what_the_middleware_would_answer(gateway: Gateway) -> None:
    """Over 2,000 questions the decision is that of the middleware with the same rules and the same request."""
    chance = random.Random(11)  # noqa: S311 - repeatable, no secrets
    middleware = APIKeyMiddleware(
        _passes, runtime=gateway.runtime, rules=gateway.runtime.settings.forward_auth["billing"].rules
    )
    keys = [await gateway.here.issue(*held) for held in (["invoices:read"], ["invoices:*"], ["*"], ["orders:read"])]
    keys.append(await gateway.here.issue("invoices:read", ip_allow=("198.51.100.0/24",)))
    keys.append(await gateway.here.issue("invoices:read", team="acme"))
    await gateway.here.disable(keys[2])
    texts = [*(key.text for key in keys), keys[0].text[:-1] + "x", "junk", "a b", ""]
    seen = set()
    for _ in range(2000):
        method = chance.choice(["GET", "HEAD", "POST", "OPTIONS", "WS", "get"])
        path = chance.choice(PATHS)
        name = chance.choice(["authorization", "x-api-key"])
        value = chance.choice(texts) if name == "x-api-key" else f"Bearer {chance.choice(texts)}"
        client = chance.choice([CLIENT, "198.51.100.7"])
        carried = [(name, value)] * chance.choice([0, 1, 1, 1, 1, 2])

        asked = await gateway.ask(path, method=method, client=client, headers=carried)
        direct = _Sent()
        scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
        scope |= {"root_path": "", "client": (client, 1), "query_string": b""}
        scope["headers"] = [(key.encode(), text.encode()) for key, text in carried]
        await middleware(scope, _never, direct)

        assert direct.status == asked.status_code, scope
        seen.add(direct.status)
    assert {200, 400, 401, 403} == seen


async def _never() -> Message:
    raise AssertionError("a body was read")
