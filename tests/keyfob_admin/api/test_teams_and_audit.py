from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from keyfob_admin.api import TABLE
from tests.keyfob_admin.api.conftest import CATALOGUE, KEYS, OTHER_TEAM, TEAM

if TYPE_CHECKING:
    from keyfob_admin.api import Call
    from keyfob_admin.api.route import Route
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_a_team_is_made_read_listed_and_changed(live_admin: LiveAdmin) -> None:
    """A team has an id, a name and a plan; `enterprise` unless said otherwise."""
    made = live_admin.call("POST", "/v1/teams", json={"id": "new-team", "name": "New"})
    changed = live_admin.call("PATCH", "/v1/teams/new-team", json={"plan": "teams"})
    read = live_admin.call("GET", made.headers["location"])
    listed = live_admin.call("GET", "/v1/teams").json()["teams"]

    assert (201, "/v1/teams/new-team") == (made.status_code, made.headers["location"])
    noted: dict[str, object] = {"metadata": {}, "external_id": None}
    assert {"id": "new-team", "name": "New", "plan": "enterprise", **noted} == made.json()
    assert {"id": "new-team", "name": "New", "plan": "teams", **noted} == changed.json() == read.json()
    assert ["acme", "globex", "new-team"] == sorted(team["id"] for team in listed)


def test_ff_37_teams_are_listed_page_by_page(live_admin: LiveAdmin) -> None:
    """Teams are paged like keys: 50 unless said otherwise, by id, and a token for the next ones."""
    for number in range(60):
        live_admin.call("POST", "/v1/teams", json={"id": f"team-{number:02}"})

    first = live_admin.call("GET", "/v1/teams").json()
    second = live_admin.call("GET", f"/v1/teams?page_token={first['next_page_token']}").json()
    small = live_admin.call("GET", "/v1/teams?page_size=1").json()

    ids = [team["id"] for page in (first, second) for team in page["teams"]]
    assert (50, 12, None) == (len(first["teams"]), len(second["teams"]), second["next_page_token"])
    assert sorted([TEAM, OTHER_TEAM, *(f"team-{number:02}" for number in range(60))]) == ids
    assert [TEAM] == [team["id"] for team in small["teams"]]


@pytest.mark.parametrize("query", ["page_size=0", "page_size=1001", "page_size=x", "page_token=x", "q=acme"])
def test_ff_37_a_bad_query_for_teams_is_422(standing_admin: LiveAdmin, query: str) -> None:
    """A size, token or parameter that the listing of teams does not know is refused by its name."""
    answer = standing_admin.call("GET", f"/v1/teams?{query}")

    assert (422, f"/{query.partition('=')[0]}") == (answer.status_code, answer.json()["errors"][0]["pointer"])


def test_ff_37_a_token_of_another_listing_is_422(standing_admin: LiveAdmin) -> None:
    """A page token of the keys does not page teams."""
    standing_admin.make()
    standing_admin.make()
    token = standing_admin.call("GET", f"{KEYS}?page_size=1").json()["next_page_token"]

    assert 422 == standing_admin.call("GET", f"/v1/teams?page_token={token}").status_code


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
def test_ff_37_every_call_refuses_a_query_parameter_that_it_does_not_know(
    standing_admin: LiveAdmin, row: Route[Call]
) -> None:
    """A misspelt filter is 422 and never a longer answer than was asked for."""
    path = row.path.format(team=TEAM, key=standing_admin.make().id, person="0" * 16)
    body: dict[str, Any] = {"json": {"name": "a"}} if row.body else {}

    answer = standing_admin.call(row.method, f"{path}?nonsense=1", **body)

    assert (422, "/nonsense") == (answer.status_code, answer.json()["errors"][0]["pointer"])


