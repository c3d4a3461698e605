from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from keyfob_admin.api import TABLE, Endpoint
from keyfob_admin.app import build_admin
from tests.keyfob_admin.api.conftest import KEYS, OTHER_TEAM, TEAM

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob_admin.api import Call
    from keyfob_admin.api.route import Route as Row
    from tests.keyfob_admin.api.conftest import LiveAdmin

READ_ONLY = ("keys:read", "teams:read", "audit:read", "people:read")
GUARDED = [row for row in TABLE if row.is_guarded]


def body_for(row: Row[Call], key_id: str = "0" * 16) -> dict[str, Any]:
    """A body that the call could take, so that nothing but the key decides."""
    bodies: dict[str, object] = {
        "create_key": {"name": "a", "permissions": []},
        "verify_key": {"key": "x"},
        "preview_key_change": {"patch": {}},
        "find_keys": {"text": "nothing"},
        "explain_request": {"key": key_id, "method": "GET", "path": "/items"},
        "adjust_key_quota": {"add": 1},
        "create_team": {"id": "new"},
        "invite_person": {"email": "new@example.com", "team": TEAM, "role": "member"},
        "set_role": {"role": "member"},
        "offboard_person": {"keys": "keep"},
        "create_page_session": {
            "person": {"id": "1", "name": "Ann", "email": None},
            "team": TEAM,
            "role": "member",
            "return_url": "https://app.example.com/settings",
        },
    }
    return {"json": bodies.get(row.name, {})} if row.body else {}


def a_person(admin: LiveAdmin) -> str:
    """The id of a member of the team."""
    invited = admin.call("POST", "/v1/people", json={"email": "somebody@example.com", "team": TEAM, "role": "auditor"})
    return str(invited.json()["person"]["id"])


def test_aa_01_every_live_route_is_in_the_table(live_admin: LiveAdmin) -> None:
    """What the application routes under /v1 is what the guard's rules were made from, and nothing else."""
    routed = [route for route in build_admin(live_admin.runtime).routes if isinstance(route, Route)]
    under_guard = {route.path for route in routed if route.path.startswith("/v1")}

    assert {row.path for row in GUARDED} == under_guard
    assert all(isinstance(route.endpoint, Endpoint) for route in routed if route.path in under_guard)


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.name)
def test_aa_01_every_route_asks_for_an_admin_key_that_may(standing_admin: LiveAdmin, row: Row[Call]) -> None:
    """Nobody, an API key, a disabled admin key and a read-only admin key get no further than they should."""
    made = standing_admin.make(permissions=["items:read"])
    disabled = standing_admin.make_admin("*")
    standing_admin.call("POST", f"{disabled.path}/disable")
    reader = standing_admin.make_admin(*READ_ONLY)
    path = row.path.format(team=TEAM, key=made.id, person=a_person(standing_admin))
    before = standing_admin.call("GET", made.path).json()

    nobody = standing_admin.client.request(row.method, standing_admin.url + path, **body_for(row, made.id))
    api_key = standing_admin.call(row.method, path, made.secret, **body_for(row, made.id))
    dead = standing_admin.call(row.method, path, disabled.secret, **body_for(row, made.id))
    read_only = standing_admin.call(row.method, path, reader.secret, **body_for(row, made.id))

    assert (401, 'Bearer realm="keyfob"') == (nobody.status_code, nobody.headers["www-authenticate"])
    assert (403, "insufficient_scope") == (api_key.status_code, api_key.json()["code"])
    assert (401, "invalid_key") == (dead.status_code, dead.json()["code"])
    allowed = not row.any_of or any(permission in READ_ONLY for permission in row.any_of)
    assert (200 if allowed else 403) == read_only.status_code
    scope = f'scope="{" ".join(row.any_of)}"'  # the gate's own refusal: nothing behind it was asked
    assert allowed or read_only.headers["www-authenticate"].endswith(scope)
    assert {**before, "last_used": None} == {**standing_admin.call("GET", made.path).json(), "last_used": None}


