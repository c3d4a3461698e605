"""The calls about people, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.api.conftest import KEYS, OTHER_TEAM, TEAM

if TYPE_CHECKING:
    import httpx

    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines
PEOPLE = "/v1/people"


def invite(admin: LiveAdmin, email: str, by: str | None = None, **fields: object) -> httpx.Response:
    body = {"email": email, "team": TEAM, "role": "member", **fields}
    return admin.call("POST", PEOPLE, by, json=body)


def person_of(answer: httpx.Response) -> dict[str, Any]:
    person: dict[str, Any] = answer.json()["person"]
    return person


def test_an_invitation_answers_with_the_person_and_a_link(live_admin: LiveAdmin) -> None:
    """The link leads to where the server listens, whatever Host says, and is shown once."""
    answer = live_admin.call(
        "POST",
        PEOPLE,
        json={"email": "ben@example.com", "team": TEAM, "role": "member", "name": "Ben"},
        headers={"Host": "evil.example"},
    )

    body = answer.json()
    person = body["person"]
    assert 201 == answer.status_code
    assert f"/v1/people/{person['id']}" == answer.headers["location"]
    assert body["invitation_url"].startswith(f"{live_admin.url}/invitation/")
    assert {
        "email": "ben@example.com",
        "name": "Ben",
        "source": "local",
        "state": "invited",
        "memberships": [{"team": TEAM, "role": "member", "by": "person"}],
        "last_sign_in_at": None,
    } == {name: value for name, value in person.items() if name != "id"}
    assert person == live_admin.call("GET", f"{PEOPLE}/{person['id']}").json()
    assert "invitation" not in live_admin.call("GET", PEOPLE).text


def test_people_are_listed_by_team_text_and_state(live_admin: LiveAdmin) -> None:
    """Filters narrow the list, an unknown state is 422, and a team out of sight is 404."""
    for name in ("ana", "ben"):
        invite(live_admin, f"{name}@example.com")
    invite(live_admin, "cleo@example.com", team=OTHER_TEAM)
    theirs = live_admin.make_admin("people:read")

    def emails(query: str, key: str | None = None) -> list[str]:
        return [one["email"] for one in live_admin.call("GET", f"{PEOPLE}{query}", key).json()["people"]]

    assert ["ana@example.com", "ben@example.com", "cleo@example.com"] == emails("")
    assert ["ben@example.com"] == emails("?q=BEN@") == emails(f"?team={TEAM}&q=ben")
    assert [] == emails("?state=left")
    assert ["ana@example.com", "ben@example.com"] == emails("", theirs.secret)
    assert 422 == live_admin.call("GET", f"{PEOPLE}?state=gone").status_code
    assert 404 == live_admin.call("GET", f"{PEOPLE}?team={OTHER_TEAM}", theirs.secret).status_code


def test_a_role_is_set_and_a_membership_ended(live_admin: LiveAdmin) -> None:
    """PUT gives a role, DELETE ends it with 204, and the next reading is 404 for the team's own key."""
    person = person_of(invite(live_admin, "ben@example.com"))
    member = f"/v1/teams/{TEAM}/people/{person['id']}"
    own = live_admin.make_admin("people:read", "people:write", "keys:*", "audit:read", "teams:read")

    changed = live_admin.call("PUT", member, json={"role": "auditor"})
    wrong = live_admin.call("PUT", member, json={"role": "audit"})
    ended = live_admin.call("DELETE", member, own.secret)

    assert [{"team": TEAM, "role": "auditor", "by": "person"}] == changed.json()["memberships"]
    assert (422, "/role", True) == (
        wrong.status_code,
        wrong.json()["errors"][0]["pointer"],
        "did you mean auditor" in wrong.text,
    )
    assert 204 == ended.status_code
    assert 404 == live_admin.call("GET", f"{PEOPLE}/{person['id']}", own.secret).status_code
    assert 404 == live_admin.call("DELETE", member).status_code


