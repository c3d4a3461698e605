"""The pages about people, and what each role sees of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.record import Creator
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from tests.keyfob_admin.console.conftest import OTHER_TEAM, TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.people import CLI, beside, closing, invited, join, joined, opened
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    import httpx

    from keyfob.keys.record import KeyRecord
    from keyfob.runtime.runtime import Runtime

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines


def make_key(visitor: Visitor, name: str) -> httpx.Response:
    """Generate a key on the page for that."""
    return visitor.send_form("/keys/new?type=api", name=name, permission="items:read")


def key_named(live: LiveConsole, name: str) -> KeyRecord:
    async def work(runtime: Runtime) -> KeyRecord:
        page = await runtime.lifecycle.list_keys(KeySearch(TEAM, q=name), actor=CLI)
        return page.items[0].record

    return beside(live, work)


def test_a_team_admin_invites_and_the_invited_makes_keys(live: LiveConsole) -> None:
    """Nobody is handed an admin key: Created By and the owner are the person, by name and link."""
    _, ana = joined(live, "ana@example.com", "team_admin")
    answer = ana.send_form("/people/invite", email="ben@example.com", role="member", name="Ben")
    link = re.search(r'value="https?://[^/"]+(/invitation/[^"]+)"', answer.text)
    assert (201, True) == (answer.status_code, link is not None)
    ben = opened(live)
    assert 303 == join(ben, link[1] if link else "").status_code

    assert 201 == make_key(ben, "nightly").status_code

    key = key_named(live, "nightly")
    assert ("person", "Ben", "ben@example.com") == (key.created_by.kind, key.created_by.name, key.created_by.email)
    assert key.created_by.id == key.owner_id
    page = ana.get(f"/keys/{key.id}").text
    assert f'href="/people/{key.owner_id}"' in page
    assert "Ben" in words(ana.get(f"/people/{key.owner_id}").text)
    assert "nightly" in words(ana.get(f"/people/{key.owner_id}").text)
    assert Creator("person", key.owner_id, "Ben", "ben@example.com") == key.created_by


def test_a_member_sees_own_keys_alone(live: LiveConsole) -> None:
    """Other people's keys are not in the list, not found by their address, and people are not shown."""
    other, _ = live.make("of somebody else")
    _, ben = joined(live, "ben@example.com")
    make_key(ben, "mine")

    page = words(ben.get("/keys").text)

    assert ("mine" in page, "of somebody else" in page) == (True, False)
    assert 404 == ben.get(f"/keys/{other.id}").status_code
    assert 403 == ben.get("/people").status_code
    assert 'href="/people"' not in ben.get("/keys").text
    assert 404 == ben.post(f"/keys/{other.id}/disable", data={"csrf": _token(ben)}).status_code


def test_an_auditor_sees_all_and_changes_nothing(live: LiveConsole) -> None:
    """Every button is off with the reason, and sending a form all the same is refused."""
    key, _ = live.make("watched")
    ben, _ = joined(live, "ben@example.com")
    _, eve = joined(live, "auditor@example.com", "auditor")

    assert "watched" in words(eve.get("/keys").text)
    page = words(eve.get(f"/keys/{key.id}").text)
    for permission in ("keys:write", "keys:delete"):
        assert f"Your role doesn't hold {permission}, which this needs." in page
    assert "before you can delete it" not in page
    assert "ben@example.com" in words(eve.get("/people").text)
    assert 403 == eve.get("/people/invite").status_code
    for path in (f"/keys/{key.id}/disable", f"/people/{ben.id}/remove", f"/people/{ben.id}/offboard"):
        assert 403 == eve.post(path, data={"csrf": _token(eve), "keys": "keep"}).status_code


def test_whose_role_can_do_more_is_not_offered_to_be_changed(live: LiveConsole) -> None:
    """A team's admin finds the buttons of an owner's page off with the reason, and a crafted form refused with it."""
    ana, _ = joined(live, "ana@example.com", "owner")
    ben, admin = joined(live, "ben@example.com", "team_admin")
    page = admin.get(f"/people/{ana.id}").text
    assert "Your role can do less than the role Owner, so it can't change this person." in words(page)
    assert 3 == page.count('aria-disabled="true" aria-describedby="beyond"')
    assert f'action="/people/{ana.id}/' not in page
    assert f"/people/{ana.id}" == admin.get(f"/people/{ana.id}/remove").headers["location"]
    refused = admin.get(f"/people/{ana.id}/offboard")
    assert (403, True) == (refused.status_code, "whose role can do at least as much" in words(refused.text))
    assert 'id="beyond"' not in admin.get(f"/people/{ben.id}").text


