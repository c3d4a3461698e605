"""The way of a request, from its headers to a verdict, on a real store."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import Denied, Granted, Reason
from keyfob.key_format import compose, new_key_id, new_secret
from tests.gate.conftest import ask, in_force, on_both_stores

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.gate.conftest import Echo, Guard

CHALLENGE = 'Bearer realm="keyfob"'


async def test_a_key_that_may_is_admitted(here: Installation, guard: Guard, echo: Echo) -> None:
    """A request whose key holds the permission reaches the application with its grant."""
    issued = await here.issue("items:read", name="billing")

    assert 200 == (await ask(guard(), "/items", issued.headers)).status
    grant = echo.scopes[0]["keyfob"]
    assert (issued.record.id, "billing", "api", "default", frozenset({"items:read"}), None) == (
        grant.key_id,
        grant.name,
        grant.key_type,
        grant.team,
        grant.permissions,
        grant.expires_at,
    )


REFUSED = [
    ("/items", "no key", 401, "missing_key", CHALLENGE),
    ("/items", "junk", 401, "invalid_key", f'{CHALLENGE}, error="invalid_token"'),
    (
        "/docs/private",
        "valid",
        403,
        "insufficient_scope",
        f'{CHALLENGE}, error="insufficient_scope", scope="docs:secret"',
    ),
    ("/unknown", "valid", 403, "insufficient_scope", f'{CHALLENGE}, error="insufficient_scope"'),
    ("/scim", "valid", 403, "insufficient_scope", f'{CHALLENGE}, error="insufficient_scope"'),
    ("/teams/other/members", "valid", 403, "insufficient_scope", f'{CHALLENGE}, error="insufficient_scope"'),
    ("/items/../open", "valid", 400, "invalid_path", None),
]


@pytest.mark.parametrize(("path", "presented", "status", "code", "challenge"), REFUSED)
async def test_each_refusal_has_its_answer(
    here: Installation,
    guard: Guard,
    echo: Echo,
    path: str,
    presented: str,
    status: int,
    code: str,
    challenge: str | None,
) -> None:
    """Every refusal is a problem with its own status, code and challenge, and never runs the application."""
    issued = await here.issue("items:read", "members:read")
    headers = {"no key": {}, "junk": {"X-API-Key": "junk"}, "valid": issued.headers}[presented]

    answer = await ask(guard(), path, headers)

    assert (status, code, challenge) == (
        answer.status,
        json.loads(answer.body)["code"],
        answer.headers.get("www-authenticate"),
    )
    assert "application/problem+json" == answer.headers["content-type"]
    assert "no-store" == answer.headers["cache-control"]
    assert [] == echo.scopes


async def test_a_team_is_bound_to_its_own_path(here: Installation, guard: Guard) -> None:
    """A rule with a team lets a key pass only where the path names the key's own team."""
    issued = await here.issue("members:read", team="red")
    app = guard()

    assert 200 == (await ask(app, "/teams/red/members", issued.headers)).status
    assert 403 == (await ask(app, "/teams/blue/members", issued.headers)).status


async def test_an_address_outside_the_list_is_refused(here: Installation, guard: Guard) -> None:
    """A key with ip_allow is 403 from elsewhere and from nowhere, and IPv4-mapped IPv6 counts as IPv4."""
    issued = await here.issue("items:read", ip_allow=("10.0.0.0/8",))
    app = guard()

    assert 200 == (await ask(app, "/items", issued.headers, ip="10.1.2.3")).status
    assert 200 == (await ask(app, "/items", issued.headers, ip="::ffff:10.1.2.3")).status
    assert 403 == (await ask(app, "/items", issued.headers, ip="11.1.2.3")).status
    assert 403 == (await ask(app, "/items", issued.headers, client=None)).status


@on_both_stores
async def test_cr_01_a_second_request_reads_nothing(here: Installation, guard: Guard) -> None:
    """A key that was admitted once costs neither a read nor an Argon2id check the second time."""
    issued = await here.issue("items:read")
    app = guard()
    await ask(app, "/items", issued.headers)
    reads, checks = app.stats.store_reads, app.stats.argon2_verifications

    await ask(app, "/items", issued.headers)

    assert (reads, checks) == (app.stats.store_reads, app.stats.argon2_verifications)
    assert 2 == app.stats.admitted


