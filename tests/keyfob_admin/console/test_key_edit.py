"""Duplicating and editing keys through forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, change, hidden, words
from tests.keyfob_admin.console.key_forms import checked, id_of, made


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
    source, _ = live.make("short", expires_at=datetime.now(UTC) + timedelta(hours=1))
    change(live.installation, lambda runtime: runtime.lifecycle.rotate(TEAM, source.id, {}, overlap="0s", actor=ANA))
    assert "Expired" in words(visitor.get(f"/keys/{source.id}").text)
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
    assert f"Set when the key was generated on {day} by ana@example.com (command line)" in changed
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
