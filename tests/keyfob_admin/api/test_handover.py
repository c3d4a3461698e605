from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines
PARTNER = {"name": "partner", "permissions": ["items:read"], "handover": {}}


def test_a_handover_answers_with_a_link_and_no_secret(live_admin: LiveAdmin) -> None:
    """201 with key, link and end of the link; the key is pending; the link is at the server's own address."""
    answer = live_admin.call("POST", KEYS, json=PARTNER, headers={"Host": "evil.example"})

    said = answer.json()
    assert (201, {"key", "handover_url", "expires_at"}) == (answer.status_code, said.keys())
    assert "pending" == said["key"]["state"]
    assert said["handover_url"].startswith(f"{live_admin.url}/handover/")
    lasts = datetime.fromisoformat(said["expires_at"]) - datetime.fromisoformat(said["key"]["created_at"])
    assert 72 * 3600 == lasts.total_seconds()
    token = said["handover_url"].rpartition("/")[2]
    assert token not in live_admin.call("GET", f"{KEYS}/{said['key']['id']}").text
    listed = live_admin.call("GET", f"{KEYS}?state=pending").json()["keys"]
    assert [said["key"]["id"]] == [key["id"] for key in listed]


def test_a_repeated_call_has_no_link(live_admin: LiveAdmin) -> None:
    """Under the same Idempotency-Key there is one key, and its link is shown once."""
    once = {"Idempotency-Key": "once"}
    first, second = (live_admin.call("POST", KEYS, json=PARTNER, headers=once) for _ in range(2))

    assert (200, "true") == (second.status_code, second.headers["idempotency-replayed"])
    assert first.json()["key"]["id"] == second.json()["key"]["id"]
    assert second.json()["handover_url"] is None


def test_a_new_link_is_made_for_pending_keys_alone(live_admin: LiveAdmin) -> None:
    """201 with another link; 409 for a key with a secret; 422 for a lifetime out of bounds, at its place."""
    made = live_admin.call("POST", KEYS, json=PARTNER).json()
    path = f"{KEYS}/{made['key']['id']}/handover"

    renewed = live_admin.call("POST", path, json={"expires_in": "30d"})
    plain = live_admin.call("POST", f"{live_admin.make().path}/handover")
    wrong = live_admin.call("POST", path, json={"expires_in": "5min"})
    nested = live_admin.call("POST", KEYS, json={**PARTNER, "handover": {"expires_in": "5min"}})

    assert 201 == renewed.status_code
    assert made["handover_url"] != renewed.json()["handover_url"]
    assert (409, "key_not_pending") == (plain.status_code, plain.json()["code"])
    assert (422, "/expires_in") == (wrong.status_code, wrong.json()["errors"][0]["pointer"])
    assert (422, "/handover/expires_in") == (nested.status_code, nested.json()["errors"][0]["pointer"])


def test_a_pending_key_counts_as_its_teams_one(live_admin: LiveAdmin) -> None:
    """A team that waits for its computer key to be collected gets no second one."""
    computer = {"name": "office", "type": "computer", "handover": {}}
    assert 201 == live_admin.call("POST", KEYS, json=computer).status_code

    assert "key_type_taken" == live_admin.call("POST", KEYS, json=computer).json()["code"]
