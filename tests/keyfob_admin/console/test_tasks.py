"""What people come to do, counted in clicks, from the Keys page and without a mouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob_admin.console.conftest import LiveConsole, opened
from tests.keyfob_admin.console.keyboard import enter, tab_to

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_key_is_made_in_four_clicks(browser: Browser, shared: LiveConsole) -> None:
    """Create Key, Next, one permission, Generate Key; the name is typed where the focus is."""
    async with opened(browser, shared) as page:
        await page.get_by_role("link", name="Create Key").first.click()
        await page.get_by_role("button", name="Next").click()
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()
        await page.keyboard.type("four clicks")
        await page.get_by_label("items:read").check()
        await page.get_by_role("button", name="Generate Key").click()
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()
        await page.get_by_label("I have stored").check()


async def test_keys_that_run_out_are_one_click_away(browser: Browser, shared: LiveConsole) -> None:
    """The line above the list counts them and leads to them."""
    await shared.installation.make("runs out", expires_at=datetime.now(UTC) + timedelta(days=20))
    async with opened(browser, shared) as page:
        await page.get_by_role("navigation", name="Keys to review").get_by_role("link", name="30 days").click()
        await expect(page.get_by_role("link", name="runs out").first).to_be_visible()
        await expect(page.locator(".keys tbody .w-end").filter(has_text="Never")).to_have_count(0)


async def test_a_leaked_key_is_disabled_by_keyboard_alone(browser: Browser, shared: LiveConsole) -> None:
    """A slash, the line, Enter, Disable Key, the reason, Disable Key."""
    key, _ = await shared.installation.make("leaked, no mouse")
    async with opened(browser, shared) as page:
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.insert_text(f"12:00 GET /items 200 kf_api_{key.id}")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/find")
        await tab_to(page, "Disable Key leaked, no mouse")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Disable 'leaked, no mouse'?")).to_be_visible()
        await page.get_by_label("Why? (optional)").focus()
        await page.keyboard.type("seen in a log")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("'leaked, no mouse' is disabled.")).to_be_visible()
        await expect(page.get_by_text("Off since")).to_be_visible()


async def test_a_keys_id_is_copied_from_its_menu(browser: Browser, shared: LiveConsole) -> None:
    """The menu of a row copies the id as people see it, and says that it did."""
    key, _ = await shared.installation.make("copied")
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.goto("/keys?q=copied")
        await page.get_by_label("Actions for copied").click()
        await page.get_by_role("button", name="Copy key ID").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert f"kf_api_{key.id}" == await page.evaluate("navigator.clipboard.readText()")


async def test_a_leaked_key_is_one_paste_and_two_clicks_away(browser: Browser, shared: LiveConsole) -> None:
    """The line of a log is pasted anywhere on the page; Disable Key, and Disable Key again."""
    key, _ = await shared.installation.make("leaked, pasted")
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        await paste(page, f"12:00 GET /items 200 kf_api_{key.id} 203.0.113.24")
        await page.wait_for_url("**/find")
        await page.get_by_role("link", name="Disable Key leaked, pasted").click()
        await page.get_by_role("button", name="Disable Key").click()
        await expect(page.get_by_text("'leaked, pasted' is disabled.")).to_be_visible()


async def paste(page: Page, text: str) -> None:
    """Paste *text* without going to a field before."""
    await page.evaluate("text => navigator.clipboard.writeText(text)", text)
    await page.keyboard.press("ControlOrMeta+V")


async def test_what_is_pasted_into_a_field_stays_there(browser: Browser, shared: LiveConsole) -> None:
    """A key's id pasted into a form is no search, and neither is one pasted beside a secret that is shown."""
    key, _ = await shared.installation.make("not sought")
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.goto("/keys/new?type=api")
        await paste(page, f"kf_api_{key.id}")
        await expect(page.get_by_label("Name")).to_have_value(f"kf_api_{key.id}")
        await page.get_by_label("items:read").check()
        await page.get_by_role("button", name="Generate Key").click()
        heading = page.get_by_role("heading", name="Save your key secret")
        await expect(heading).to_be_focused()
        await page.get_by_label("I have stored").check()
        await heading.focus()
        await paste(page, f"kf_api_{key.id}")
        await expect(heading).to_be_visible()


async def test_a_colleague_has_access_in_three_clicks(browser: Browser, shared: LiveConsole) -> None:
    """People, Invite, the address, Invite; what is handed over is a link, and no secret."""
    async with opened(browser, shared) as page:
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="People").click()
        await page.get_by_role("link", name="Invite").click()
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await page.keyboard.type("dora@example.com")
        await page.get_by_role("button", name="Invite").click()
        await expect(page.get_by_role("heading", name="Send this link to")).to_be_visible()
        assert "/invitation/" in await page.get_by_label("One-time link").input_value()


async def test_why_a_key_was_refused_is_one_click_away(browser: Browser, shared: LiveConsole) -> None:
    """Its row leads to its page, on which the reasons stand with their numbers, and so do the addresses."""
    key, _ = await shared.installation.make("often refused")
    async with shared.installation.opened() as runtime:
        now = runtime.now()
        moment = int(now.timestamp() * 1_000_000)
        details = {Source(now.toordinal(), "198.51.100.7", "GET /items", "permission"): Tally(moment, moment, denied=6)}
        await runtime.store.add_usage({key.id: Use(now, "198.51.100.7", {}, {now.date(): 6}, details)})
    async with opened(browser, shared) as page:
        await page.get_by_role("link", name="often refused").first.click()
        await expect(page.get_by_role("table", name="Refused requests by reason")).to_contain_text("Permission missing")
        await expect(page.get_by_role("table", name="Requests by address")).to_contain_text("198.51.100.7")


async def test_a_key_is_replaced_without_a_mouse(browser: Browser, shared: LiveConsole) -> None:
    """Its link, Replace Key, another overlap with the arrows, and Enter."""
    await shared.installation.make("replaced, no mouse")
    async with opened(browser, shared) as page:
        await enter(page, "replaced, no mouse")
        await page.wait_for_url("**/keys/*")
        await enter(page, "Replace Key")
        await page.get_by_role("radio", name="24 hours").focus()
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_role("radio", name="7 days")).to_be_checked()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_focused()
        await page.get_by_label("I have stored").check()


async def test_a_key_is_edited_without_a_mouse(browser: Browser, shared: LiveConsole) -> None:
    """Its link, Edit key, the new name where the focus is, Save changes."""
    await shared.installation.make("edited, no mouse")
    async with opened(browser, shared) as page:
        await enter(page, "edited, no mouse")
        await page.wait_for_url("**/keys/*")
        await enter(page, "Edit key")
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()
        await page.keyboard.press("ControlOrMeta+A")
        await page.keyboard.type("edited by keys")
        await enter(page, "Save changes")
        await expect(page.get_by_text("'edited by keys' was changed.")).to_be_visible()


async def test_a_colleague_is_invited_without_a_mouse(browser: Browser, shared: LiveConsole) -> None:
    """People, Invite, the address where the focus is, Enter."""
    async with opened(browser, shared) as page:
        await enter(page, "People")
        await page.wait_for_url("**/people")
        await enter(page, "Invite")
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await page.keyboard.type("emil@example.com")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Send this link to")).to_be_focused()