async def test_a_thousand_known_keys_cost_no_argon2_after_a_restart(here: Installation, guard: Guard) -> None:
    """The stored proof stands in for Argon2id in a process that never saw the keys: one read each, no hash."""
    keys = [await here.issue("items:read") for _ in range(1000)]
    app = guard()

    assert [200] * 1000 == [(await ask(app, "/items", issued.headers)).status for issued in keys]

    assert (0, 1000) == (app.stats.argon2_verifications, app.stats.store_reads)


async def test_without_stored_proofs_argon2_decides(here: Installation, guard: Guard) -> None:
    """persist_proofs=False checks each key once per process by Argon2id, and wipes the stored proof."""
    issued = await here.issue("items:read")
    app = guard(persist_proofs=False)

    assert 200 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/items", issued.headers)).status

    assert 1 == app.stats.argon2_verifications
    found = await here.store.find(issued.record.id)
    assert found.secret is not None
    assert found.secret.proof is None


async def test_kf_04_a_forged_key_costs_no_read(here: Installation, guard: Guard) -> None:
    """A text of the right shape and checksum but with a wrong tag is refused before any read or hash."""
    app = guard()
    await ask(app, "/items", (await here.issue("items:read")).headers)
    reads = app.stats.store_reads
    forged = compose(
        key_type="api", key_id=new_key_id(), secret=new_secret(), ring_char=here.signing.char, tag=lambda _: "0" * 14
    )

    answer = await ask(app, "/items", {"Authorization": f"Bearer {forged.text}"})

    assert 401 == answer.status
    assert (reads, 0, 1) == (app.stats.store_reads, app.stats.argon2_verifications, app.stats.refused_by_tag)


async def test_a_key_of_nobody_is_read_once(here: Installation, guard: Guard) -> None:
    """A text with our tag but an unknown id is looked up once, and then remembered as no key."""
    unknown = compose(
        key_type="api",
        key_id=new_key_id(),
        secret=new_secret(),
        ring_char=here.signing.char,
        tag=here.signing.tag,
    )
    app = guard()

    for _ in range(3):
        assert 401 == (await ask(app, "/items", {"X-API-Key": unknown.text})).status

    assert (1, 0) == (app.stats.store_reads, app.stats.argon2_verifications)


async def test_a_wrong_secret_with_our_tag_is_refused(here: Installation, guard: Guard) -> None:
    """Even whoever holds the ring cannot pass without the secret, and is answered as anybody else."""
    issued = await here.issue("items:read")
    wrong = compose(
        key_type="api",
        key_id=issued.record.id,
        secret=new_secret(),
        ring_char=here.signing.char,
        tag=here.signing.tag,
    )
    app = guard()

    refused = await ask(app, "/items", {"X-API-Key": wrong.text})
    junk = await ask(app, "/items", {"X-API-Key": "junk"})

    assert (401, 1) == (refused.status, app.stats.argon2_verifications)
    assert junk.body == refused.body
    assert 200 == (await ask(app, "/items", issued.headers)).status


@on_both_stores
async def test_cr_07_a_wrong_secret_never_answers_for_the_right_one(here: Installation, guard: Guard) -> None:
    """Right and wrong secrets of one key, presented together, each get their own answer."""
    issued = await here.issue("items:read")
    wrong = compose(
        key_type="api",
        key_id=issued.record.id,
        secret=new_secret(),
        ring_char=here.signing.char,
        tag=here.signing.tag,
    )
    app = guard(persist_proofs=False)
    texts = [issued.text, wrong.text] * 500

    answers = await asyncio.gather(*(ask(app, "/items", {"X-API-Key": text}) for text in texts))

    assert [200, 401] * 500 == [answer.status for answer in answers]
    assert 2 == app.stats.argon2_verifications


