from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines
KEY_MEMBERS = {
    "id",
    "display",
    "name",
    "description",
    "type",
    "team",
    "state",
    "permissions",
    "ip_allow",
    "created_at",
    "created_by",
    "owner",
    "limits",
    "limits_raised",
    "quota",
    "duplicated_from",
    "expires_at",
    "last_used",
    "disabled_at",
    "etag",
    "metadata",
    "external_id",
    "replaces",
    "replaced_by",
    "replaced_at",
}


def test_lc_01_create_shows_the_key_and_its_secret_once(live_admin: LiveAdmin) -> None:
    """Creating answers 201 with the whole key, where it is, and that nobody may keep the answer."""
    answer = live_admin.call("POST", KEYS, json={"name": "billing", "permissions": ["items:write", "items:read"]})

    made = answer.json()
    key = made["key"]
    assert 201 == answer.status_code
    assert "no-store" == answer.headers["cache-control"]
    assert f"{KEYS}/{key['id']}" == answer.headers["location"]
    assert {"key", "secret"} == set(made)
    assert KEY_MEMBERS == set(key)
    assert f"kf_api_{key['id']}" == key["display"]
    assert made["secret"].startswith(key["display"] + "_")
    assert ("billing", "api", TEAM, "active", ["items:read", "items:write"], [], None, None) == tuple(
        key[member]
        for member in ("name", "type", "team", "state", "permissions", "ip_allow", "last_used", "disabled_at")
    )
    assert {"kind": "key", "id": live_admin.root_id, "name": "root"} == key["created_by"]
    assert live_admin.verify(made["secret"])["valid"]


def test_what_location_names_is_the_key(live_admin: LiveAdmin) -> None:
    """Location can be followed, and answers what creating answered."""
    made = live_admin.make()

    answer = live_admin.call("GET", made.path)

    assert (200, made.body) == (answer.status_code, answer.json())


def test_lc_08_an_expiry_that_is_not_in_the_future_is_refused(live_admin: LiveAdmin) -> None:
    """No key can be made or changed to have expired already."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    made = live_admin.make()

    answers = [
        live_admin.call("POST", KEYS, json={"name": "late", "permissions": [], "expires_at": past}),
        live_admin.call("PATCH", made.path, json={"expires_at": past}),
    ]

    assert [(422, "/expires_at")] * 2 == [
        (answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in answers
    ]


def test_lc_10_a_duplicate_is_a_key_of_its_own(live_admin: LiveAdmin) -> None:
    """A copy has everything but the name, id, secret and past of the original, and neither opens the other."""
    made = live_admin.make(description="for billing", ip_allow=["10.0.0.0/8"])

    answer = live_admin.call("POST", f"{made.path}/duplicate")

    copy, secret = answer.json()["key"], answer.json()["secret"]
    same = ("description", "type", "team", "permissions", "ip_allow", "expires_at")
    assert 201 == answer.status_code
    assert f"{KEYS}/{copy['id']}" == answer.headers["location"]
    assert [made.body[member] for member in same] == [copy[member] for member in same]
    assert ("Copy of a key", made.id, None) == (copy["name"], copy["duplicated_from"], copy["last_used"])
    assert made.id != copy["id"]
    assert made.secret.split("_")[-1] != secret.split("_")[-1]
    live_admin.call("POST", f"{made.path}/disable")
    assert copy["id"] == live_admin.verify(secret)["key_id"]
    assert "invalid_key" == live_admin.verify(made.secret)["code"]


def test_a_duplicate_takes_overrides(live_admin: LiveAdmin) -> None:
    """What the caller sends replaces what would be copied; null clears it."""
    made = live_admin.make(description="old")
    overrides = {"name": "new", "permissions": [], "description": None, "ip_allow": ["::1"]}

    copy = live_admin.call("POST", f"{made.path}/duplicate", json=overrides).json()["key"]

    assert ("new", [], None, 1) == (copy["name"], copy["permissions"], copy["description"], len(copy["ip_allow"]))


def test_a_second_key_of_a_singleton_type_is_taken_or_replaces(live_admin: LiveAdmin) -> None:
    """One team has one computer key; `replace` puts another in its place."""
    first = live_admin.call("POST", KEYS, json={"name": "c", "type": "computer"})
    second = live_admin.call("POST", KEYS, json={"name": "c", "type": "computer"})
    third = live_admin.call("POST", KEYS, json={"name": "c", "type": "computer", "replace": True})

    assert (201, ["computers:enroll"]) == (first.status_code, first.json()["key"]["permissions"])
    assert (409, "key_type_taken") == (second.status_code, second.json()["code"])
    assert 201 == third.status_code
    assert "invalid_key" == live_admin.verify(first.json()["secret"])["code"]


def test_fixed_permissions_cannot_be_chosen(live_admin: LiveAdmin) -> None:
    """A computer key holds what its type fixes and nothing else."""
    answer = live_admin.call("POST", KEYS, json={"name": "c", "type": "computer", "permissions": ["items:read"]})

    assert (422, "fixed_permissions") == (answer.status_code, answer.json()["code"])
