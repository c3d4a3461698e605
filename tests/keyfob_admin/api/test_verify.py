from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import OTHER_TEAM, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines
NOTHING_KNOWN = {
    "valid": False,
    "code": "invalid_key",
    "key_id": None,
    "name": None,
    "key_type": None,
    "team": None,
    "permissions": [],
    "expires_at": None,
    "ip_allow": [],
    "state": None,
}


def test_verify_tells_what_a_valid_key_is(live_admin: LiveAdmin) -> None:
    """A valid key is named with its team, permissions, end and addresses."""
    made = live_admin.make(permissions=["items:*"], expires_at="2999-01-01T00:00:00Z")

    verified = live_admin.verify(made.secret, permissions=["items:read"], team=TEAM)

    assert {
        "valid": True,
        "code": "valid",
        "key_id": made.id,
        "name": "a key",
        "key_type": "api",
        "team": TEAM,
        "permissions": ["items:*"],
        "expires_at": "2999-01-01T00:00:00Z",
        "ip_allow": [],
        "state": "active",
    } == verified


def test_verify_never_counts_as_use(live_admin: LiveAdmin) -> None:
    """Whatever the answer is, the key's last use and its usage stay as they were."""
    made = live_admin.make(ip_allow=["10.0.0.0/8"])
    for fields in ({}, {"ip": "10.1.2.3"}, {"ip": "192.0.2.1"}, {"ip": "10.1.2.3", "permissions": ["items:write"]}):
        live_admin.verify(made.secret, **fields)
    marker = live_admin.make_admin("keys:read")
    live_admin.call("GET", "/v1/whoami", marker.secret)
    deadline = time.monotonic() + 60
    while live_admin.call("GET", marker.path).json()["last_used"] is None:  # written with all uses before it
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert live_admin.call("GET", made.path).json()["last_used"] is None
    days = live_admin.call("GET", f"{made.path}/usage?days=2").json()["days"]
    assert [(0, 0)] * 2 == [(day["admitted"], day["denied"]) for day in days]


def test_verify_says_insufficient_scope_for_a_valid_key_that_may_not(live_admin: LiveAdmin) -> None:
    """Missing permissions and another team than the one asked for are no faults of the key itself."""
    made = live_admin.make(permissions=["items:read"])

    reported = [
        live_admin.verify(made.secret, permissions=["items:write"]),
        live_admin.verify(made.secret, permissions=["items:read", "items:*"]),
        live_admin.verify(made.secret, team=OTHER_TEAM),
    ]

    assert [(False, "insufficient_scope")] * 3 == [(answer["valid"], answer["code"]) for answer in reported]
    assert made.id == reported[0]["key_id"]


ADDRESSES = {
    None: "address_unknown",
    "10.1.2.3": "valid",
    "::ffff:10.1.2.3": "valid",
    "2001:DB8::7": "valid",
    "192.0.2.1": "address_not_allowed",
    "2001:db9::1": "address_not_allowed",
}


@pytest.mark.parametrize("ip", ADDRESSES)
def test_ff_06_verify_judges_the_address(live_admin: LiveAdmin, ip: str | None) -> None:
    """A key that is bound to addresses is valid only for a caller that says it came from one of them."""
    made = live_admin.make(ip_allow=["10.0.0.0/8", "2001:db8::/32"])

    verified = live_admin.verify(made.secret, **({} if ip is None else {"ip": ip}))

    assert (ADDRESSES[ip] == "valid", ADDRESSES[ip]) == (verified["valid"], verified["code"])
    assert (made.id, ["10.0.0.0/8", "2001:db8::/32"]) == (verified["key_id"], verified["ip_allow"])


def test_ff_06_a_key_without_addresses_is_valid_from_anywhere(live_admin: LiveAdmin) -> None:
    """An address is accepted for any key, and null counts as left out."""
    made = live_admin.make()

    assert ["valid"] * 2 == [live_admin.verify(made.secret, ip=ip)["code"] for ip in ("192.0.2.1", None)]


