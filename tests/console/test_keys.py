"""Making, changing and ending keys through forms, and the secret that is seen once."""

from __future__ import annotations

import html
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.conftest import OTHER_TEAM, SECRET, LiveConsole, Visitor, hidden, words

if TYPE_CHECKING:
    import httpx

    from keyfob.record import KeyRecord

NEW = "/keys/new?type=api"


def made(answer: httpx.Response) -> str:
    """The secret that an answer shows."""
    assert 201 == answer.status_code, words(answer.text)
    found = set(SECRET.findall(answer.text))
    assert 1 == len(found)
    return str(found.pop())


def id_of(secret: str) -> str:
    return secret.split("_")[2]


def grant(visitor: Visitor, secret: str) -> httpx.Response:
    """Ask the admin API what a key is good for, with the key itself: a key of another type is 403, a dead one 401."""
    return visitor.get("/v1/whoami", headers={"Authorization": f"Bearer {secret}"})


def checked(text: str) -> list[str]:
    """The permissions that are ticked on a form."""
    return re.findall(r'name="permission" value="([^"]+)"[^>]* checked', text)


# ---------------------------------------------------------------- the secret, once


def test_se_11_the_secret_is_in_the_answer_to_the_form_and_nowhere_else(visitor: Visitor, live: LiveConsole) -> None:
    """No page, list, export, log or table that comes after the reveal holds the secret."""
    secret = made(visitor.send_form(NEW, name="once", permission=["items:read"]))
    key = f"/keys/{id_of(secret)}"
    pages = ["/keys", key, f"{key}/permissions", f"{key}/activity", f"{key}/edit", f"{key}/duplicate", NEW, "/activity"]
    for path in [*pages, "/activity/export.csv", "/activity/export.ndjson", "/permissions", "/settings"]:
        answer = visitor.get(path)
        assert 200 == answer.status_code, path
        assert secret[-64:-21] not in answer.text, path
    store = (live.installation.settings.store or "").removeprefix("sqlite:///")
    with sqlite3.connect(store) as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert secret[-64:-21] not in dump


def test_co_07_the_same_form_again_shows_no_secret_and_makes_no_key(visitor: Visitor) -> None:
    """Going back and sending the form again leads to the key that it made, which says that it was generated already."""
    form = {**hidden(visitor.get(NEW).text), "name": "single", "permission": "items:read"}
    secret = made(visitor.post(NEW, data=form))
    again = visitor.post(NEW, data={**form, "name": "another"})
    assert (303, f"/keys/{id_of(secret)}?again=1") == (again.status_code, again.headers["location"])
    page = visitor.get(again.headers["location"]).text
    assert "This key was already generated. Its secret can't be shown again." in words(page)
    assert [] == SECRET.findall(page)
    assert 1 == visitor.get("/keys?q=single").text.count('scope="row"')
    assert "No keys match" in visitor.get("/keys?q=another").text


def test_co_07_a_deleted_key_does_not_bring_its_form_back(visitor: Visitor) -> None:
    """The form of a key that was deleted since makes no second key, either."""
    form = {**hidden(visitor.get(NEW).text), "name": "gone", "permission": "items:read"}
    key = f"/keys/{id_of(made(visitor.post(NEW, data=form)))}"
    visitor.send_form(f"{key}/disable")
    visitor.send_form(f"{key}/delete")
    again = visitor.post(NEW, data=form)
    assert (303, "/keys?again=1") == (again.status_code, again.headers["location"])
    assert "This form was already sent." in words(visitor.get("/keys?again=1").text)


def test_a_form_that_was_refused_can_be_mended_and_sent(visitor: Visitor) -> None:
    """A refusal uses nothing up: what was typed is still there, and the mended form makes the key."""
    answer = visitor.send_form(NEW, name="", description="kept", permission=["items:read", "users:read"])
    assert 422 == answer.status_code
    assert ["items:read", "users:read"] == checked(answer.text)
    assert ">kept</textarea>" in answer.text
    mended = {**hidden(answer.text), "name": "mended", "permission": "items:read"}
    made(visitor.post(NEW, data=mended))