def test_unknown_paths_and_methods_are_told_to_admin_keys_alone(live_admin: LiveAdmin) -> None:
    """404 and 405 come after 401 and 403, as problems; 405 says what is allowed."""
    api_key = live_admin.make().secret

    missing = live_admin.call("GET", "/v1/nothing/here")
    wrong = live_admin.call("PUT", "/v1/teams")

    assert (404, "not_found") == (missing.status_code, missing.json()["code"])
    assert (405, "method_not_allowed", "GET, HEAD, POST") == (
        wrong.status_code,
        wrong.json()["code"],
        wrong.headers["allow"],
    )
    for answer in (missing, wrong):
        assert "application/problem+json" == answer.headers["content-type"]
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert 401 == live_admin.client.get(live_admin.url + "/v1/nothing/here").status_code
    assert 401 == live_admin.client.put(live_admin.url + "/v1/teams").status_code
    assert [403, 403] == [
        live_admin.call(method, path, api_key).status_code
        for method, path in (("GET", "/v1/nothing/here"), ("PUT", "/v1/teams"))
    ]


def test_aa_02_nobody_grants_what_it_does_not_hold(live_admin: LiveAdmin) -> None:
    """A creator cannot hand on a permission that it lacks, and no row is written."""
    creator = live_admin.make_admin("keys:write", "keys:read", "items:read")

    answer = live_admin.call(
        "POST", KEYS, creator.secret, json={"name": "strong", "permissions": ["items:read", "items:write"]}
    )

    problem = answer.json()
    assert (403, "exceeds_own_permissions", ["items:write"]) == (
        answer.status_code,
        problem["code"],
        problem["missing_permissions"],
    )
    assert [] == live_admin.call("GET", f"{KEYS}?q=strong").json()["keys"]


@pytest.mark.parametrize("wanted", ["*", "items:*", "keys:*"])
def test_aa_02_a_wildcard_is_covered_by_a_wildcard_alone(live_admin: LiveAdmin, wanted: str) -> None:
    """Holding every single permission does not let one grant them all at once."""
    creator = live_admin.make_admin(
        "keys:write", "keys:read", "keys:delete", "keys:verify", "items:read", "items:write"
    )

    answer = live_admin.call(
        "POST", KEYS, creator.secret, json={"name": "wild", "type": "admin", "permissions": [wanted]}
    )

    assert (403, [wanted]) == (answer.status_code, answer.json()["missing_permissions"])


def test_aa_04_a_stronger_key_cannot_be_duplicated(live_admin: LiveAdmin) -> None:
    """The ceiling is judged on what the copy would hold."""
    strong = live_admin.make(permissions=["items:write"])
    weak = live_admin.make_admin("keys:write", "items:read")

    refused = live_admin.call("POST", f"{strong.path}/duplicate", weak.secret)
    narrowed = live_admin.call("POST", f"{strong.path}/duplicate", weak.secret, json={"permissions": ["items:read"]})

    assert (403, "exceeds_own_permissions") == (refused.status_code, refused.json()["code"])
    assert 201 == narrowed.status_code


def test_aa_04_the_copy_of_a_disabled_key_is_active(live_admin: LiveAdmin) -> None:
    """A duplicate starts its own life."""
    made = live_admin.make()
    live_admin.call("POST", f"{made.path}/disable")

    answer = live_admin.call("POST", f"{made.path}/duplicate")

    assert (201, "active", None) == (
        answer.status_code,
        answer.json()["key"]["state"],
        answer.json()["key"]["disabled_at"],
    )


def test_aa_07_a_stronger_key_can_be_disabled_but_not_widened(live_admin: LiveAdmin) -> None:
    """Switching off and narrowing need keys:write alone; widening and enabling need what the key will hold."""
    strong = live_admin.make(permissions=["items:write", "items:read"])
    weak = live_admin.make_admin("keys:write")

    verbs = [live_admin.call("POST", f"{strong.path}/{verb}", weak.secret) for verb in ("disable", "enable")]
    patches = [
        live_admin.call("PATCH", strong.path, weak.secret, json=patch)
        for patch in ({"name": "x"}, {"permissions": ["items:read"]}, {"permissions": ["items:write"]})
    ]

    assert [200, 403] == [answer.status_code for answer in verbs]
    assert [200, 200, 403] == [answer.status_code for answer in patches]


