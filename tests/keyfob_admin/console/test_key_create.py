"""Making keys through forms: what a form says, and the types, plans and teams that it offers."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.keyfob_admin.console.conftest import OTHER_TEAM, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_forms import NEW, checked, id_of, made


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Enter a name"),
        ({"name": "x" * 101}, "Name must be 100 characters or fewer"),
        ({"permission": []}, "Choose at least one permission, or tick 'Create with no permissions'"),
        ({"expires": "date", "expires_on": "2020-01-01"}, "Expiry must be in the future"),
        ({"expires": "date", "expires_on": "soon"}, "Enter the last day, for example 2027-01-31"),
        ({"expires": "77"}, "Choose when the key expires"),
        ({"metadata": "a: 1\na: 2"}, "a is there twice"),
        ({"addresses": "10.0.0.0/33"}, "10.0.0.0/33 isn't an IP address or range"),
        ({"permission": ["items:fly"]}, "items:fly can't be granted to keys of type api"),
    ],
)
def test_a_mistake_is_said_beside_its_field_and_on_top(visitor: Visitor, fields: dict[str, Any], said: str) -> None:
    """The answer is 422 with a summary that links to the field, and the field is marked as wrong."""
    answer = visitor.send_form(NEW, **{"name": "x", "permission": ["items:read"], **fields})
    text = html.unescape(answer.text)
    assert 422 == answer.status_code
    assert "There is a problem" in text
    field = re.search(rf'<a href="#([a-z_]+)">{re.escape(said)}</a>', text)
    assert field is not None
    assert re.search(rf'id="{field[1]}"[^>]*aria-describedby="[^"]*{field[1]}-mistake"[^>]*aria-invalid="true"', text)
    assert f'id="{field[1]}-mistake">{said}</p>' in text


def test_every_mistake_is_said_at_once(visitor: Visitor) -> None:
    """One sending of the form shows everything that is wrong with it."""
    answer = visitor.send_form(NEW, name="", addresses="nowhere", expires="date", expires_on="2020-01-01")
    said = words(answer.text)
    assert all(part in said for part in ("Enter a name", "nowhere isn't", "in the future", "Choose at least one"))


def test_what_cannot_be_read_hides_no_other_mistake(visitor: Visitor) -> None:
    """Metadata without a colon and a day that is none are said together with everything else."""
    wrong = {"name": "", "addresses": "nowhere", "metadata": "no colon", "expires": "date", "expires_on": "31.1.2027"}
    said = words(visitor.send_form(NEW, **wrong).text)
    parts = (
        "Enter a name",
        "nowhere isn't",
        "Write one name and value a line",
        "Enter the last day",
        "Choose at least",
    )
    assert [] == [part for part in parts if part not in said]


def test_nobody_grants_more_than_they_hold(live: LiveConsole) -> None:
    """Who lacks a permission is told so in the console's words, and no key is made."""
    _, secret = live.make("some", key_type="admin", permissions=("keys:read", "keys:write", "items:read"))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        answer = visitor.send_form(NEW, name="more", permission=["items:read", "items:write"])
        assert 403 == answer.status_code
        assert "You can't grant items:write because you don't have it" in words(answer.text)
        made(visitor.post(NEW, data={**hidden(answer.text), "name": "less", "permission": "items:read"}))
        offered = visitor.get(NEW).text
        assert 'data-preset="items:read"' in offered


def test_a_key_is_made_as_the_form_says(visitor: Visitor) -> None:
    """Description, expiry, addresses and permissions of the form are the key's."""
    answer = visitor.send_form(
        NEW,
        name="billing-worker, production",
        description="Runs at night",
        expires="30",
        addresses="10.0.0.0/8, 203.0.113.7\n2001:db8::/32",
        permission=["items:read", "reports:read"],
    )
    said = words(visitor.get(f"/keys/{id_of(made(answer))}").text)
    until = datetime.now(UTC) + timedelta(days=30)
    assert "billing-worker, production" in said
    assert "Runs at night" in said
    assert f"{until.day} {until:%b} {until.year}" in said
    assert "10.0.0.0/8 203.0.113.7 2001:db8::/32" in said
    granted = words(visitor.get(f"/keys/{id_of(made(answer))}/permissions").text)
    assert "Granted (2 of 5) items:read Read items reports:read Read reports" in granted
    assert "Not granted (3)" in granted


def test_an_expiry_date_is_its_last_second(visitor: Visitor) -> None:
    """A key that expires after a date works through that day, in UTC."""
    answer = visitor.send_form(NEW, name="x", permission="items:read", expires="date", expires_on="2099-12-31")
    assert "31 Dec 2099, 23:59 UTC" in words(visitor.get(f"/keys/{id_of(made(answer))}").text)


def test_a_key_may_have_no_permissions_if_that_is_said(visitor: Visitor) -> None:
    """The tick makes a key that holds nothing."""
    secret = made(visitor.send_form(NEW, name="empty", no_permissions="yes"))
    assert "Granted (0 of 5)" in words(visitor.get(f"/keys/{id_of(secret)}/permissions").text)