def test_nobody_gives_a_role_beyond_their_own(live_admin: LiveAdmin) -> None:
    """403 `exceeds_own_permissions` names what is lacking; `grant_all` needs the whole catalogue."""
    own = live_admin.make_admin("people:write", "keys:*")

    owner = invite(live_admin, "eve@example.com", own.secret, role="owner")
    member = invite(live_admin, "eve@example.com", own.secret, role="member")

    assert (403, "exceeds_own_permissions", ["*"]) == (
        owner.status_code,
        owner.json()["code"],
        owner.json()["missing_permissions"],
    )
    assert ["items:read", "items:write", "reports:read"] == member.json()["missing_permissions"]


def test_a_key_shows_and_changes_its_owner(live_admin: LiveAdmin) -> None:
    """A machine's key belongs to the team; PATCH gives it to somebody there, and the list finds it by owner."""
    person = person_of(invite(live_admin, "ben@example.com", name="Ben"))
    made = live_admin.make()

    before = live_admin.call("GET", made.path).json()["owner"]
    given = live_admin.call("PATCH", made.path, json={"owner": {"person": person["id"]}}).json()["owner"]
    listed = live_admin.call("GET", f"{KEYS}?owner={person['id']}").json()["keys"]
    back = live_admin.call("PATCH", made.path, json={"owner": "team"}).json()["owner"]

    assert {"kind": "team"} == before == back
    assert {"kind": "person", "id": person["id"], "name": "Ben"} == given
    assert [made.id] == [key["id"] for key in listed]
    assert [] == live_admin.call("GET", f"{KEYS}?owner={person['id']}").json()["keys"]
    for wrong in ({"person": "0" * 16}, "Ben", None, {"person": person["id"], "x": 1}):
        assert 422 == live_admin.call("PATCH", made.path, json={"owner": wrong}).status_code


@pytest.mark.parametrize("to", ["id", "object", "team"])
def test_offboarding_says_what_ended(live_admin: LiveAdmin, to: str) -> None:
    """A dry run answers the same and changes nothing; the keys go to whom `to` names in any of its forms."""
    cleo, ben = (person_of(invite(live_admin, f"{name}@example.com")) for name in ("cleo", "ben"))
    made = live_admin.make()
    live_admin.call("PATCH", made.path, json={"owner": {"person": cleo["id"]}})
    target: object = {"id": ben["id"], "object": {"person": ben["id"]}, "team": "team"}[to]
    body = {"keys": "transfer", "to": target, "reason": "left"}

    dry = live_admin.call("POST", f"{PEOPLE}/{cleo['id']}/offboard", json={**body, "dry_run": True})
    owner = live_admin.call("GET", made.path).json()["owner"]
    done = live_admin.call("POST", f"{PEOPLE}/{cleo['id']}/offboard", json=body)
    again = live_admin.call("POST", f"{PEOPLE}/{cleo['id']}/offboard", json=body)

    assert cleo["id"] == owner["id"]
    assert (200, 0, 0) == (done.status_code, done.json()["sessions_ended"], done.json()["admin_keys_ended"])
    assert [made.id] == [key["id"] for key in done.json()["keys"]] == [key["id"] for key in dry.json()["keys"]]
    expected = {"kind": "team"} if to == "team" else {"kind": "person", "id": ben["id"], "name": "ben@example.com"}
    assert expected == done.json()["keys"][0]["owner"] == live_admin.call("GET", made.path).json()["owner"]
    assert (409, "person_left") == (again.status_code, again.json()["code"])
    assert "left" == live_admin.call("GET", f"{PEOPLE}/{cleo['id']}").json()["state"]