def test_aa_08_another_teams_key_is_as_if_it_had_never_been(live_admin: LiveAdmin) -> None:
    """Every call about another team's key answers 404 exactly as for an unknown id, and changes nothing."""
    admin = live_admin.make_admin("keys:*", "items:*", "audit:read", "teams:read")
    theirs = live_admin.make(team=OTHER_TEAM)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("PATCH", "", {"json": {"name": "mine"}}),
        ("DELETE", "", {}),
        ("POST", "/disable", {}),
        ("POST", "/enable", {}),
        ("POST", "/duplicate", {}),
        ("GET", "/usage", {}),
        ("POST", "/preview", {"json": {"patch": {"permissions": []}}}),
    ]
    for team in (OTHER_TEAM, TEAM, "nowhere"):
        for method, verb, options in calls:
            keys = f"/v1/teams/{team}/keys"
            theirs_told = live_admin.call(method, f"{keys}/{theirs.id}{verb}", admin.secret, **options)
            unknown = live_admin.call(method, f"{keys}/{'0' * 16}{verb}", admin.secret, **options)
            assert 404 == theirs_told.status_code, (method, verb)
            assert {**unknown.json(), "request_id": ""} == {**theirs_told.json(), "request_id": ""}

    listed = live_admin.call("GET", f"/v1/teams/{OTHER_TEAM}/keys", admin.secret)
    created = live_admin.call("POST", f"/v1/teams/{OTHER_TEAM}/keys", admin.secret, json={"name": "a"})
    read = live_admin.call("GET", f"/v1/teams/{OTHER_TEAM}", admin.secret)
    assert [404, 404, 404] == [listed.status_code, created.status_code, read.status_code]
    assert theirs.body == live_admin.call("GET", theirs.path).json()


def test_who_holds_teams_write_acts_in_every_team(live_admin: LiveAdmin) -> None:
    """`teams:write` opens the other teams, with the key's other permissions and no more."""
    everywhere = live_admin.make_admin("teams:write", "keys:read")
    theirs = live_admin.make(team=OTHER_TEAM)

    read = live_admin.call("GET", theirs.path, everywhere.secret)
    disable = live_admin.call("POST", f"{theirs.path}/disable", everywhere.secret)

    assert (200, 403) == (read.status_code, disable.status_code)


def test_aa_14_the_last_root_key_cannot_be_lost(live_admin: LiveAdmin) -> None:
    """Disabling, narrowing, expiring or binding the last `*` admin key is a conflict; with another one it is not."""
    root = f"{KEYS}/{live_admin.root_id}"
    patches = ({"permissions": ["keys:read"]}, {"expires_at": "2999-01-01T00:00:00Z"}, {"ip_allow": ["127.0.0.1"]})
    attempts = [live_admin.call("PATCH", root, json=patch) for patch in patches]
    attempts.append(live_admin.call("POST", f"{root}/disable"))

    assert [(409, "last_admin")] * 4 == [(answer.status_code, answer.json()["code"]) for answer in attempts]

    other = live_admin.make_admin("*", team=OTHER_TEAM)
    assert 200 == live_admin.call("POST", f"{root}/disable", other.secret).status_code
    assert 409 == live_admin.call("POST", f"{other.path}/disable", other.secret).status_code
    assert 204 == live_admin.call("DELETE", root, other.secret).status_code


def test_se_09_and_se_11_no_answer_holds_a_secret_or_hash(live_admin: LiveAdmin) -> None:
    """Whatever is read back, no part of a key's secret or hash is in it."""
    made = live_admin.make()
    live_admin.call("PATCH", made.path, json={"name": "renamed"})
    live_admin.call("POST", f"{made.path}/disable")
    paths = [
        made.path,
        KEYS,
        f"{KEYS}?q={made.secret}",
        f"{made.path}/usage",
        "/v1/audit-events",
        "/v1/whoami",
        f"{KEYS}/{made.secret}",
        f"{KEYS}?order_by={made.secret}",
        f"{KEYS}?page_token={made.secret}",
    ]
    answers = [live_admin.call("GET", path) for path in paths]
    answers.append(live_admin.call("GET", "/v1/audit-events", headers={"Accept": "application/x-ndjson"}))
    answers.append(live_admin.call("POST", "/v1/verify", json={"key": made.secret}))
    answers.append(live_admin.call("POST", KEYS, json={"name": "a", made.secret: 1}))
    answers.append(live_admin.call("PATCH", made.path, json={"permissions": [made.secret]}))

    body = made.secret.split("_")[-1]
    everything = "".join(answer.text + str(answer.headers) for answer in answers)
    assert body[:12] not in everything
    assert body[-22:] not in everything
    assert "argon2" not in everything


def test_the_database_holds_no_secret(live_admin: LiveAdmin, settings: Settings) -> None:
    """What is stored of a key is a hash and a digest."""
    made = live_admin.make()

    with sqlite3.connect(f"file:{live_admin.folder / 'keyfob.db'}?mode=ro", uri=True) as database:
        dump = "\n".join(database.iterdump())
    database.close()

    assert settings.store is not None
    assert made.id in dump
    assert made.secret.split("_")[-1][:12] not in dump
