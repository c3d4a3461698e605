"""Who owns a key, in the list, on its page and in its form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.key_lists import names_on
from tests.keyfob_admin.console.people import closing, joined

if TYPE_CHECKING:
    from keyfob.people.record import Person

__all__ = ["closing"]
pytestmark = pytest.mark.both_engines


def invited(live: LiveConsole, name: str) -> Person:
    """Somebody with a role in the team."""

    async def work() -> Person:
        async with live.installation.opened() as runtime:
            email = f"{name.lower()}@example.com"
            return (await runtime.people.invite(email, team=TEAM, role="member", name=name, actor=ANA)).person

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


def test_an_owner_who_is_nobody_is_refused_at_the_field(visitor: Visitor, live: LiveConsole) -> None:
    """A person without a role in the team cannot own its keys."""
    key, _ = live.make("export")
    invited(live, "Ben")
    answer = visitor.send_form(
        f"/keys/{key.id}/edit", name="export", permission="items:read", expires="never", owner="0" * 16
    )
    assert 422 == answer.status_code
    assert 'id="owner-mistake"' in answer.text


def test_a_new_key_is_made_for_somebody_else(visitor: Visitor, live: LiveConsole) -> None:
    """Its form offers the team and its people under More options; whoever is chosen owns the key from the start."""
    assert 'name="owner"' not in visitor.get("/keys/new?type=api").text
    ana = invited(live, "Ana")
    path, form = "/keys/new?type=api", {"name": "for Ana", "permission": "items:read", "expires": "never"}
    assert f'<option value="team" selected>{TEAM} team</option>' in visitor.get(path).text
    refused = visitor.send_form(path, **form, owner="nobody")
    assert 422 == refused.status_code
    assert "There is nobody with this id in the key's team" in words(refused.text)
    assert 201 == visitor.send_form(path, **form, owner=ana.id).status_code
    assert ["for Ana"] == names_on(visitor.get(f"/keys?owner={ana.id}").text)


def test_whoever_sees_own_keys_only_makes_none_for_others(live: LiveConsole) -> None:
    """A member's form has no owner, and one of their own making is refused."""
    ana = invited(live, "Ana")
    _, browser = joined(live, "cleo@example.com")
    path, form = "/keys/new?type=api", {"name": "mine", "permission": "items:read", "expires": "never"}
    assert 'name="owner"' not in browser.get(path).text
    assert 403 == browser.send_form(path, **form, owner=ana.id).status_code
    assert 201 == browser.send_form(path, **form).status_code
