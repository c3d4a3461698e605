from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_lc_02_an_enabled_key_cannot_be_deleted(live_admin: LiveAdmin) -> None:
    """Deleting before disabling is a conflict, and the key goes on working."""
    made = live_admin.make_admin("keys:read")

    answer = live_admin.call("DELETE", made.path)

    assert (409, "key_not_disabled") == (answer.status_code, answer.json()["code"])
    assert 200 == live_admin.call("GET", "/v1/whoami", made.secret).status_code


def test_lc_03_a_deleted_key_is_gone_for_ever(live_admin: LiveAdmin) -> None:
    """After disable and delete every call about the key is 404, and the key itself is refused."""
    made = live_admin.make_admin("keys:read")
    assert 200 == live_admin.call("POST", f"{made.path}/disable").status_code

    deleted = live_admin.call("DELETE", made.path)

    assert (204, b"") == (deleted.status_code, deleted.content)
    after = [
        live_admin.call("GET", made.path),
        live_admin.call("PATCH", made.path, json={"name": "again"}),
        live_admin.call("POST", f"{made.path}/enable"),
        live_admin.call("POST", f"{made.path}/disable"),
        live_admin.call("POST", f"{made.path}/duplicate"),
        live_admin.call("GET", f"{made.path}/usage"),
        live_admin.call("DELETE", made.path),
    ]
    assert [(404, "not_found")] * len(after) == [(answer.status_code, answer.json()["code"]) for answer in after]
    assert 401 == live_admin.call("GET", "/v1/whoami", made.secret).status_code


def test_lc_04_disabling_and_enabling_again_changes_nothing(live_admin: LiveAdmin) -> None:
    """The second disable and the second enable answer 200 with the same state and revision as the first."""
    made = live_admin.make()

    answers = [live_admin.call("POST", f"{made.path}/{verb}") for verb in ("disable", "disable", "enable", "enable")]

    keys = [answer.json() for answer in answers]
    assert [200] * 4 == [answer.status_code for answer in answers]
    assert ["disabled", "disabled", "active", "active"] == [key["state"] for key in keys]
    assert keys[0]["disabled_at"] == keys[1]["disabled_at"] is not None
    assert keys[0]["etag"] == keys[1]["etag"] != keys[2]["etag"] == keys[3]["etag"]
    assert [key["etag"] for key in keys] == [answer.headers["etag"] for answer in answers]


def test_a_change_says_by_when_it_holds_everywhere(live_admin: LiveAdmin) -> None:
    """On one host a disable is in force when the call returns, and `effective_by` says so."""
    made = live_admin.make()

    effective_by = datetime.fromisoformat(live_admin.call("POST", f"{made.path}/disable").json()["effective_by"])

    assert effective_by <= datetime.now(UTC)
    assert "invalid_key" == live_admin.verify(made.secret)["code"]


def test_mw_01_a_disable_can_wait_for_every_worker(live_admin: LiveAdmin) -> None:
    """With `wait=all` the answer names each worker, this process too, and since when none acts on what was before."""
    made = live_admin.make()

    answer = live_admin.call("POST", f"{made.path}/disable?wait=all")

    key = answer.json()
    assert (200, "disabled") == (answer.status_code, key["state"])
    assert [{"id", "host", "confirmed_at"}] == [worker.keys() for worker in key["workers"]]
    assert key["workers"][0]["confirmed_at"] is not None
    assert key["effective_at"] == key["effective_by"]
    assert datetime.fromisoformat(key["effective_at"]) <= datetime.now(UTC)
    assert "invalid_key" == live_admin.verify(made.secret)["code"]


def test_without_wait_nobody_is_named(live_admin: LiveAdmin) -> None:
    """A disable that nobody waits for answers as it always did."""
    key = live_admin.call("POST", f"{live_admin.make().path}/disable").json()

    assert "effective_by" in key
    assert set() == {"workers", "effective_at"} & key.keys()


@pytest.mark.parametrize("wait", ["", "one", "ALL", "true"])
def test_another_wait_is_refused_before_anything_is_done(live_admin: LiveAdmin, wait: str) -> None:
    """What a call does not understand it does not do: 422, and the key stays as it was."""
    made = live_admin.make()

    answer = live_admin.call("POST", f"{made.path}/disable?wait={wait}")

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
    assert "active" == live_admin.call("GET", made.path).json()["state"]


def test_waiting_needs_what_disabling_needs(live_admin: LiveAdmin) -> None:
    """Who may not disable a key may not wait for that either."""
    reader = live_admin.make_admin("keys:read")

    assert 403 == live_admin.call("POST", f"{live_admin.make().path}/disable?wait=all", reader.secret).status_code


def test_an_admin_key_that_disables_itself_still_gets_its_answer(live_admin: LiveAdmin) -> None:
    """The answer that says the key is disabled is not cut off because it is."""
    made = live_admin.make_admin("keys:write", "keys:read")

    answer = live_admin.call("POST", f"{made.path}/disable", made.secret)

    assert (200, "disabled") == (answer.status_code, answer.json()["state"])
    assert 401 == live_admin.call("GET", "/v1/whoami", made.secret).status_code


def test_lc_08_enabling_an_expired_key_leaves_it_expired(live_admin: LiveAdmin) -> None:
    """A key that ran out stays refused when it is enabled; the answer says expired."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    made = live_admin.make(expires_at=soon.isoformat())
    live_admin.call("POST", f"{made.path}/disable")
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))

    answer = live_admin.call("POST", f"{made.path}/enable")

    assert (200, "expired") == (answer.status_code, answer.json()["state"])
    assert "invalid_key" == live_admin.verify(made.secret)["code"]


def test_a_lower_plan_suspends_and_refuses(live_admin: LiveAdmin) -> None:
    """Keys of types outside the plan are kept but refused, and new ones are `plan_required`."""
    made = live_admin.make()
    live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"plan": "teams"})

    shown = live_admin.call("GET", made.path).json()["state"]
    verified = live_admin.verify(made.secret)["code"]
    create = live_admin.call("POST", KEYS, json={"name": "a", "permissions": []})

    assert ("suspended", "invalid_key") == (shown, verified)
    assert (403, "plan_required") == (create.status_code, create.json()["code"])