async def test_a_disabled_key_is_dead_at_once_and_alive_again(here: Installation, guard: Guard) -> None:
    """On one host the doorbell puts a change in force on the first request after it, off and on."""
    issued = await here.issue("items:read")
    app = guard()
    for _ in range(20):
        assert 200 == (await ask(app, "/items", issued.headers)).status
        await here.disable(issued)
        assert 401 == (await ask(app, "/items", issued.headers)).status
        await here.enable(issued)
    assert 200 == (await ask(app, "/items", issued.headers)).status


@on_both_stores
async def test_cr_14_enabling_is_not_held_back_by_the_denial(here: Installation, guard: Guard) -> None:
    """A key refused while it was disabled is admitted on the first request for which enabling it is in force."""
    issued = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard(max_staleness=0.5)
    assert 401 == (await ask(app, "/items", issued.headers)).status

    await here.enable(issued)
    await in_force(app)

    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_a_dead_key_is_not_read_each_time(here: Installation, guard: Guard) -> None:
    """Replaying a disabled key costs no read after the first."""
    issued = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard()

    for _ in range(5):
        assert 401 == (await ask(app, "/items", issued.headers)).status

    assert 1 == app.stats.store_reads


async def test_lc_08_a_key_expires_exactly_then(here: Installation, guard: Guard) -> None:
    """A key is refused at and after its expiry, by the wall clock, and admitted before."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    issued = await here.issue("items:read", expires_at=moment)
    app = guard()
    app.gate._now = (moment - timedelta(microseconds=1)).timestamp
    assert 200 == (await ask(app, "/items", issued.headers)).status

    app.gate._now = moment.timestamp

    assert 401 == (await ask(app, "/items", issued.headers)).status


async def test_a_plan_without_the_type_suspends(here: Installation, guard: Guard) -> None:
    """A key whose team's plan lacks its type is refused like any bad key; an admin key never is."""
    app = guard()
    suspended = await here.issue("items:read", team="small", plan="teams")
    admin = await here.issue("*", key_type="admin", team="small", plan="teams")

    assert 401 == (await ask(app, "/items", suspended.headers)).status
    assert 403 == (await ask(app, "/items", admin.headers)).status


@pytest.mark.parametrize("size", [0, 1])
@on_both_stores
async def test_cr_15_a_small_or_absent_cache_changes_no_answer(here: Installation, guard: Guard, size: int) -> None:
    """With a cache of one key, or none, keys that push each other out are still refused in time."""
    keys = [await here.issue("items:read") for _ in range(3)]
    app = guard(cache_size=size, max_staleness=0.5)
    for issued in keys * 3:
        assert 200 == (await ask(app, "/items", issued.headers)).status

    await here.disable(keys[0])
    await in_force(app)

    assert [401, 200, 200] == [(await ask(app, "/items", issued.headers)).status for issued in keys]


async def test_a_public_path_asks_for_nothing(here: Installation, guard: Guard, echo: Echo) -> None:
    """On a public path no credential is read, headers stay but for X-Keyfob-*, and user and auth are left alone."""
    headers = [("Authorization", "Bearer a b"), ("X-Keyfob-Team", "forged"), ("X-API-Key", "")]

    assert 200 == (await ask(guard(), "/open", headers)).status

    scope = echo.scopes[0]
    assert scope["keyfob"] is None
    assert {"user", "auth"}.isdisjoint(scope)
    assert [(b"authorization", b"Bearer a b"), (b"x-api-key", b"")] == scope["headers"]


async def test_se_03_the_application_never_sees_the_key(here: Installation, guard: Guard, echo: Echo) -> None:
    """The header that carried the key is gone from the scope, and from the one that outer frames hold."""
    issued = await here.issue("items:read")
    for headers in (issued.headers, {"X-API-Key": issued.text, "Authorization": "Basic abc"}):
        await ask(guard(), "/items", {**headers, "X-Keyfob-Key-Id": "forged", "Accept": "*/*"})

    assert [(b"accept", b"*/*")] == echo.scopes[0]["headers"]
    assert [(b"authorization", b"Basic abc"), (b"accept", b"*/*")] == echo.scopes[1]["headers"]
    assert issued.text not in repr(echo.scopes)


