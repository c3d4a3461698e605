from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from examples.teams_api import PERMISSIONS, RULES

if TYPE_CHECKING:
    from tests.keyfob_admin.setup.conftest import Running

KINDS = ["members", "invites", "groups", "computers"]
LISTS = [*KINDS, "guest-access", "app-rules", "audit-log"]
CATALOGUE = (
    "members:read members:remove invites:read invites:create invites:manage invites:delete groups:read groups:create "
    "groups:delete computers:read computers:manage computers:delete computers:kick guest_access:read app_rules:read "
    "audit_log:read hello:read events:read"
)


def test_the_catalogue_is_the_documented_one() -> None:
    """The Teams API offers exactly the permissions that its documentation names, each with a label for people."""
    assert set(CATALOGUE.split()) == set(PERMISSIONS)
    assert all(" " in label and label[0].isupper() for label in PERMISSIONS.values())


def test_everything_below_a_team_is_bound_to_the_keys_team() -> None:
    """No rule below /v1/teams/{team}/ forgets to compare the path's team with the key's."""
    assert all(rule["team"] == "{team}" for key, rule in RULES.items() if "/v1/teams/" in key)  # type: ignore[index]


def test_health_is_public(demo: Running) -> None:
    """A load balancer asks without a key."""
    assert 200 == demo.ask("GET", "/healthz").status_code


def test_hello_names_the_key(demo: Running) -> None:
    """The application learns which key called."""
    assert {"hello": "reader", "team": "demo"} == demo.ask("GET", "/hello", "reader").json()
    assert 401 == demo.ask("GET", "/hello").status_code


@pytest.mark.parametrize("kind", LISTS)
def test_lists_hold_data_and_its_count(demo: Running, kind: str) -> None:
    """Every list answers in one shape, to a key that may read."""
    answer = demo.ask_team("GET", f"/{kind}", "reader")

    assert 200 == answer.status_code
    assert {"data", "count"} == answer.json().keys()
    assert answer.json()["count"] == len(answer.json()["data"])


@pytest.mark.parametrize("kind", KINDS)
def test_items_are_shown_and_deleted(demo: Running, kind: str) -> None:
    """What a list shows can be looked at and deleted once, and is then gone."""
    item = demo.ask_team("GET", f"/{kind}", "reader").json()["data"][-1]
    path = f"/{kind}/{item['id']}"

    assert item == demo.ask_team("GET", path, "reader").json()
    assert 403 == demo.ask_team("DELETE", path, "reader").status_code
    assert 204 == demo.ask_team("DELETE", path, "writer").status_code
    assert 404 == demo.ask_team("DELETE", path, "writer").status_code
    assert 404 == demo.ask_team("GET", path, "reader").status_code


@pytest.mark.parametrize("kind", ["invites", "groups"])
def test_new_items_have_an_address(demo: Running, kind: str) -> None:
    """What is made is answered 201 with the address where it is from then on."""
    made = demo.ask_team("POST", f"/{kind}", "writer", json={"name": "new"})

    assert 201 == made.status_code
    assert made.json() == demo.ask("GET", made.headers["Location"], "reader").json()
    assert 403 == demo.ask_team("POST", f"/{kind}", "reader", json={}).status_code


@pytest.mark.parametrize("kind", ["invites", "computers"])
def test_items_are_changed_but_for_their_id(demo: Running, kind: str) -> None:
    """PATCH changes what the body says; an id stays what it was."""
    made = demo.ask_team("POST", f"/{kind}", "computer" if kind == "computers" else "writer", json={}).json()
    changed = demo.ask_team("PATCH", f"/{kind}/{made['id']}", "writer", json={"note": "x", "id": "other"})

    assert (200, "x", made["id"]) == (changed.status_code, changed.json()["note"], changed.json()["id"])
    assert 403 == demo.ask_team("PATCH", f"/{kind}/{made['id']}", "reader", json={}).status_code


def test_computers_are_enrolled_by_a_computer_key_alone(demo: Running) -> None:
    """The key that holds the whole catalogue still is of the wrong type, and the computer key does nothing else."""
    assert 201 == demo.ask_team("POST", "/computers", "computer", json={"name": "studio"}).status_code
    assert 403 == demo.ask_team("POST", "/computers", "writer", json={"name": "studio"}).status_code
    assert 403 == demo.ask_team("GET", "/computers", "computer").status_code


def test_a_computer_is_kicked(demo: Running) -> None:
    """A kick is made, the computer is offline then, and the audit log of the team says who did it."""
    computer = demo.ask_team("POST", "/computers", "computer", json={"online": True}).json()["id"]

    assert 201 == demo.ask_team("POST", f"/computers/{computer}/kick", "writer").status_code
    assert False is demo.ask_team("GET", f"/computers/{computer}", "reader").json()["online"]
    newest = demo.ask_team("GET", "/audit-log", "reader").json()["data"][0]
    assert ("computers.kicked", computer, "writer") == (newest["type"], newest["subject"], newest["by"])


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_bodies_that_are_no_object_are_refused(demo: Running, body: bytes) -> None:
    """A body that is not a JSON object makes nothing, and never breaks the application."""
    assert 422 == demo.ask_team("POST", "/invites", "writer", content=body).status_code


def test_scim_takes_only_the_scim_key(demo: Running) -> None:
    """An identity provider finds what it asks first; no other key comes near."""
    told = demo.ask("GET", "/scim/v2/ServiceProviderConfig", "scim").json()

    assert ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"] == told["schemas"]
    assert 0 == demo.ask("GET", "/scim/v2/Users", "scim").json()["totalResults"]
    assert 404 == demo.ask("GET", "/scim/v2/Unknown", "scim").status_code
    assert 403 == demo.ask("GET", "/scim/v2/Users", "writer").status_code
    assert 403 == demo.ask("GET", "/hello", "scim").status_code


@pytest.mark.parametrize("path", ["members", "members/mem_ada", "nothing"])
def test_another_teams_path_is_refused(demo: Running, path: str) -> None:
    """A key of one team learns nothing of another, whether it is there or not."""
    assert 403 == demo.ask("GET", f"/v1/teams/other/{path}", "writer").status_code


def test_events_are_sent_as_they_happen(demo: Running) -> None:
    """Who follows a team hears of what is done in it, as JSON."""
    address = f"{demo.told['app_url'].replace('http', 'ws', 1)}/v1/teams/demo/events"
    headers = {"Authorization": f"Bearer {demo.told['keys']['reader']}"}
    with connect(address, additional_headers=headers) as socket:
        assert "welcome" == json.loads(socket.recv(timeout=10))["type"]
        socket.send("what a client says is ignored")
        group = demo.ask_team("POST", "/groups", "writer", json={}).json()["id"]
        event = json.loads(socket.recv(timeout=10))

    assert ("groups.created", group) == (event["type"], event["subject"])


def test_events_need_a_key(demo: Running) -> None:
    """A handshake without a key is answered like a request without one."""
    address = f"{demo.told['app_url'].replace('http', 'ws', 1)}/v1/teams/demo/events"
    with pytest.raises(InvalidStatus) as refused:
        connect(address)

    assert 401 == refused.value.response.status_code