def test_a_form_without_its_draft_is_refused(visitor: Visitor) -> None:
    """Who leaves out the token that works once makes no key."""
    form = {"csrf": hidden(visitor.get(NEW).text)["csrf"], "name": "x", "permission": "items:read"}
    assert 400 == visitor.post(NEW, data=form).status_code


# ---------------------------------------------------------------- whose form it is


def changes(key: KeyRecord) -> list[str]:
    """Every address that changes something."""
    one = f"/keys/{key.id}"
    return [NEW, f"{one}/duplicate", f"{one}/edit", f"{one}/disable", f"{one}/enable", f"{one}/delete", "/settings", "/logout", "/theme"]  # fmt: skip  # noqa: E501


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "none", "Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_co_01_another_sites_form_changes_nothing(visitor: Visitor, live: LiveConsole, headers: dict[str, str]) -> None:
    """A request that another site's page sent is 403, even with the session and the right token."""
    key, _ = live.make("untouched")
    token = hidden(visitor.get("/keys").text)["csrf"]
    sent = {name: value for name, value in headers.items() if value}
    with Visitor(live.url, headers=sent, cookies=visitor.cookies) as foreign:
        if not headers["Sec-Fetch-Site"]:
            del foreign.headers["Sec-Fetch-Site"]
        for path in changes(key):
            answer = foreign.post(
                path, data={"csrf": token, "name": "changed", "permission": "items:read", "draft": "d"}
            )
            assert 403 == answer.status_code, path
    assert "untouched" in visitor.get(f"/keys/{key.id}").text
    assert "No keys match" in visitor.get("/keys?q=changed").text


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_co_01_a_form_without_its_token_changes_nothing(visitor: Visitor, live: LiveConsole, token: str | None) -> None:
    """A form that does not carry the session's token is 403."""
    key, _ = live.make("untouched")
    for path in changes(key):
        answer = visitor.post(path, data={"name": "changed", **({} if token is None else {"csrf": token})})
        assert 403 == answer.status_code, path
    assert 200 == visitor.get(f"/keys/{key.id}").status_code
    assert "active" in words(visitor.get(f"/keys/{key.id}").text).lower()


def test_co_01_another_sessions_token_is_none(visitor: Visitor, live: LiveConsole) -> None:
    """The token belongs to one session, not to everybody who is signed in."""
    key, _ = live.make()
    with Visitor(live.url) as other:
        other.sign_in(live.installation.admin_key)
        token = hidden(other.get("/keys").text)["csrf"]
    assert 403 == visitor.post(f"/keys/{key.id}/disable", data={"csrf": token}).status_code


def test_browsers_without_fetch_metadata_are_believed_by_their_origin(visitor: Visitor, live: LiveConsole) -> None:
    """Where Sec-Fetch-Site is missing, the console's own origin passes with the token, and so does `null`."""
    key, _ = live.make()
    token = hidden(visitor.get("/keys").text)["csrf"]
    del visitor.headers["Sec-Fetch-Site"]
    for origin in (live.url, "null"):
        answer = visitor.post(f"/keys/{key.id}/disable", data={"csrf": token}, headers={"Origin": origin})
        assert 303 == answer.status_code


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_co_02_only_a_form_is_a_form(visitor: Visitor, live: LiveConsole, media_type: str) -> None:
    """What is not urlencoded is 415, whatever it says."""
    key, _ = live.make()
    token = hidden(visitor.get("/keys").text)["csrf"]
    answer = visitor.post(f"/keys/{key.id}/disable", content=f"csrf={token}", headers={"Content-Type": media_type})
    assert 415 == answer.status_code


def test_a_huge_form_is_refused(visitor: Visitor) -> None:
    """More than 64 KiB, or a thousand fields, is nothing that the console has made."""
    assert 413 == visitor.post(NEW, data={"name": "x" * 70_000}).status_code
    assert (
        400
        == visitor.post(
            NEW, content="a=&" * 1500, headers={"Content-Type": "application/x-www-form-urlencoded"}
        ).status_code
    )


