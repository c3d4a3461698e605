"""Replace Key: the choices, the new secret, what the old key's page says, and when it cannot be done."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob.store.contract.key_store import Use
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, change, hidden, opened, words
from tests.keyfob_admin.console.key_forms import id_of, made

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.both_engines


def replace(visitor: Visitor, key_id: str, overlap: str) -> str:
    """Send the page that asks, and give the new secret."""
    return made(visitor.send_form(f"/keys/{key_id}/replace", overlap=overlap))


def test_the_choices_say_until_when_the_old_key_works(visitor: Visitor, live: LiveConsole) -> None:
    """Five choices, a day chosen, none beyond the key's own end."""
    soon = datetime.now(UTC) + timedelta(days=3)
    key, _ = live.make("nightly-export", expires_at=soon)
    said = words(visitor.get(f"/keys/{key.id}/replace").text)
    assert "Replace 'nightly-export'?" in said
    assert re.search(r"1 hour until .+ 24 hours until .+ 7 days until .+ Until I end it .+ Not at all 401", said)
    end = f"{soon.day} {soon:%b} {soon.year}"
    assert f"7 days until {end}" in said
    assert f"Until I end it {end} at the latest" in said


@pytest.mark.parametrize("overlap", ["1h", "24h", "7d", "open"])
def test_the_old_key_goes_on_and_both_pages_say_so(visitor: Visitor, live: LiveConsole, overlap: str) -> None:
    """The new key has the old one's name and permissions; each page leads to the other."""
    key, old = live.make("billing-worker", permissions=("items:read", "users:read"))
    secret = replace(visitor, key.id, overlap)
    assert secret != old
    new = words(visitor.get(f"/keys/{id_of(secret)}").text)
    assert "Replaces billing-worker" in new
    assert "2 of 5 permissions" in new
    page = words(visitor.get(f"/keys/{key.id}").text)
    assert "Being replaced by billing-worker" in page
    assert ("It works until" in page) is (overlap != "open")
    assert "It was never used: safe to end. End now" in page
    assert "Being replaced" in words(visitor.get("/keys").text)


def test_the_old_key_ends_at_once_if_that_is_chosen(visitor: Visitor, live: LiveConsole) -> None:
    """Not at all means from now on, and the reveal says so."""
    key, _ = live.make("leaked")
    answer = visitor.send_form(f"/keys/{key.id}/replace", overlap="0s")
    assert "The old key no longer works." in words(answer.text)
    assert "leaked Expired" in words(visitor.get(f"/keys/{key.id}").text)


def test_the_old_keys_page_says_who_still_needs_it(visitor: Visitor, live: LiveConsole) -> None:
    """A use of today is named with its address; one of days ago means that it is safe to end."""
    now = datetime.now(UTC)
    busy, _ = live.make("busy")
    idle, _ = live.make("idle")
    used = {
        busy.id: Use(now - timedelta(minutes=3), "10.1.2.3", {now.date(): 1}),
        idle.id: Use(now - timedelta(days=2, hours=1), "10.1.2.3", {now.date() - timedelta(days=2): 1}),
    }
    change(live.installation, lambda runtime: runtime.store.add_usage(used))
    for key in (busy, idle):
        replace(visitor, key.id, "7d")
    assert "Still used 3 minutes ago from 10.1.2.3." in words(visitor.get(f"/keys/{busy.id}").text)
    assert "Not used since 2 days: safe to end." in words(visitor.get(f"/keys/{idle.id}").text)


def test_a_form_replaces_once(visitor: Visitor, live: LiveConsole) -> None:
    """Sent again the form leads to the key that it made; another form for a replaced key leads to its page."""
    key, _ = live.make("once")
    form = {**hidden(visitor.get(f"/keys/{key.id}/replace").text), "overlap": "24h"}
    other = {**hidden(visitor.get(f"/keys/{key.id}/replace").text), "overlap": "24h"}
    secret = made(visitor.post(f"/keys/{key.id}/replace", data=form))
    again = visitor.post(f"/keys/{key.id}/replace", data=form)
    assert f"/keys/{id_of(secret)}?again=1" == again.headers["location"]
    assert f"/keys/{key.id}" == visitor.post(f"/keys/{key.id}/replace", data=other).headers["location"]


def test_what_cannot_be_replaced_says_why(visitor: Visitor, live: LiveConsole) -> None:
    """A disabled key has no such button, and its page says that only an active one can be replaced."""
    key, _ = live.make("off")
    visitor.send_form(f"/keys/{key.id}/disable")
    assert "Replace Key" not in words(visitor.get(f"/keys/{key.id}").text)
    assert "Only an active key can be replaced; this one is disabled." in words(
        visitor.get(f"/keys/{key.id}/replace").text
    )
    open_key, _ = live.make("on")
    form = hidden(visitor.get(f"/keys/{open_key.id}/replace").text)
    answer = visitor.post(f"/keys/{open_key.id}/replace", data={**form, "overlap": "9y"})
    assert 422 == answer.status_code
    assert "Choose how long the old key keeps working" in words(answer.text)


def test_replacing_needs_what_creating_needs(live: LiveConsole) -> None:
    """Who may only read finds the button off, and is refused."""
    key, _ = live.make("safe")
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        page = visitor.get(f"/keys/{key.id}").text
        assert 'aria-describedby="no-write">Replace Key</button>' in page
        form = {**hidden(page), "overlap": "24h", "draft": "x"}
        assert 403 == visitor.post(f"/keys/{key.id}/replace", data=form).status_code


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_a_key_in_use_is_replaced_in_four_clicks(browser: Browser, shared: LiveConsole, scripts: bool) -> None:  # noqa: FBT001
    """Open the key, Replace Key, choose, Replace Key: the secret is there. Cancel changes nothing."""
    name = f"replaced {scripts}"
    key, _ = await shared.installation.make(name)
    async with opened(browser, shared, java_script_enabled=scripts) as page:
        await page.goto(f"/keys/{key.id}")
        await page.get_by_role("button", name="Replace Key").first.click()
        dialog = page.get_by_role("dialog", name=f"Replace '{name}'?")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(dialog).to_be_hidden()
        await page.get_by_role("button", name="Replace Key").first.click()
        await dialog.get_by_text("7 days").click()
        await dialog.get_by_role("button", name="Replace Key").click()
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()
        await page.get_by_label("I have stored").check()
    async with shared.installation.opened() as runtime:
        record = (await runtime.lifecycle.get(TEAM, key.id, actor=ANA)).record
        assert record.is_replaced
        assert record.expires_at is not None


def test_there_is_room_for_one_replaced_key_of_a_kind(visitor: Visitor, live: LiveConsole) -> None:
    """While the key that a team's only one replaced is there, the button is off with the reason, and comes back."""
    old, _ = live.make("laptops", key_type="computer")
    key = f"/keys/{id_of(replace(visitor, old.id, '24h'))}"
    said = "Delete the key that this one replaced before you replace this one."
    form = {**hidden(visitor.get(key).text), "overlap": "1h"}
    assert said in words(visitor.get(key).text)
    assert said in words(visitor.get(f"{key}/replace").text)
    assert 409 == visitor.post(f"{key}/replace", data={**form, "draft": "once"}).status_code
    for verb in ("disable", "delete"):
        assert said in words(visitor.get(key).text)
        visitor.send_form(f"/keys/{old.id}/{verb}")
    assert said not in words(visitor.get(key).text)
    assert "The old key keeps working for" in words(visitor.get(key).text)