def test_a_key_that_can_do_more_is_not_enabled(live: LiveConsole) -> None:
    """The page says which permission it takes, in the words of every other page."""
    root, _ = live.make("second root", key_type="admin", permissions=("*",))
    _, admin = joined(live, "ben@example.com", "team_admin")
    admin.send_form(f"/keys/{root.id}/disable")
    refused = admin.post(f"/keys/{root.id}/enable", data={"csrf": _token(admin)})
    assert (403, True) == (refused.status_code, "Your role doesn't hold *, which this needs." in words(refused.text))


def test_two_teams_two_roles(live: LiveConsole) -> None:
    """A person switches between their teams and acts in each with the role that they have there."""
    ben, visitor = joined(live, "ben@example.com", "team_admin")
    beside(live, lambda runtime: runtime.people.set_role(OTHER_TEAM, ben.id, "auditor", actor=CLI))

    assert 200 == visitor.get("/people/invite").status_code
    assert 403 == visitor.get(f"/people/invite?team={OTHER_TEAM}").status_code
    assert 200 == visitor.get(f"/people?team={OTHER_TEAM}").status_code
    assert "Globex" in visitor.get("/keys").text or OTHER_TEAM in visitor.get("/keys").text


def test_another_team_is_not_there(live: LiveConsole) -> None:
    """A team's admin finds neither another team nor its people."""
    away, _ = joined(live, "away@example.com", team=OTHER_TEAM)
    _, ana = joined(live, "ana@example.com", "team_admin")

    assert 404 == ana.get(f"/people?team={OTHER_TEAM}").status_code
    assert 404 == ana.get(f"/people/{away.id}").status_code
    assert "away@example.com" not in ana.get("/people").text
    live.make("theirs", team=OTHER_TEAM, key_type="computer", owner=away.id)
    beside(live, lambda runtime: runtime.people.set_role(TEAM, away.id, "member", actor=CLI))
    assert "Member Active just now 0 0" in words(ana.get("/people").text)


def test_nobody_gives_more_than_they_hold(live: LiveConsole) -> None:
    """A role beyond one's own is off in the form, and refused if it is sent."""
    _, ana = joined(live, "ana@example.com", "team_admin")

    form = ana.get("/people/invite").text
    refused = ana.send_form("/people/invite", email="eve@example.com", role="owner")

    assert re.search(r'value="owner" disabled', form)
    assert 403 == refused.status_code


def test_offboarding_says_it_before_it_does_it(live: LiveConsole) -> None:
    """The page names keys, sessions and admin keys; then the sessions end, and the keys go to whom was chosen."""
    _, ana = joined(live, "ana@example.com", "team_admin")
    cleo, visitor = joined(live, "cleo@example.com")
    make_key(visitor, "hers")

    page = words(ana.get(f"/people/{cleo.id}/offboard").text)
    assert "(1 session)" in page
    assert "hers" in page
    assert is_in(visitor)
    answer = ana.send_form(f"/people/{cleo.id}/offboard", keys="transfer", to="team", reason="left")

    assert 303 == answer.status_code
    assert not is_in(visitor)
    key = key_named(live, "hers")
    assert (None, False) == (key.owner_id, key.is_disabled)
    assert "cleo@example.com" not in words(ana.get("/people").text)


def test_the_list_says_who_owns_what(live: LiveConsole) -> None:
    """Each row has the role, the keys and the admin keys among them; role and state narrow the list, and say so."""
    _, ana = joined(live, "ana@example.com", "owner")
    _, ben = joined(live, "ben@example.com")
    invited(live, "cleo@example.com", "auditor")
    make_key(ben, "his")
    ana.send_form("/keys/new?type=admin", name="hers", permission="keys:read")

    page = ana.get("/people").text
    rows = [words(row) for row in re.findall(r"<tr role=.row.>\n<th role=.rowheader.*?</tr>", page, re.DOTALL)]
    assert "People 3" in words(page)
    assert ["ana@example.com (you) Owner Active just now 1 1", "ben@example.com Member Active just now 1 0"] == [
        row.partition(" ⋯")[0] for row in rows[:2]
    ]
    assert "cleo@example.com Auditor Invited Never 0 0" in words(ana.get("/people?state=invited").text)
    only = words(ana.get("/people?role=member").text)
    assert ("ben@example.com" in only, "ana@example.com (you)" in only) == (True, False)
    assert "Nobody matches this." in words(ana.get("/people?role=king").text)