def test_a_team_id_is_taken_once_and_is_a_slug(live_admin: LiveAdmin) -> None:
    """Another team of the same id is a conflict, and what is no slug is refused."""
    taken = live_admin.call("POST", "/v1/teams", json={"id": TEAM})
    bad = live_admin.call("POST", "/v1/teams", json={"id": "Not A Slug"})
    plan = live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"plan": "gold"})
    fixed = live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"id": "other"})

    assert (409, "team_exists") == (taken.status_code, taken.json()["code"])
    assert [(422, "/id"), (422, "/plan"), (422, "/id")] == [
        (answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in (bad, plan, fixed)
    ]


def test_a_team_admin_sees_its_own_team_alone(live_admin: LiveAdmin) -> None:
    """Without `teams:write` the other teams are not there."""
    admin = live_admin.make_admin("teams:read").secret

    assert [TEAM] == [team["id"] for team in live_admin.call("GET", "/v1/teams", admin).json()["teams"]]
    assert 404 == live_admin.call("GET", f"/v1/teams/{OTHER_TEAM}", admin).status_code


def test_whoami_permissions_and_key_types_are_for_any_admin_key(live_admin: LiveAdmin) -> None:
    """An admin key without permissions can still learn who it is and what there is."""
    admin = live_admin.make_admin(name="nobody")
    live_admin.call("POST", KEYS, json={"name": "c", "type": "computer"})

    caller = live_admin.call("GET", "/v1/whoami", admin.secret).json()
    permissions = live_admin.call("GET", "/v1/permissions", admin.secret).json()["permissions"]
    types = live_admin.call("GET", "/v1/key-types", admin.secret).json()["key_types"]

    assert (admin.id, "nobody", "admin", TEAM, [], None) == tuple(
        caller[member] for member in ("key_id", "name", "key_type", "team", "permissions", "expires_at")
    )
    assert CATALOGUE == {entry["name"]: entry["label"] for entry in permissions}
    assert {
        "api": (True, None, None),
        "computer": (False, "key_type_taken", ["computers:enroll"]),
        "scim": (True, None, ["scim:provision"]),
        "admin": (True, None, None),
    } == {each["name"]: (each["can_create"], each["code"], each["permissions"]) for each in types}


def test_key_types_outside_the_plan_cannot_be_created(live_admin: LiveAdmin) -> None:
    """What the caller's team may create depends on its plan; admin keys it may always have."""
    live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"plan": "teams"})

    types = live_admin.call("GET", "/v1/key-types").json()["key_types"]

    assert {"api": "plan_required", "computer": None, "scim": "plan_required", "admin": None} == {
        each["name"]: each["code"] for each in types
    }


def test_the_audit_log_says_who_did_what_newest_first(live_admin: LiveAdmin) -> None:
    """Every change is there with its actor and address, and can be found by key, action and actor."""
    made = live_admin.make(name="watched")
    live_admin.call("POST", f"{made.path}/disable")

    page = live_admin.call("GET", f"/v1/audit-events?key={made.id}").json()
    by_action = live_admin.call("GET", f"/v1/audit-events?action=key.created&actor={live_admin.root_id}").json()

    assert ["key.disabled", "key.created"] == [event["action"] for event in page["events"]]
    assert page["next_page_token"] is None
    event = page["events"][0]
    assert {"seq", "at", "actor", "ip", "action", "team", "key_id", "person_id", "detail"} == set(event)
    assert ({"kind": "key", "id": live_admin.root_id, "name": "root"}, "127.0.0.1", TEAM, made.id) == (
        event["actor"],
        event["ip"],
        event["team"],
        event["key_id"],
    )
    assert [made.id] == [event["key_id"] for event in by_action["events"]]


def test_the_audit_log_is_paged(live_admin: LiveAdmin) -> None:
    """Pages follow each other without gap or repeat."""
    for _ in range(4):
        live_admin.make()
    numbers: list[int] = []
    token: str | None = ""
    while token is not None:
        page = live_admin.call("GET", f"/v1/audit-events?page_size=3&page_token={token}").json()
        numbers += [event["seq"] for event in page["events"]]
        token = page["next_page_token"]

    assert numbers == sorted(set(numbers), reverse=True)
    assert 4 == len(numbers)


def test_the_audit_log_streams_as_ndjson(live_admin: LiveAdmin) -> None:
    """Who asks for lines gets every event, one a line, the same as page by page."""
    for _ in range(3):
        live_admin.make()

    stream = live_admin.call("GET", "/v1/audit-events?page_size=1", headers={"Accept": "application/x-ndjson"})

    assert (200, "application/x-ndjson") == (stream.status_code, stream.headers["content-type"])
    assert "no-store" == stream.headers["cache-control"]
    events = [json.loads(line) for line in stream.text.splitlines()]
    assert live_admin.call("GET", "/v1/audit-events").json()["events"] == events


def test_another_teams_audit_events_are_not_seen(live_admin: LiveAdmin) -> None:
    """A team's auditor sees its own team alone, however it asks."""
    live_admin.make(team=OTHER_TEAM)
    auditor = live_admin.make_admin("audit:read").secret

    everything = live_admin.call("GET", "/v1/audit-events", auditor).json()["events"]
    theirs = live_admin.call("GET", f"/v1/audit-events?team={OTHER_TEAM}", auditor).json()["events"]

    assert {TEAM} == {event["team"] for event in everything}
    assert [] == theirs


def test_an_audit_query_that_means_nothing_is_422(live_admin: LiveAdmin) -> None:
    """Bad values are named, on the stream too, before the first line."""
    for query in ("since=x", "page_token=x", "key=x", "key=", "action=nothing"):
        for accept in ("application/json", "application/x-ndjson"):
            answer = live_admin.call("GET", f"/v1/audit-events?{query}", headers={"Accept": accept})
            assert (422, "/" + query.partition("=")[0]) == (
                answer.status_code,
                answer.json()["errors"][0]["pointer"],
            )