# ---------------------------------------------------------------- what a form says


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Enter a name"),
        ({"name": "x" * 101}, "Name must be 100 characters or fewer"),
        ({"permission": []}, "Choose at least one permission, or tick 'Create with no permissions'"),
        ({"expires": "date", "expires_on": "2020-01-01"}, "Expiry must be in the future"),
        ({"expires": "date", "expires_on": "soon"}, "Enter the last day, for example 2027-01-31"),
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
    assert "10.0.0.0/8, 203.0.113.7, 2001:db8::/32" in said
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
    assert 'type="checkbox"' not in page
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


# ---------------------------------------------------------------- duplicating and editing


def test_a_duplicate_is_a_draft_of_its_own(visitor: Visitor, live: LiveConsole) -> None:
    """The form is filled in with the original, says that it stays as it is, and makes a key of its own."""
    source, secret = live.make("billing-worker", permissions=("items:read", "users:read"), description="Why")
    page = visitor.get(f"/keys/{source.id}/duplicate").text
    said = words(page)
    assert "Duplicate 'billing-worker'" in said
    assert "This is a draft. The original key won't change and keeps its own secret." in said
    assert 'value="Copy of billing-worker"' in page
    assert ["items:read", "users:read"] == checked(page)
    form = {**hidden(page), "name": "Copy of billing-worker", "permission": ["items:read", "items:write"]}
    copy = made(visitor.post(f"/keys/{source.id}/duplicate", data=form))
    assert copy != secret
    overview = words(visitor.get(f"/keys/{id_of(copy)}").text)
    assert "Duplicated from billing-worker" in overview
    again = visitor.post(f"/keys/{source.id}/duplicate", data=form)
    assert f"/keys/{id_of(copy)}?again=1" == again.headers["location"]
    assert ["items:read", "users:read"] == checked(visitor.get(f"/keys/{source.id}/edit").text)


def test_a_duplicate_shows_what_was_changed(visitor: Visitor, live: LiveConsole) -> None:
    """Each row of the original's permissions is known, so that the page can mark it as added or removed."""
    source, _ = live.make("source", permissions=("items:read",))
    answer = visitor.send_form(f"/keys/{source.id}/duplicate", name="", permission=["users:read"])
    rows = re.findall(r'<label class="choice( had)?">\s*<input[^>]*value="([^"]+)"[^>]*?( checked)?>', answer.text)
    assert ("had", "") == next((had.strip(), ticked.strip()) for had, name, ticked in rows if name == "items:read")
    assert ("", "checked") == next((had.strip(), ticked.strip()) for had, name, ticked in rows if name == "users:read")
    assert answer.text.count(">Added<") == answer.text.count(">Removed<") == len(rows)


def test_an_expired_keys_copy_needs_a_new_end(visitor: Visitor, live: LiveConsole) -> None:
    """The past expiry of an original is not offered for the copy."""
    source, _ = live.make("short", expires_at=datetime.now(UTC) + timedelta(milliseconds=200))
    while "Expired" not in words(visitor.get(f"/keys/{source.id}").text):
        pass
    page = visitor.get(f"/keys/{source.id}/duplicate").text
    assert 'value="keep"' not in page
    assert '<option value="90" selected>' in page
    made(visitor.send_form(f"/keys/{source.id}/duplicate", name="long", permission="items:read", expires="90"))


def test_a_key_that_there_can_be_one_of_is_not_duplicated(visitor: Visitor, live: LiveConsole) -> None:
    """The button of a taken type is off and says why; a crafted request is 409."""
    key, _ = live.make("the one", key_type="computer")
    page = visitor.get(f"/keys/{key.id}").text
    assert "A team computer key already exists." in words(page)
    assert 'aria-disabled="true" aria-describedby="no-copy">Duplicate Key' in page
    assert 409 == visitor.send_form(f"/keys/{key.id}/duplicate", name="second").status_code