def test_a_person_with_many_keys(live: LiveConsole, visitor: Visitor) -> None:
    """A person's page counts all of their keys, shows the newest hundred, and leads to the list of all."""
    ben, _ = invited(live, "ben@example.com")

    async def work(runtime: Runtime) -> None:
        for number in range(101):
            wanted = KeyDraft(f"key {number}", permissions=("items:read",), owner=ben.id)
            await runtime.lifecycle.create(TEAM, wanted, actor=CLI)

    beside(live, work)
    page = visitor.get(f"/people/{ben.id}").text
    assert "Keys owned 101 in acme" in words(page)
    assert "The newest 100. Show all keys" in words(page)
    assert ">key 100</a>" in page
    assert ">key 0</a>" not in page
    assert f'href="/keys?owner={ben.id}"' in page


def test_the_last_owner_cannot_leave(live: LiveConsole) -> None:
    """It is said on the person's page before anything is asked, and again whatever is sent."""
    person, ana = joined(live, "ana@example.com", "owner")
    path = f"/people/{person.id}"
    answers = [ana.get(f"{path}/offboard")]
    answers += [ana.post(f"{path}/{what}", data={"csrf": _token(ana), "role": "member"}) for what in ("remove", "role")]
    for answer in answers:
        assert (409, True) == (answer.status_code, "This is the last owner" in words(answer.text))
        assert "Keys owned" in words(answer.text)


def test_a_role_is_changed_on_the_page(live: LiveConsole) -> None:
    """The person's page changes the role, ends the membership, and shows a new link once."""
    _, ana = joined(live, "ana@example.com", "team_admin")
    ben, _ = joined(live, "ben@example.com")
    path = f"/people/{ben.id}"

    assert 303 == ana.post(f"{path}/role", data={"csrf": _token(ana), "role": "auditor"}).status_code
    assert "Auditor" in words(ana.get(path).text)
    assert 422 == ana.post(f"{path}/role", data={"csrf": _token(ana), "role": "king"}).status_code
    link = ana.post(f"{path}/link", data={"csrf": _token(ana)})
    assert (201, True) == (link.status_code, "/invitation/" in link.text)
    assert 303 == ana.post(f"{path}/remove", data={"csrf": _token(ana)}).status_code
    assert 404 == ana.get(path).status_code


def test_forms_about_people_are_ones_own(live: LiveConsole) -> None:
    """Without the form's token, and from another site, nothing happens (CSRF)."""
    _, ana = joined(live, "ana@example.com", "team_admin")
    person, path = invited(live, "ben@example.com")
    for target in ("/people/invite", f"/people/{person.id}/role", f"/people/{person.id}/offboard"):
        assert 403 == ana.post(target, data={"csrf": "x"}).status_code
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert 403 == ana.post(target, data={"csrf": _token(ana)}, headers=headers).status_code
    with Visitor(live.url) as eve:
        assert 403 == eve.post(path, data={"passphrase": "x" * 20, "again": "x" * 20}).status_code


def _token(visitor: Visitor) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', visitor.get("/keys").text)
    return found[1] if found else ""


def test_an_owner_invites_somebody_again(live: LiveConsole) -> None:
    """The page of somebody who has left offers that alone, and shows the link this once."""
    _, ana = joined(live, "ana@example.com", "owner")
    ben, _ = joined(live, "ben@example.com")
    beside(live, lambda runtime: runtime.offboarding.run(ben.id, keys="keep", actor=CLI))
    page = ana.get(f"/people/{ben.id}").text
    assert (True, False) == ("Invite again" in page, "Offboard…" in page)
    token = re.findall(r'name="csrf" value="([^"]+)"', page)[0]

    assert 422 == ana.post(f"/people/{ben.id}/invite", data={"csrf": token, "role": "king"}).status_code
    answer = ana.post(f"/people/{ben.id}/invite", data={"csrf": token, "role": "member"})

    assert (201, True) == (answer.status_code, "/invitation/" in answer.text)
    link = re.search(r'value="https?://[^/"]+(/invitation/[^"]+)"', answer.text)
    back = opened(live)
    assert 303 == join(back, link[1] if link else "").status_code
    assert is_in(back)