@pytest.mark.parametrize(
    ("preset", "ticked"),
    [
        ("none", []),
        ("read", ["items:read", "reports:read", "users:read"]),
        ("all", ["items:read", "items:write", "reports:read", "users:read", "users:write"]),
    ],
)
def test_presets_work_without_scripts(visitor: Visitor, preset: str, ticked: list[str]) -> None:
    """A preset's button brings the form back with its boxes ticked and all else kept; no key is made."""
    answer = visitor.send_form(NEW, name="kept", permission=["users:write"], preset=preset)
    assert 200 == answer.status_code
    assert ticked == checked(answer.text)
    assert 'value="kept"' in answer.text
    summary = "nothing yet" if not ticked else "read items, "
    assert f"This key will be able to: {summary}" in words(answer.text)


def test_names_are_shown_inert(visitor: Visitor) -> None:
    """What people type is text wherever it is shown."""
    name = "<img src=x onerror=alert(1)>\"'&amp;{{7*7}}"
    secret = made(visitor.send_form(NEW, name=name, description="</textarea><script>", permission="items:read"))
    key = f"/keys/{id_of(secret)}"
    for path in ("/keys", key, f"{key}/activity", f"{key}/edit", f"{key}/duplicate", f"{key}/disable", "/activity"):
        text = visitor.get(path).text
        assert "<img src=x" not in text
        assert "</textarea><script>" not in text
        assert html.escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text, path


# ---------------------------------------------------------------- types, plans, teams


def test_the_types_say_what_they_are_for(visitor: Visitor, live: LiveConsole) -> None:
    """The first step shows every type; one that is taken says so, and the plan's lack is said as well."""
    said = words(visitor.get("/keys/new").text)
    assert "Public API key For scripts, services and partners that call your HTTP API." in said
    assert "Team computer key For machines that enrol themselves. One per team." in said
    assert "SCIM key For your identity provider to provision users. One per team." in said
    live.make("the one", key_type="computer")
    taken = visitor.get("/keys/new").text
    assert "A team computer key already exists. Delete it to create a new one." in words(taken)
    assert 1 == taken.count(" disabled ")
    lacking = words(visitor.get(f"/keys/new?team={OTHER_TEAM}").text)
    assert "The plan of this team, teams, doesn't include keys of this type." in lacking


def test_a_type_that_cannot_be_is_refused_whatever_the_page_showed(visitor: Visitor, live: LiveConsole) -> None:
    """A taken type is 409 and one outside the plan 403, on the form that was sent."""
    form = hidden(visitor.get("/keys/new?type=computer").text)
    live.make("the one", key_type="computer")
    answer = visitor.post("/keys/new?type=computer", data={**form, "name": "second"})
    assert 409 == answer.status_code
    assert "A team computer key already exists." in words(answer.text)
    assert 403 == visitor.send_form(f"/keys/new?type=scim&team={OTHER_TEAM}", name="x").status_code
    assert 404 == visitor.post("/keys/new?type=nothing", data=form).status_code


def test_a_fixed_type_shows_what_it_holds(visitor: Visitor) -> None:
    """A type whose permissions are fixed offers no choice, and the key holds exactly these."""
    page = visitor.get("/keys/new?type=computer").text
    assert "Create Team computer Key" in words(page)
    assert 'name="permission"' not in page
    secret = made(visitor.send_form("/keys/new?type=computer", name="laptops"))
    assert "Granted (1 of 1) computers:enroll" in words(visitor.get(f"/keys/{id_of(secret)}/permissions").text)


def test_a_key_of_another_team_is_made_and_seen_there(visitor: Visitor) -> None:
    """Who acts in several teams switches by the address, and stays in the team."""
    path = f"/keys/new?type=computer&team={OTHER_TEAM}"
    answer = visitor.send_form(path, name="elsewhere")
    key = f"/keys/{id_of(made(answer))}"
    assert "elsewhere" in words(visitor.get(f"/keys?team={OTHER_TEAM}").text)
    assert "No keys match" in visitor.get("/keys?q=elsewhere").text
    assert f'href="/keys?team={OTHER_TEAM}"' in visitor.get(key).text


def test_who_acts_in_one_team_sees_no_other(live: LiveConsole) -> None:
    """Other teams and their keys are as if they had never been, and there is no switcher."""
    other, _ = live.make("theirs", OTHER_TEAM, key_type="computer")
    _, secret = live.make("mine", key_type="admin", permissions=("keys:read", "keys:write", "teams:read"))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert 404 == visitor.get(f"/keys?team={OTHER_TEAM}").status_code
        answer = visitor.get(f"/keys/{other.id}")
        assert 404 == answer.status_code
        assert "This key doesn't exist, or it was deleted." in words(answer.text)
        assert "Globex" not in visitor.get("/keys").text
