"""Explaining requests over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.api.conftest import OTHER_TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_a_request_is_explained_before_it_is_sent(live_admin: LiveAdmin) -> None:
    """Without rules in the configuration nothing is allowed, and the key is shown without its secret."""
    made = live_admin.make()

    answer = live_admin.call("POST", "/v1/explain", json={"key": made.id, "method": "GET", "path": "/items?x=1"})

    assert {
        "outcome": "refused",
        "reason": "no_rule",
        "rule": None,
        "needed": [],
        "held": ["items:read"],
        "missing": [],
        "changes": ["Write a rule that names this method and path."],
        "key_id": made.id,
        "display": f"kf_api_{made.id}",
        "name": "a key",
        "team": "acme",
        "state": "active",
        "method": "GET",
        "path": "/items",
        "ip": None,
        "refused_at": None,
    } == answer.json()


def test_a_refusal_of_the_admin_api_is_explained_by_its_request_id(live_admin: LiveAdmin) -> None:
    """Its 403 carries an id, which explains what the call needed, to those who can see the key."""
    reader = live_admin.make_admin("keys:read")
    problem = live_admin.call("POST", "/v1/teams", reader.secret, json={"id": "new"}).json()
    asked = {"request_id": problem["request_id"]}
    stranger = live_admin.make_admin("keys:read", team=OTHER_TEAM)
    deadline = time.monotonic() + 60
    while (answer := live_admin.call("POST", "/v1/explain", reader.secret, json=asked)).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    found = answer.json()
    assert ("refused", "permission", "POST /v1/teams") == (found["outcome"], found["reason"], found["rule"])
    assert (["teams:write"], ["keys:read"]) == (found["missing"], found["held"])
    assert reader.secret not in answer.text
    assert 404 == live_admin.call("POST", "/v1/explain", stranger.secret, json=asked).status_code


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"key": "x", "method": "GET"},
        {"request_id": "x", "key": "x"},
        {"request_id": "x", "ip": "::1"},
        {"request_id": "x", "more": 1},
        {"key": "x", "method": "GET", "path": "/", "ip": "here"},
    ],
)
def test_half_a_question_is_422(standing_admin: LiveAdmin, body: dict[str, Any]) -> None:
    """A request is described whole, or named by its id alone."""
    assert 422 == standing_admin.call("POST", "/v1/explain", json=body).status_code


def test_a_whole_key_is_cut_to_its_id(live_admin: LiveAdmin) -> None:
    """Who pastes a key by mistake gets an answer without its secret."""
    made = live_admin.make()

    answer = live_admin.call("POST", "/v1/explain", json={"key": made.secret, "method": "GET", "path": "/"})

    assert made.id == answer.json()["key_id"]
    assert made.secret.rpartition("_")[2] not in answer.text


def test_a_change_is_previewed(live_admin: LiveAdmin) -> None:
    """The admin API's own rules count; what a key was never used for changes nothing."""
    made = live_admin.make()
    reader = live_admin.make_admin("keys:read", "teams:read")
    assert 200 == live_admin.call("GET", "/v1/teams", reader.secret).status_code
    path = f"/v1/teams/acme/keys/{reader.id}"
    deadline = time.monotonic() + 60
    while not live_admin.call("GET", f"{path}/usage?by=rule").json()["rows"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    def preview(of: str, **patch: object) -> dict[str, Any]:
        answer = live_admin.call("POST", f"{of}/preview", json={"patch": patch})
        assert 200 == answer.status_code, answer.text
        found: dict[str, Any] = answer.json()
        return found

    refused = preview(path, permissions=["keys:read"])
    assert (1, 0, "127.0.0.1") == (refused["refused"], refused["unknown"], refused["last"]["address"])
    assert {"refused": 0, "unknown": 0, "last": None} == preview(path, permissions=["teams:read"])
    assert {"refused": 0, "unknown": 0, "last": None} == preview(made.path, permissions=[])
    assert 422 == live_admin.call("POST", f"{made.path}/preview", json={"patch": {"nope": 1}}).status_code
    assert 422 == live_admin.call("POST", f"{made.path}/preview", json={}).status_code