def test_a_person_is_renamed(live_admin: LiveAdmin) -> None:
    """PATCH changes name and address; a second person with one address is refused."""
    ben = person_of(invite(live_admin, "ben@example.com"))
    invite(live_admin, "cleo@example.com")
    path = f"{PEOPLE}/{ben['id']}"

    changed = live_admin.call("PATCH", path, json={"name": "Ben", "email": "b@example.com"})
    taken = live_admin.call("PATCH", path, json={"email": "Cleo@example.com"})

    assert ("Ben", "b@example.com") == (changed.json()["name"], changed.json()["email"])
    assert (422, "/email") == (taken.status_code, taken.json()["errors"][0]["pointer"])
    assert 422 == live_admin.call("PATCH", path, json={"state": "left"}).status_code


def test_roles_are_listed_for_every_admin_key(live_admin: LiveAdmin) -> None:
    """Whoever invites must know what there is to give."""
    answer = live_admin.call("GET", "/v1/roles", live_admin.make_admin("keys:verify").secret).json()["roles"]

    assert ["owner", "team_admin", "member", "auditor"] == [role["name"] for role in answer]
    assert (True, True) == (answer[2]["grant_all"], answer[2]["own_keys_only"])


def test_what_happens_to_people_is_in_the_log(live_admin: LiveAdmin) -> None:
    """`person` filters by whom it happened to, and the state in an event holds no secret."""
    ben = person_of(invite(live_admin, "ben@example.com"))
    live_admin.call("PUT", f"/v1/teams/{OTHER_TEAM}/people/{ben['id']}", json={"role": "auditor"})

    events = live_admin.call("GET", f"/v1/audit-events?person={ben['id']}").json()["events"]

    assert [("person.role_set", OTHER_TEAM), ("person.invited", TEAM)] == [
        (event["action"], event["team"]) for event in events
    ]
    assert {ben["id"]} == {event["person_id"] for event in events}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "nobody", "team": TEAM, "role": "member"},
        {"email": "a b@example.com", "team": TEAM, "role": "member"},
        {"email": "a\u0000@example.com", "team": TEAM, "role": "member"},
        {"email": "x" * 250 + "@example.com", "team": TEAM, "role": "member"},
        {"email": "a@example.com", "team": TEAM, "role": "\u0000"},
        {"email": "a@example.com", "team": TEAM},
        {"email": "a@example.com", "team": TEAM, "role": "member", "name": ""},
    ],
)
def test_a_wrong_invitation_is_refused(standing_admin: LiveAdmin, body: dict[str, str]) -> None:
    """Every wrong value is a 422 that points at it, and nobody is made."""
    assert 422 == standing_admin.call("POST", PEOPLE, json=body).status_code
    assert 404 == standing_admin.call("POST", PEOPLE, json={**body, **VALID, "team": "\u0000"}).status_code
    assert [] == standing_admin.call("GET", PEOPLE).json()["people"]


VALID = {"email": "a@example.com", "role": "member", "name": "A"}


def test_somebody_who_left_is_invited_again_by_id(live_admin: LiveAdmin) -> None:
    """The id stands in the place of the address; what is not one of the two is 422."""
    person = person_of(invite(live_admin, "ben@example.com"))
    again = {"id": person["id"], "team": OTHER_TEAM, "role": "auditor"}
    assert 200 == live_admin.call("POST", f"{PEOPLE}/{person['id']}/offboard", json={"keys": "keep"}).status_code

    answer = live_admin.call("POST", PEOPLE, json=again)

    assert (201, person["id"], "invited") == (answer.status_code, person_of(answer)["id"], person_of(answer)["state"])
    assert "/invitation/" in answer.json()["invitation_url"]
    for wrong, pointer in (
        ({"email": "ben@example.com"}, "/email"),
        ({"name": "Ben"}, "/name"),
        ({"id": 5}, "/id"),
    ):
        refused = live_admin.call("POST", PEOPLE, json={**again, **wrong})
        assert (422, pointer) == (refused.status_code, refused.json()["errors"][0]["pointer"])
    assert 422 == live_admin.call("POST", PEOPLE, json={"team": TEAM, "role": "member"}).status_code
    assert 404 == live_admin.call("POST", PEOPLE, json={**again, "id": "0" * 16}).status_code
