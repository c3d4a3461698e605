from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.admin.conftest import KEYS, OTHER_TEAM, TEAM

if TYPE_CHECKING:
    from tests.admin.conftest import LiveAdmin

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
    "duplicated_from",
    "expires_at",
    "last_used",
    "disabled_at",
    "etag",
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


def test_lc_08_enabling_an_expired_key_leaves_it_expired(live_admin: LiveAdmin) -> None:
    """A key that ran out stays refused when it is enabled; the answer says expired."""
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    made = live_admin.make(expires_at=soon.isoformat())
    live_admin.call("POST", f"{made.path}/disable")
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))

    answer = live_admin.call("POST", f"{made.path}/enable")

    assert (200, "expired") == (answer.status_code, answer.json()["state"])
    assert "invalid_key" == live_admin.verify(made.secret)["code"]


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
    """Only what worked is replayed: a mended request may use the same Idempotency-Key."""
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


def test_a_patch_changes_what_it_names_and_moves_the_etag(live_admin: LiveAdmin) -> None:
    """A merge patch leaves the rest, null clears, and the new tag is in header and body."""
    made = live_admin.make(description="old", expires_at="2999-01-01T00:00:00Z")

    answer = live_admin.call(
        "PATCH",
        made.path,
        content=b'{"name": "new", "description": null}',
        headers={"Content-Type": "application/merge-patch+json"},
    )

    key = answer.json()
    assert (200, "new", None, "2999-01-01T00:00:00Z") == (
        answer.status_code,
        key["name"],
        key["description"],
        key["expires_at"],
    )
    assert key["etag"] == answer.headers["etag"] != made.body["etag"]
    assert key == live_admin.call("GET", made.path).json()


@pytest.mark.parametrize("form", ["{}", "*", '"0", {}', "W/{}, {}"])
def test_a_patch_with_the_present_etag_passes(live_admin: LiveAdmin, form: str) -> None:
    """If-Match with the key's tag, alone or in a list, or with any, lets the patch through."""
    made = live_admin.make()
    tag = live_admin.call("GET", made.path).headers["etag"]

    answer = live_admin.call("PATCH", made.path, json={"name": "b"}, headers={"If-Match": form.replace("{}", tag)})

    assert (200, "b") == (answer.status_code, answer.json()["name"])


@pytest.mark.parametrize("form", ['"0"', "W/{}", "0", '"0", "9999"', '"0", W/{}'])
def test_a_patch_with_another_etag_is_412(live_admin: LiveAdmin, form: str) -> None:
    """If-Match without the key's present strong tag changes nothing."""
    made = live_admin.make()

    answer = live_admin.call(
        "PATCH", made.path, json={"name": "b"}, headers={"If-Match": form.replace("{}", made.body["etag"])}
    )

    assert (412, "precondition_failed") == (answer.status_code, answer.json()["code"])
    assert made.body == live_admin.call("GET", made.path).json()


def test_use_does_not_move_the_etag(live_admin: LiveAdmin) -> None:
    """A key's tag is that of its settings, however often it is used."""
    made = live_admin.make_admin("keys:read")
    for _ in range(3):
        live_admin.call("GET", "/v1/whoami", made.secret)
    deadline = time.monotonic() + 10
    while (key := live_admin.call("GET", made.path).json())["last_used"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert ("127.0.0.1", made.body["etag"]) == (key["last_used"]["ip"], key["etag"])


def test_a_key_may_be_named_as_it_is_displayed(live_admin: LiveAdmin) -> None:
    """Paths take the 16 characters or the display form; a whole key has no place in a path."""
    made = live_admin.make()

    displayed = live_admin.call("GET", f"{KEYS}/{made.body['display']}")

    assert (200, made.id) == (displayed.status_code, displayed.json()["id"])
    assert 404 == live_admin.call("GET", f"{KEYS}/{made.secret}").status_code


def test_usage_has_every_day(live_admin: LiveAdmin) -> None:
    """Days without use are there with zeros, today last."""
    made = live_admin.make()

    days = live_admin.call("GET", f"{made.path}/usage?days=3").json()["days"]

    today = datetime.now(UTC).date()
    assert 3 == len(days)
    assert today - timedelta(days=1) <= datetime.fromisoformat(days[-1]["date"]).date() <= today
    assert {"date", "admitted", "denied"} == set(days[0])


def test_a_list_is_paged_by_an_opaque_token(live_admin: LiveAdmin) -> None:
    """Pages follow each other without gap or repeat, and the last has no token."""
    names = [f"key {number}" for number in range(5)]
    for name in names:
        live_admin.make(name=name)
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page = live_admin.call("GET", f"{KEYS}?type=api&order_by=-name&page_size=2&page_token={token}").json()
        seen += [key["name"] for key in page["keys"]]
        token = page["next_page_token"]

    assert names[::-1] == seen


def test_a_list_can_be_narrowed(live_admin: LiveAdmin) -> None:
    """State, type, text and disuse each leave out what does not fit."""
    live_admin.make(name="Alpha")
    beta = live_admin.make(name="be%ta")
    live_admin.call("POST", f"{beta.path}/disable")

    def names(query: str) -> list[str]:
        return [key["name"] for key in live_admin.call("GET", f"{KEYS}?{query}").json()["keys"]]

    assert ["be%ta"] == names("state=disabled")
    assert ["root"] == names("type=admin")
    assert ["Alpha"] == names("q=ALPH")
    assert ["be%ta"] == names("q=%25")
    assert ["be%ta"] == names(f"q={beta.secret}")
    assert ["Alpha", "be%ta"] == sorted(names("unused_since=2026-01-01T00:00:00Z&type=api"))
    assert [] == names("state=suspended")


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


def test_a_lower_plan_suspends_and_refuses(live_admin: LiveAdmin) -> None:
    """Keys of types outside the plan are kept but refused, and new ones are `plan_required`."""
    made = live_admin.make()
    live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"plan": "teams"})

    shown = live_admin.call("GET", made.path).json()["state"]
    verified = live_admin.verify(made.secret)["code"]
    create = live_admin.call("POST", KEYS, json={"name": "a", "permissions": []})

    assert ("suspended", "invalid_key") == (shown, verified)
    assert (403, "plan_required") == (create.status_code, create.json()["code"])
