"""Dangerous changes say what they do, with numbers, before they are made; and afterwards what became of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob_admin.console.conftest import (
    OTHER_TEAM,
    LiveConsole,
    Visitor,
    change,
    hidden,
    installed,
    running,
    words,
)
from tests.keyfob_admin.console.people import closing, invited, joined

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["closing"]  # a fixture of these tests


def micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


@pytest.mark.cases("FF-39")
def test_a_plan_says_which_keys_it_stops(visitor: Visitor, live: LiveConsole) -> None:
    """Saving a plan that lacks a type names its keys and those used today; only then is it changed."""
    keys = [live.make(f"key {number}")[0] for number in range(3)]
    now = datetime.now(UTC)
    change(live.installation, lambda runtime: runtime.store.add_usage({keys[0].id: Use(now, None, {now.date(): 1})}))
    asked = visitor.send_form("/settings", name="Acme", plan="teams")
    assert 200 == asked.status_code
    assert "3 Public API keys stop working now. 1 was used today." in words(asked.text)
    assert "Active" in words(visitor.get(f"/keys/{keys[0].id}").text)
    form = {**hidden(asked.text), "name": "Acme", "plan": "teams", "confirmed": "teams"}
    assert 303 == visitor.post("/settings", data=form).status_code
    assert "Suspended" in words(visitor.get(f"/keys/{keys[0].id}").text)
    back = words(visitor.send_form("/settings", name="Acme", plan="enterprise").text)
    assert "3 Public API keys work again." in back


def test_a_plan_that_stops_nothing_is_saved_at_once(visitor: Visitor) -> None:
    """Without keys of the types that it lacks there is nothing to ask."""
    assert 303 == visitor.send_form("/settings", name="Acme", plan="teams").status_code


def test_the_last_admin_is_refused_before_the_question(visitor: Visitor, live: LiveConsole) -> None:
    """The only key that may do everything cannot be disabled, and its page says so at the button."""
    root = f"/keys/{live.installation.admin.id}"
    page = visitor.get(root).text
    assert 'aria-describedby="no-disable">Disable Key</button>' in page
    assert "This is the last admin key that may do everything." in words(page)
    assert "Disable Key</button></form>" not in visitor.get(f"{root}/disable").text


@pytest.mark.cases("FF-39")
def test_ones_own_key_says_that_it_is(visitor: Visitor, live: LiveConsole) -> None:
    """Disabling the key that one is signed in with signs out, which is said first."""
    live.make("second root", key_type="admin", permissions=("*",))
    root = f"/keys/{live.installation.admin.id}"
    said = words(visitor.get(root).text)
    assert (
        "This is the key you are signed in with. You will be signed out, and only another admin can enable it again."
    ) in said
    visitor.send_form(f"{root}/disable")
    assert visitor.get("/keys").headers["location"].startswith("/login")


def test_why_is_kept_in_the_history(visitor: Visitor, live: LiveConsole) -> None:
    """The reason that somebody gave for disabling or deleting stands in the history."""
    key, _ = live.make("leaky")
    visitor.send_form(f"/keys/{key.id}/disable", reason="seen in a public log")
    assert "“seen in a public log”" in words(visitor.get(f"/keys/{key.id}/activity").text)
    visitor.send_form(f"/keys/{key.id}/delete", reason="no longer needed")
    assert "“no longer needed”" in words(visitor.get("/activity").text)


def test_a_disabled_key_says_since_when_and_who_tries_it(visitor: Visitor, live: LiveConsole) -> None:
    """Its page has the moment, the workers that know, and the requests that were refused since."""
    key, _ = live.make("off")
    visitor.send_form(f"/keys/{key.id}/disable")
    off = words(visitor.get(f"/keys/{key.id}").text)
    assert "Off since" in off
    assert "No request was refused since." in off
    at = datetime.now(UTC) + timedelta(seconds=1)
    tried = {Source(at.toordinal(), "198.51.100.7", "", "disabled"): Tally(micros(at), micros(at), 0, 14)}
    use = Use(None, None, {}, {at.date(): 14}, tried)
    change(live.installation, lambda runtime: runtime.store.add_usage({key.id: use}))
    assert "14 requests refused since, from 198.51.100.7." in words(visitor.get(f"/keys/{key.id}").text)


def test_who_removes_or_offboards_themselves_is_told(live: LiveConsole) -> None:
    """Both questions say that it is oneself whom they are about, and nobody is told so of somebody else."""
    joined(live, "ana@example.com", "owner")
    ben, visitor = joined(live, "ben@example.com", "owner")
    cleo, _ = invited(live, "cleo@example.com")
    for way in ("remove", "offboard"):
        assert "This is you." in words(visitor.get(f"/people/{ben.id}/{way}").text), way
        assert "This is you." not in words(visitor.get(f"/people/{cleo.id}/{way}").text), way


def test_what_ends_with_a_membership_is_said_before(tmp_path: Path) -> None:
    """The question names the role and counts the keys that stop, the admin keys and the others; it changes nothing."""
    leaving = {"api": {"when_owner_leaves": "disable"}}
    installation = asyncio.run(installed(tmp_path, key_types=leaving))
    with running(installation) as url:
        live = LiveConsole(url, installation)
        ben, visitor = joined(live, "ben@example.com", "team_admin")
        for name in ("one", "two"):
            visitor.send_form("/keys/new?type=api", name=name, permission="items:read")
        live.make("laptops", key_type="computer", owner=ben.id)
        live.make("root of ben", key_type="admin", permissions=("keys:read",), owner=ben.id)
        _, ana = joined(live, "ana@example.com", "owner")
        said = words(ana.get(f"/people/{ben.id}/remove").text)
        for part in (
            "Remove 'ben@example.com' from acme? The role Team admin in acme ends now. Roles in other teams stay.",
            "2 keys stop working now. Keys of their types end with their owner's membership.",
            "1 admin key of acme belongs to ben@example.com. It is disabled if it can do more than their other roles",
            "1 other key goes on working, with the same owner. Cancel Remove from team",
        ):
            assert part in said
        assert "Remove from team…" in words(ana.get(f"/people/{ben.id}").text)
        other, _ = invited(live, "cleo@example.com")
        live.make("printers", owner=other.id, key_type="scim")
        assert "stay. 1 key goes on working" in words(ana.get(f"/people/{other.id}/remove").text)
        assert 404 == ana.get(f"/people/{ben.id}/remove?team={OTHER_TEAM}").status_code
        assert 303 == ana.send_form(f"/people/{ben.id}/remove").status_code
        assert 3 == words(ana.get("/keys").text).count(" Disabled ") - 1  # the filter has the word, too


def test_what_ends_with_a_role_is_said_before(live: LiveConsole) -> None:
    """Another role asks first where it disables admin keys, and says how many; one that ends none does not."""
    ben, _ = joined(live, "ben@example.com", "team_admin")
    root, _ = live.make("root of ben", key_type="admin", permissions=("keys:read", "people:read"), owner=ben.id)
    _, ana = joined(live, "ana@example.com", "owner")
    page = f"/people/{ben.id}"

    again = ana.send_form("/people/invite", email="BEN@example.com", role="member")
    assert 422 == again.status_code
    assert "would end 1 admin key of ben@example.com, who is in this team already." in words(again.text)
    asked = ana.post(f"{page}/role", data={**hidden(ana.get(page).text), "role": "member"})
    said = words(asked.text)
    assert "Change the role of 'ben@example.com' to Member? 1 admin key of ben@example.com stops working now," in said
    assert " Active " in words(ana.get(f"/keys/{root.id}").text)
    assert 303 == ana.post(f"{page}/role", data={**hidden(ana.get(page).text), "role": "auditor"}).status_code
    assert 303 == ana.post(f"{page}/role", data=hidden(asked.text)).status_code
    assert " Disabled " in words(ana.get(f"/keys/{root.id}").text)
    assert "In acme Member" in words(ana.get(page).text)
