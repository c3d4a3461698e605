from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.api.conftest import KEYS, OTHER_TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines


def test_lc_13_a_repeated_create_makes_one_key(live_admin: LiveAdmin) -> None:
    """The replay under one Idempotency-Key answers 200 with the key, and never again with its secret."""
    send: dict[str, Any] = {"json": {"name": "once", "permissions": []}, "headers": {"Idempotency-Key": "k-1"}}
    first = live_admin.call("POST", KEYS, **send)
    live_admin.call("POST", f"{KEYS}/{first.json()['key']['id']}/disable")

    again = live_admin.call("POST", KEYS, **send)

    assert (201, 200) == (first.status_code, again.status_code)
    assert ("true", None) == (again.headers["idempotency-replayed"], again.json()["secret"])
    assert (first.json()["key"]["id"], "disabled") == (again.json()["key"]["id"], again.json()["key"]["state"])
    assert 1 == len(live_admin.call("GET", f"{KEYS}?q=once").json()["keys"])


def test_lc_13_an_idempotency_key_stands_for_one_body_caller_and_path(live_admin: LiveAdmin) -> None:
    """Another body is refused; another caller or path is another request."""
    headers = {"Idempotency-Key": "k-1"}
    admin = live_admin.make_admin("*")
    live_admin.call("POST", KEYS, json={"name": "a", "permissions": []}, headers=headers)

    body = live_admin.call("POST", KEYS, json={"name": "b", "permissions": []}, headers=headers)
    caller = live_admin.call("POST", KEYS, admin.secret, json={"name": "a", "permissions": []}, headers=headers)
    path = live_admin.call(
        "POST", f"/v1/teams/{OTHER_TEAM}/keys", json={"name": "a", "permissions": []}, headers=headers
    )

    assert (422, "idempotency_mismatch") == (body.status_code, body.json()["code"])
    assert (201, 201) == (caller.status_code, path.status_code)


def test_lc_13_creates_at_once_under_one_idempotency_key_make_one_key(live_admin: LiveAdmin) -> None:
    """Of requests that arrive together one makes the key; the others wait their turn or are told to."""
    send: dict[str, Any] = {"json": {"name": "once", "permissions": []}, "headers": {"Idempotency-Key": "k-1"}}

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: live_admin.call("POST", KEYS, **send), range(8)))

    statuses = [answer.status_code for answer in answers]
    assert 1 == statuses.count(201)
    assert {201} <= set(statuses) <= {200, 201, 409}
    assert {"idempotency_in_progress"} >= {answer.json().get("code") for answer in answers if answer.status_code == 409}
    assert 1 == len(live_admin.call("GET", f"{KEYS}?q=once").json()["keys"])


def test_a_refused_create_is_not_remembered(live_admin: LiveAdmin) -> None:
    """Only what worked is replayed: a fixed request may use the same Idempotency-Key."""
    headers = {"Idempotency-Key": "k-1"}

    wrong = live_admin.call("POST", KEYS, json={"name": "", "permissions": []}, headers=headers)
    right = live_admin.call("POST", KEYS, json={"name": "a", "permissions": []}, headers=headers)

    assert (422, 201) == (wrong.status_code, right.status_code)


def test_a_replay_of_a_deleted_key_is_404(live_admin: LiveAdmin) -> None:
    """A replay shows the key as it is now; where it is gone there is nothing to show."""
    send: dict[str, Any] = {"json": {"name": "once", "permissions": []}, "headers": {"Idempotency-Key": "k-1"}}
    path = f"{KEYS}/{live_admin.call('POST', KEYS, **send).json()['key']['id']}"
    live_admin.call("POST", f"{path}/disable")
    live_admin.call("DELETE", path)

    assert 404 == live_admin.call("POST", KEYS, **send).status_code


def test_a_bad_idempotency_key_is_refused(live_admin: LiveAdmin) -> None:
    """A key that is too long is 400; nothing is made."""
    answer = live_admin.call("POST", KEYS, json={"name": "a"}, headers={"Idempotency-Key": "x" * 256})

    assert (400, "invalid_request") == (answer.status_code, answer.json()["code"])