def test_ff_06_the_order_of_verify_is_the_gates(live_admin: LiveAdmin) -> None:
    """Another team comes before the address, and the address before a missing permission."""
    made = live_admin.make(ip_allow=["10.0.0.0/8"])

    assert "insufficient_scope" == live_admin.verify(made.secret, team=OTHER_TEAM)["code"]
    assert "address_unknown" == live_admin.verify(made.secret, permissions=["items:write"])["code"]


MALFORMED = [
    ({"permissions": ["items:read"] * 201}, "/permissions"),
    ({"permissions": ["no permission"]}, "/permissions/0"),
    ({"permissions": ["items:read", "ITEMS:READ"]}, "/permissions/1"),
    ({"permissions": [""]}, "/permissions/0"),
    ({"permissions": ["items:*:x"]}, "/permissions/0"),
    ({"permissions": "items:read"}, "/permissions"),
    ({"permissions": None}, "/permissions"),
    ({"ip": "10.0.0.0/8"}, "/ip"),
    ({"ip": "10.1.2.3:443"}, "/ip"),
    ({"ip": ""}, "/ip"),
    ({"ip": "example.com"}, "/ip"),
    ({"ip": 7}, "/ip"),
]


@pytest.mark.parametrize(("fields", "pointer"), MALFORMED, ids=str)
def test_ff_06_what_cannot_be_judged_is_422(standing_admin: LiveAdmin, fields: dict[str, object], pointer: str) -> None:
    """Malformed permissions, too many of them and what is no address are refused, whatever the key is."""
    for key in (standing_admin.root, "no key"):
        answer = standing_admin.call("POST", "/v1/verify", json={"key": key, **fields})

        assert (422, pointer) == (answer.status_code, answer.json()["errors"][0]["pointer"])


def test_ff_06_the_state_is_for_those_who_may_read_keys(live_admin: LiveAdmin) -> None:
    """With `keys:read` a proved key's state is shown, also when it is refused; `keys:verify` alone learns nothing."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    expired = live_admin.make(expires_at=soon.isoformat())
    disabled, active = live_admin.make(), live_admin.make()
    live_admin.call("POST", f"{disabled.path}/disable")
    verifier, reader = live_admin.make_admin("keys:verify").secret, live_admin.make_admin("keys:read").secret
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))

    def states(by: str) -> list[object]:
        return [live_admin.verify(key.secret, by)["state"] for key in (active, disabled, expired)]

    assert [None] * 3 == states(verifier)
    assert ["active", "disabled", "expired"] == states(reader)
    live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"plan": "teams"})
    assert "suspended" == live_admin.verify(active.secret, reader)["state"]
    assert {**NOTHING_KNOWN, "state": "disabled"} == live_admin.verify(disabled.secret, reader)


def test_verify_tells_nothing_of_a_key_that_is_not_valid(live_admin: LiveAdmin) -> None:
    """Wrong, disabled, deleted, foreign and malformed keys all look alike."""
    disabled, deleted = live_admin.make(), live_admin.make()
    for made in (disabled, deleted):
        live_admin.call("POST", f"{made.path}/disable")
    live_admin.call("DELETE", deleted.path)
    theirs = live_admin.make(team=OTHER_TEAM)
    ours = live_admin.make_admin("keys:verify").secret
    swapped = disabled.secret[:-10] + theirs.secret[-10:]

    for key in (disabled.secret, deleted.secret, swapped, "", "x", "é\u0000😀", "x" * 60_000, disabled.secret + " "):
        assert NOTHING_KNOWN == live_admin.verify(key, ours)
    assert NOTHING_KNOWN == live_admin.verify(theirs.secret, live_admin.make_admin("keys:read").secret)
    assert NOTHING_KNOWN == live_admin.verify(deleted.secret)
    assert live_admin.verify(theirs.secret)["valid"]


def test_verify_needs_one_of_two_permissions(live_admin: LiveAdmin) -> None:
    """`keys:verify` or `keys:read` will do."""
    made = live_admin.make()
    for permission, status in (("keys:verify", 200), ("keys:read", 200), ("keys:write", 403)):
        admin = live_admin.make_admin(permission).secret
        answer = live_admin.call("POST", "/v1/verify", admin, json={"key": made.secret})
        assert status == answer.status_code
