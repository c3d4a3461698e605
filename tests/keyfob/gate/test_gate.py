"""The way of a request, from its headers to a verdict, on a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import Denied, Granted, Reason
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard

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
