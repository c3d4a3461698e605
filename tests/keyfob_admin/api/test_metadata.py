from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.api.conftest import KEYS, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines


def test_metadata_is_merged_by_a_patch(standing_admin: LiveAdmin) -> None:
    """A member is set, null removes one, and null for all removes all; external ids are set and cleared."""
    made = standing_admin.make(metadata={"seats": 5, "trial": True, "rate": 0.5}, external_id="org_42")

    def patched(**body: Any) -> dict[str, Any]:
        answer = standing_admin.call("PATCH", made.path, json=body)
        assert 200 == answer.status_code, answer.text
        key: dict[str, Any] = answer.json()
        return key

    assert ({"seats": 5, "trial": True, "rate": 0.5}, "org_42") == (made.body["metadata"], made.body["external_id"])
    assert {"seats": 6, "rate": 0.5, "x": "ü"} == patched(metadata={"seats": 6, "trial": None, "x": "ü"})["metadata"]
    cleared = patched(metadata=None, external_id=None)
    assert ({}, None) == (cleared["metadata"], cleared["external_id"])


def test_metadata_is_shown_to_readers_of_keys_alone(standing_admin: LiveAdmin) -> None:
    """Whoever may change keys, or read the audit log, and not read keys, learns neither metadata nor external id."""
    made = standing_admin.make(metadata={"customer": "c-4711"}, external_id="org-4711")
    standing_admin.call("PATCH", made.path, json={"metadata": {"customer": "d-4711"}, "external_id": "org-4712"})
    writer = standing_admin.make_admin("keys:write", "limits:write", "items:read").secret
    auditor = standing_admin.make_admin("audit:read").secret
    answers = [
        standing_admin.call("PATCH", made.path, writer, json={}),
        standing_admin.call("PATCH", made.path, writer, json={"limits": []}),
        standing_admin.call("POST", f"{KEYS}/disable", writer, json={"ids": [made.id], "dry_run": True}),
        standing_admin.call("POST", f"{made.path}/duplicate", writer, json={}),
        standing_admin.call("POST", f"{made.path}/rotate", writer, json={}),
        standing_admin.call("POST", f"{made.path}/disable", writer),
        standing_admin.call("POST", f"{made.path}/enable", writer),
        standing_admin.call("GET", f"/v1/audit-events?key={made.id}", auditor),
        standing_admin.call("GET", "/v1/audit-events", auditor, headers={"Accept": "application/x-ndjson"}),
    ]

    assert [200, 200, 200, 201, 201, 200, 200, 200, 200] == [answer.status_code for answer in answers]
    for answer in answers:
        assert "471" not in answer.text, answer.url
    reader = standing_admin.make_admin("audit:read", "keys:read").secret
    assert "d-4711" in standing_admin.call("GET", f"/v1/audit-events?key={made.id}", reader).text
    assert "org-4712" in standing_admin.call("GET", made.path, reader).text


WRONG = [
    ({"metadata": {"a b": 1}}, "/metadata/a b"),
    ({"metadata": {"": 1}}, "/metadata/"),
    ({"metadata": {"a" * 41: 1}}, "/metadata/" + "a" * 41),
    ({"metadata": {"a": [1]}}, "/metadata/a"),
    ({"metadata": {"a": {"b": 1}}}, "/metadata/a"),
    ({"metadata": {f"a{number}": 1 for number in range(33)}}, "/metadata"),
    ({"metadata": {"a": "x" * 4096}}, "/metadata"),
    ({"metadata": {"a": "é" * 2048}}, "/metadata"),
    ({"metadata": []}, "/metadata"),
    ({"external_id": ""}, "/external_id"),
    ({"external_id": "x" * 129}, "/external_id"),
    ({"external_id": "é"}, "/external_id"),
    ({"external_id": "a\n"}, "/external_id"),
]


