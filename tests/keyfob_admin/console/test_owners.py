"""Who owns a key, in the list, on its page and in its form."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from keyfob_admin.console.owners import MOST
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.key_lists import names_on
from tests.keyfob_admin.console.people import beside, closing, joined

if TYPE_CHECKING:
    from keyfob.people.record import Person

__all__ = ["closing"]
pytestmark = pytest.mark.both_engines


def invited(live: LiveConsole, name: str, email: str = "", team: str = TEAM) -> Person:
    """Somebody with a role in the team."""
    (person,) = all_invited(live, (name, email or f"{name.lower()}@example.com"), team=team)
    return person


def all_invited(live: LiveConsole, *people: tuple[str, str], team: str = TEAM) -> list[Person]:
    """People by name and address."""

    async def work() -> list[Person]:
        async with live.installation.opened() as runtime:
            return [
                (await runtime.people.invite(address, team=team, role="member", name=name, actor=ANA)).person
                for name, address in people
            ]

    return asyncio.run(work())


def test_a_key_is_given_to_a_person_and_back(visitor: Visitor, live: LiveConsole) -> None:
    """The form of a key offers the team and its people; list and page show who owns it, and can be narrowed to them."""
    key, _ = live.make("export")
    live.make("other")
    assert 'name="owner"' not in visitor.get(f"/keys/{key.id}/edit").text
    ana = invited(live, "Ana")
    form = {"name": "export", "permission": "items:read", "expires": "never"}
    assert 303 == visitor.send_form(f"/keys/{key.id}/edit", **form, owner=ana.id).status_code
    assert "Owner Ana" in words(visitor.get(f"/keys/{key.id}").text)
    assert ["export"] == names_on(visitor.get(f"/keys?owner={ana.id}").text)
    assert "Owner Any owner acme team Ana" in words(visitor.get("/keys").text)
    assert f'<option value="{ana.id}" selected>Ana</option>' in visitor.get(f"/keys/{key.id}/edit").text
    assert 303 == visitor.send_form(f"/keys/{key.id}/edit", **form, owner="team").status_code
    assert "Owner acme team" in words(visitor.get(f"/keys/{key.id}").text)


def test_people_of_one_name_are_told_apart(visitor: Visitor, live: LiveConsole) -> None:
    """Where owners are chosen, an address stands beside a name that somebody else or the team has, too."""
    key, _ = live.make("export")
    people = (("Sam", "sam@example.com"), ("Sam", "two@example.com"), (f"{TEAM} team", "third@example.com"))
    sam, *_, ben = all_invited(live, *people, ("Ben", "ben@example.com"))
    for path in ("/keys", f"/keys/{key.id}/edit", f"/people/{ben.id}/offboard"):
        said = words(visitor.get(path).text)
        for name, address in people:
            assert f" {name} ({address}) " in said, path
        assert "(ben@example.com)" not in said
    form = {"name": "export", "permission": "items:read", "expires": "never", "owner": sam.id}
    assert 303 == visitor.send_form(f"/keys/{key.id}/edit", **form).status_code


def test_an_owner_who_is_nobody_is_refused_at_the_field(visitor: Visitor, live: LiveConsole) -> None:
    """A person without a role in the team cannot own its keys."""
    key, _ = live.make("export")
    invited(live, "Ben")
    answer = visitor.send_form(
        f"/keys/{key.id}/edit", name="export", permission="items:read", expires="never", owner="0" * 16
    )
    assert 422 == answer.status_code
    assert 'id="owner-mistake"' in answer.text


def test_people_of_other_teams_are_not_meant(visitor: Visitor, live: LiveConsole) -> None:
    """Neither form nor list takes the name, address or id of somebody elsewhere, or tells that one is there."""
    ben, carl = invited(live, "Ben"), invited(live, "Carl", team="globex")
    key, _ = live.make("export")
    for text in ("Carl", "carl@example.com", carl.id):
        form = {"name": "export", "permission": "items:read", "expires": "never", "owner": text}
        refused = visitor.send_form(f"/keys/{key.id}/edit", **form)
        assert (422, True) == (refused.status_code, f"Nobody in {TEAM} has the name" in words(refused.text)), text
    assert f"Nobody in {TEAM} has the name" in words(visitor.get("/keys?owner=Carl").text)
    assert ben.id in visitor.get("/keys?owner=Ben").headers["location"]


def test_a_new_key_is_made_for_somebody_else(visitor: Visitor, live: LiveConsole) -> None:
    """Its form offers the team and its people under More options; whoever is chosen owns the key from the start."""
    assert 'name="owner"' not in visitor.get("/keys/new?type=api").text
    ana = invited(live, "Ana")
    path, form = "/keys/new?type=api", {"name": "for Ana", "permission": "items:read", "expires": "never"}
    assert f'<option value="team" selected>{TEAM} team</option>' in visitor.get(path).text
    refused = visitor.send_form(path, **form, owner="nobody")
    assert 422 == refused.status_code
    assert f"Nobody in {TEAM} has the name or e-mail address 'nobody'" in words(refused.text)
    assert 201 == visitor.send_form(path, **form, owner=ana.id).status_code
    assert ["for Ana"] == names_on(visitor.get(f"/keys?owner={ana.id}").text)


def crowded(live: LiveConsole) -> dict[str, Person]:
    """More people than any menu holds, two of one name among the last of them."""
    people = {name: (name, f"{name.lower()}@example.com") for name in [f"Abel{number:02}" for number in range(MOST)]}
    people |= {"Zoe": ("Zoe", "zoe@example.com"), "Zora": ("Zora", "zora@example.com")}
    people["twin"] = ("Zoe", "zoe.two@example.com")
    return dict(zip(people, all_invited(live, *people.values()), strict=True))


def test_among_many_people_an_owner_is_written(visitor: Visitor, live: LiveConsole) -> None:
    """Where a menu cannot hold them all, the form takes a name, an address or the team, and says whom else it meant."""
    people, (key, _) = crowded(live), live.make("export")
    path, form = f"/keys/{key.id}/edit", {"name": "export", "permission": "items:read", "expires": "never"}
    assert '<select id="owner"' not in visitor.get(path).text
    assert f'value="{TEAM} team"' in visitor.get(path).text
    for text in ("Zora", "ZORA@example.com", people["Zora"].id):
        assert 303 == visitor.send_form(path, **form, owner=text).status_code
        assert "Owner Zora" in words(visitor.get(f"/keys/{key.id}").text)
        assert 303 == visitor.send_form(path, **form, owner=f"{TEAM} team").status_code
        assert f"Owner {TEAM} team" in words(visitor.get(f"/keys/{key.id}").text)
    refused = visitor.send_form(path, **form, owner="zoe")
    assert 422 == refused.status_code
    said = "'zoe' could be Zoe (zoe.two@example.com) or Zoe (zoe@example.com). Enter an e-mail address"
    assert said in words(refused.text)
    assert 'value="zoe"' in refused.text
    assert 201 == visitor.send_form("/keys/new?type=api", **form, owner="zoe@example.com").status_code


def test_an_owner_beyond_the_menu_is_in_the_field(visitor: Visitor, live: LiveConsole) -> None:
    """The form of a key whose owner is not among the first names the owner, and saved as it is changes no owner."""
    people, (key, _) = crowded(live), live.make("export")
    path, form = f"/keys/{key.id}/edit", {"name": "export", "permission": "items:read", "expires": "never"}
    visitor.send_form(path, **form, owner="zora")
    assert 'name="owner" list="owner-list" value="zora@example.com"' in visitor.get(path).text
    assert 303 == visitor.send_form(path, **form, owner="zora@example.com").status_code
    beside(live, lambda runtime: runtime.people.remove(TEAM, people["Zora"].id, actor=ANA))
    assert f'list="owner-list" value="{people["Zora"].id}"' in visitor.get(path).text
    assert 303 == visitor.send_form(path, **form, owner=people["Zora"].id).status_code
    assert ["export"] == names_on(visitor.get(f"/keys?owner={people['Zora'].id}").text)


def test_the_list_is_narrowed_to_anybody(visitor: Visitor, live: LiveConsole) -> None:
    """The menu of owners of a large team is a field for a name; what it does not understand, it says."""
    people, (key, _) = crowded(live), live.make("export")
    live.make("other")
    form = {"name": "export", "permission": "items:read", "expires": "never", "owner": "zora"}
    visitor.send_form(f"/keys/{key.id}/edit", **form)
    page = visitor.get("/keys").text
    assert [] == re.findall(r"owner=[0-9A-Za-z]{16}", page)
    assert 'name="owner" aria-label="Another owner"' in page
    answer = visitor.get("/keys?owner=zora&sort=name")
    assert 303 == answer.status_code
    assert answer.headers["location"].endswith(f"/keys?owner={people['Zora'].id}&sort=name")
    narrowed = visitor.get(answer.headers["location"]).text
    assert ["export"] == names_on(narrowed)
    assert "<summary>Zora</summary>" in narrowed
    unclear = visitor.get("/keys?owner=nobody").text
    assert f"Nobody in {TEAM} has the name or e-mail address 'nobody'." in words(unclear)
    assert "export" in names_on(unclear)


def test_anybody_can_inherit_keys(visitor: Visitor, live: LiveConsole) -> None:
    """Offboarding gives the keys to whoever is written, and asks again where that could be several."""
    people, (key, _) = crowded(live), live.make("export")
    form = {"name": "export", "permission": "items:read", "expires": "never", "owner": "zora"}
    visitor.send_form(f"/keys/{key.id}/edit", **form)
    path = f"/people/{people['Zora'].id}/offboard"
    assert 'name="to" list="to-list"' in visitor.get(path).text
    refused = visitor.send_form(path, keys="transfer", to="zoe")
    assert 422 == refused.status_code
    assert 'name="to" list="to-list" value="zoe"' in refused.text
    assert 303 == visitor.send_form(path, keys="transfer", to="zoe@example.com").status_code
    assert "Owner Zoe" in words(visitor.get(f"/keys/{key.id}").text)


def test_whoever_sees_own_keys_only_makes_none_for_others(live: LiveConsole) -> None:
    """A member's form has no owner, and one of their own making is refused."""
    ana = invited(live, "Ana")
    _, browser = joined(live, "cleo@example.com")
    path, form = "/keys/new?type=api", {"name": "mine", "permission": "items:read", "expires": "never"}
    assert 'name="owner"' not in browser.get(path).text
    assert 403 == browser.send_form(path, **form, owner=ana.id).status_code
    assert 201 == browser.send_form(path, **form).status_code