async def test_a_credential_can_be_forwarded(here: Installation, guard: Guard, echo: Echo) -> None:
    """With forward_credential the application gets the header as it came."""
    issued = await here.issue("items:read")

    await ask(guard(forward_credential=True), "/items", issued.headers)

    assert issued.text in repr(echo.scopes[0]["headers"])


async def test_what_starlette_looks_at_is_there(here: Installation, guard: Guard, echo: Echo) -> None:
    """scope["user"] and scope["auth"] answer as Starlette's own, wildcards covering what is under them."""
    issued = await here.issue("items:*", name="billing")

    await ask(guard(), "/items", issued.headers)

    user, auth = echo.scopes[0]["user"], echo.scopes[0]["auth"]
    assert (True, "billing", issued.record.id) == (user.is_authenticated, user.display_name, user.identity)
    assert "items:read" in auth.scopes
    assert "orders:read" not in auth.scopes


async def test_observing_refuses_nobody(
    here: Installation, guard: Guard, echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """mode="observe" passes everything, counts what it would refuse, and grants only to accepted keys."""
    issued = await here.issue("items:read")
    app = guard(mode="observe")

    for headers in ({}, {"X-API-Key": "junk"}, issued.headers):
        assert 200 == (await ask(app, "/items", headers)).status
    assert 200 == (await ask(app, "/items/../open")).status

    assert [None, None, issued.record.id, None] == [scope["keyfob"] and scope["keyfob"].key_id for scope in echo.scopes]
    assert (1, 3) == (app.stats.admitted, app.stats.denied)
    assert "only observes" in caplog.text


async def test_cp_24_a_preflight_needs_a_key_unless_allowed(here: Installation, guard: Guard, echo: Echo) -> None:
    """A CORS preflight is 401 by default; allow_preflight passes exactly it, without a grant."""
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}

    assert 401 == (await ask(guard(), "/items", preflight, method="OPTIONS")).status
    app = guard(allow_preflight=True)
    assert 401 == (await ask(app, "/items", {"Origin": "https://a.example"}, method="OPTIONS")).status
    assert 401 == (await ask(app, "/items", preflight, method="GET")).status
    assert [] == echo.scopes
    assert 200 == (await ask(app, "/items", preflight, method="OPTIONS")).status
    assert echo.scopes[0]["keyfob"] is None


async def test_a_callback_hears_of_refusals(here: Installation, guard: Guard) -> None:
    """on_denied is told the reason, which the caller is not; if it raises, the refusal stands."""
    heard: list[Any] = []

    def on_denied(denied: Denied) -> None:
        heard.append(denied.reason)
        raise RuntimeError

    issued = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard(on_denied=on_denied)

    assert 401 == (await ask(app, "/items", issued.headers)).status
    assert ["disabled"] == heard


async def test_a_method_called_ws_is_no_handshake(here: Installation, guard: Guard) -> None:
    """An HTTP request whose method is WS does not pass by a WebSocket's rule."""
    issued = await here.issue("ws:connect")

    assert 403 == (await ask(guard(), "/ws", issued.headers, method="WS")).status
    assert 401 == (await ask(guard(rules={"WS /ws": {"public": True}}), "/ws", method="WS")).status


async def test_unknown_kinds_of_connection_are_refused(guard: Guard) -> None:
    """A scope that Keyfob does not know is an error, never let through."""
    with pytest.raises(ValueError, match="knows nothing of"):
        await ask(guard(), "/items", type="webtransport")


async def test_inspecting_a_key_is_not_using_it(here: Installation, guard: Guard) -> None:
    """Runtime.inspect says what a key is, or why it is none, and leaves its last use alone."""
    good = await here.issue("items:read")
    bad = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard()

    found = await app.runtime.inspect(good.text)
    assert isinstance(found, Granted)
    assert found.grant is not None
    assert good.record.id == found.grant.key_id
    assert Denied(Reason.DISABLED, bad.record.id) == await app.runtime.inspect(bad.text)
    assert Denied(Reason.MALFORMED) == await app.runtime.inspect("\udcff")
    await app.runtime.usage.flush(here.store)
    view = await here.store.view(good.record.id)
    assert view is not None
    assert view.last_used is None