@pytest.mark.parametrize(("body", "pointer"), WRONG)
def test_what_cannot_be_noted_is_refused(standing_admin: LiveAdmin, body: dict[str, object], pointer: str) -> None:
    """On create, PATCH and on teams alike: 422 with the pointer of the member."""
    made = standing_admin.make()
    calls = [("POST", KEYS, {"name": "x", **body}), ("PATCH", made.path, body), ("PATCH", f"/v1/teams/{TEAM}", body)]

    answers = [standing_admin.call(method, path, json=sent) for method, path, sent in calls]

    assert [(422, pointer)] * 3 == [(answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in answers]


def test_lists_are_filtered_sorted_and_counted(live_admin: LiveAdmin) -> None:
    """Each filter finds its keys; expiries are sorted with never at the end; only the first page has the total."""
    first = live_admin.make(name="a", external_id="org_1", expires_at="2099-01-01T00:00:00Z")
    second = live_admin.make(name="b", external_id="org_2", expires_at="2098-01-01T00:00:00Z")
    third = live_admin.make(name="c")

    def found(query: str) -> list[str]:
        answer = live_admin.call("GET", f"{KEYS}?type=api&{query}")
        assert 200 == answer.status_code, answer.text
        assert len(answer.json()["keys"]) == answer.json()["total"]
        return [key["name"] for key in answer.json()["keys"]]

    assert ["a"] == found("external_id=org_1")
    assert ["b"] == found("expires_before=2098-06-01T00:00:00Z")
    assert ["a", "c"] == found("expires_after=2098-06-01T00:00:00Z")
    assert ["b", "a", "c"] == found("order_by=expires_at")
    assert ["c", "a", "b"] == found("order_by=-expires_at")
    assert ["a", "b", "c"] == found(f"created_by={live_admin.root_id}&never_used=true")
    assert [] == found("unused_since=2020-01-01T00:00:00Z")
    assert ["a", "b", "c"] == found("unused_since=2099-01-01T00:00:00Z")
    page = live_admin.call("GET", f"{KEYS}?type=api&order_by=expires_at&page_size=2").json()
    rest = live_admin.call(
        "GET", f"{KEYS}?type=api&order_by=expires_at&page_size=2&page_token={page['next_page_token']}"
    ).json()
    assert [second.id, first.id] == [key["id"] for key in page["keys"]]
    assert ([third.id], 3, False) == ([key["id"] for key in rest["keys"]], page["total"], "total" in rest)


def test_many_keys_are_disabled_at_once_with_a_reason(live_admin: LiveAdmin) -> None:
    """By ids or by a filter, all or none, after a look; the reason is in the audit event of each."""
    keys = [live_admin.make(name=f"k{number}", external_id="org_1") for number in range(3)]
    path = f"{KEYS}/disable"

    looked = live_admin.call("POST", path, json={"filter": {"external_id": "org_1"}, "dry_run": True}).json()
    none = live_admin.call("POST", path, json={"ids": [keys[0].id, "0" * 16]})
    assert (404, {"active"}) == (none.status_code, {key["state"] for key in looked["keys"]})
    assert "active" == live_admin.call("GET", keys[0].path).json()["state"]
    done = live_admin.call("POST", path, json={"filter": {"external_id": "org_1"}, "reason": "leaked"}).json()

    assert [(key.id, "disabled") for key in keys] == [(key["id"], key["state"]) for key in done["keys"]]
    events = live_admin.call("GET", "/v1/audit-events?action=key.disabled").json()["events"]
    assert ["leaked"] * 3 == [event["detail"]["reason"] for event in events]
    assert "invalid_key" == live_admin.verify(keys[0].secret)["code"]
    live_admin.call("DELETE", keys[0].path, json={"reason": "gone"})
    (event,) = live_admin.call("GET", "/v1/audit-events?action=key.deleted").json()["events"]
    assert "gone" == event["detail"]["reason"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"filter": {}},
        {"filter": {"q": ""}},
        {"filter": {"never_used": False}},
        {"ids": [], "filter": {"never_used": True}},
        {"ids": ["0" * 16] * 1001},
        {"ids": ["0" * 16], "reason": "x" * 501},
    ],
)
def test_disabling_everything_by_mistake_is_refused(standing_admin: LiveAdmin, body: dict[str, object]) -> None:
    """Without ids and without a condition nothing is meant: 422."""
    assert 422 == standing_admin.call("POST", f"{KEYS}/disable", json=body).status_code


def test_the_last_root_key_is_in_no_bulk(live_admin: LiveAdmin) -> None:
    """If one of the keys may not go, none goes."""
    other = live_admin.make()

    answer = live_admin.call("POST", f"{KEYS}/disable", json={"ids": [other.id, live_admin.root_id]})

    assert (409, "last_admin") == (answer.status_code, answer.json()["code"])
    assert "active" == live_admin.call("GET", other.path).json()["state"]