def test_an_edit_changes_what_it_says_and_is_told(visitor: Visitor, live: LiveConsole) -> None:
    """The key page says that it was changed, and its permissions page what, when and by whom."""
    key, _ = live.make("before", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    form = {"name": "after", "expires": "keep", "addresses": "", "permission": ["items:read", "items:write"]}
    answer = visitor.send_form(f"/keys/{key.id}/edit", **form)
    assert f"/keys/{key.id}?done=saved" == answer.headers["location"]
    page = words(visitor.get(answer.headers["location"]).text)
    assert "'after' was changed." in page
    assert "1 Jan 2099, 00:00 UTC" in page
    today = datetime.now(UTC)
    day = f"{today.day} {today:%b} {today.year}"
    changed = words(visitor.get(f"/keys/{key.id}/permissions").text)
    assert f"Set when the key was generated on {day} by ana@example.com." in changed
    assert f"items:write added on {day} by root" in changed
    assert "renamed from before to after" in words(visitor.get(f"/keys/{key.id}/activity").text)


def test_an_edit_on_top_of_another_is_refused(visitor: Visitor, live: LiveConsole) -> None:
    """Who was slower is told to look again, and changes nothing."""
    key, _ = live.make("before")
    form = {**hidden(visitor.get(f"/keys/{key.id}/edit").text), "name": "slow", "permission": "items:read"}
    visitor.send_form(f"/keys/{key.id}/edit", name="fast", permission="items:read")
    answer = visitor.post(f"/keys/{key.id}/edit", data=form)
    assert 409 == answer.status_code
    assert "Someone else changed this key. Reload to see the current state." in words(answer.text)
    assert "fast" in words(visitor.get(f"/keys/{key.id}").text)


def test_the_last_admin_cannot_be_narrowed(visitor: Visitor, live: LiveConsole) -> None:
    """A change after which nobody could do everything is refused on the form."""
    path = f"/keys/{live.installation.admin.id}/edit"
    answer = visitor.send_form(path, name="root", permission="keys:read")
    assert 409 == answer.status_code
    assert "There is a problem" in words(answer.text)
    assert 422 == visitor.send_form(path, name="").status_code


# ---------------------------------------------------------------- off, on, gone


def test_a_key_is_disabled_enabled_and_deleted(visitor: Visitor, live: LiveConsole) -> None:
    """Each step is in force with its answer, and the page says what happened."""
    key, secret = live.make("billing-worker")
    one = f"/keys/{key.id}"
    assert 403 == grant(visitor, secret).status_code
    answer = visitor.send_form(f"{one}/disable")
    assert 401 == grant(visitor, secret).status_code
    assert "'billing-worker' is disabled. Enable Key" in words(visitor.get(answer.headers["location"]).text)
    answer = visitor.post(f"{one}/enable", data=hidden(visitor.get(one).text))
    assert "'billing-worker' is active again." in words(visitor.get(answer.headers["location"]).text)
    assert 403 == grant(visitor, secret).status_code
    visitor.send_form(f"{one}/disable")
    answer = visitor.send_form(f"{one}/delete")
    assert "'billing-worker' was deleted." in words(visitor.get(answer.headers["location"]).text)
    assert 404 == visitor.get(one).status_code
    assert "key.deleted" in visitor.get(f"/activity/export.csv?key={key.id}").text


def test_co_12_an_enabled_key_is_not_deleted_by_a_crafted_request(visitor: Visitor, live: LiveConsole) -> None:
    """Delete is off while a key is enabled, and a request that the page does not offer is 409."""
    key, secret = live.make()
    page = visitor.get(f"/keys/{key.id}").text
    assert 'aria-disabled="true" aria-describedby="no-delete">Delete Key' in page
    assert "Disable this key before you can delete it." in words(page)
    answer = visitor.post(f"/keys/{key.id}/delete", data=hidden(page))
    assert 409 == answer.status_code
    assert "Disable this key before you can delete it." in words(answer.text)
    assert 403 == grant(visitor, secret).status_code
    assert "<form" not in re.sub(r"(?s)<footer.*|<header.*?</header>", "", visitor.get(f"/keys/{key.id}/delete").text)


def test_a_message_is_not_believed_without_its_state(visitor: Visitor, live: LiveConsole) -> None:
    """An address that claims that something was done shows nothing that is not so."""
    key, _ = live.make("calm")
    assert "is disabled" not in words(visitor.get(f"/keys/{key.id}?done=disabled").text)
    assert "was deleted" not in words(visitor.get(f"/keys?deleted={key.id}").text)


def test_a_suspended_key_says_why(visitor: Visitor, live: LiveConsole) -> None:
    """When the plan lost a key's type, list and page say so, and enabling does not call it active."""
    key, _ = live.make("paused")
    visitor.send_form("/settings", name="Acme", plan="teams")
    page = words(visitor.get(f"/keys/{key.id}").text)
    assert "paused Suspended" in page
    assert "The plan of this team, teams, doesn't include keys of this type" in page
    assert "paused" in words(visitor.get("/keys?state=suspended").text)
    visitor.send_form(f"/keys/{key.id}/disable")
    answer = visitor.post(f"/keys/{key.id}/enable", data=hidden(visitor.get(f"/keys/{key.id}").text))
    assert "'paused' is enabled, but suspended." in words(visitor.get(answer.headers["location"]).text)


def test_what_the_admin_key_may_not_is_refused_in_words(live: LiveConsole) -> None:
    """A missing permission is named, and nothing is changed."""
    key, _ = live.make("safe")
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        page = visitor.get(f"/keys/{key.id}").text
        answer = visitor.post(f"/keys/{key.id}/disable", data=hidden(page))
        assert 403 == answer.status_code
        assert "Your admin key doesn't hold keys:write, which this needs." in words(answer.text)
        assert "doesn't hold audit:read" in words(visitor.get(f"/keys/{key.id}/activity").text)
        assert 403 == visitor.get("/activity").status_code
        assert 403 == visitor.send_form(NEW, name="x", permission="items:read").status_code


@pytest.mark.parametrize(
    "path", ["/keys/0000000000000000", "/keys/x", "/keys/kf_api_0000000000000000", "/keys/%2e%2e%2fx"]
)
def test_a_key_that_is_not_there(visitor: Visitor, path: str) -> None:
    """What is no key is answered 404 or refused, in a page that leads on."""
    assert visitor.get(path).status_code in {400, 404}


def test_a_displayed_key_is_found_and_a_whole_one_is_cut(visitor: Visitor, live: LiveConsole) -> None:
    """The display form works in an address; a whole key has no place there, and leads to its id."""
    key, secret = live.make("shown")
    assert 200 == visitor.get(f"/keys/kf_api_{key.id}").status_code
    assert f"/keys/{key.id}" == visitor.get(f"/keys/{secret}").headers["location"]
    form = hidden(visitor.get("/keys").text)
    assert f"/keys/{key.id}/disable" == visitor.post(f"/keys/{secret}/disable", data=form).headers["location"]
    assert "Active" in words(visitor.get(f"/keys/{key.id}").text)


def test_what_the_admin_key_may_not_is_not_offered(live: LiveConsole) -> None:
    """Who may only look finds each action off with the reason in view, instead of a refusal after the work."""
    _, looking = live.make("looking", key_type="admin", permissions=("keys:read", "audit:read"))
    key, _ = live.make("seen")
    reason = "Your admin key doesn't hold keys:write, which this needs."
    with Visitor(live.url) as visitor:
        visitor.sign_in(looking)
        keys, page = visitor.get("/keys").text, visitor.get(f"/keys/{key.id}").text
        for text, label in ((keys, "Create Key"), (page, "Duplicate Key"), (page, "Disable Key")):
            assert f'<button type="button" aria-disabled="true" aria-describedby="no-write">{label}</button>' in text
        for text in (keys, page):
            assert 'id="no-write">' in text
            assert reason in words(text)
        for gone in ("/keys/new", "/duplicate", "/edit", 'command="show-modal"'):
            assert gone not in keys + page


def test_who_may_not_delete_is_told_on_the_disabled_key(live: LiveConsole, visitor: Visitor) -> None:
    """Delete of a disabled key is off, with the permission that it needs, for who lacks it."""
    _, writing = live.make("writing", key_type="admin", permissions=("keys:read", "keys:write", "items:read"))
    key, _ = live.make("off")
    visitor.send_form(f"/keys/{key.id}/disable")
    with Visitor(live.url) as other:
        other.sign_in(writing)
        text = other.get(f"/keys/{key.id}").text
        assert 'aria-describedby="no-delete">Delete Key</button>' in text
        assert "Your admin key doesn't hold keys:delete, which this needs." in words(text)
        assert "<button>Enable Key</button>" in text
