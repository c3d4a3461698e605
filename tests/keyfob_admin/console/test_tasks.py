"""What people come to do, counted in clicks, from the Keys page and without a mouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import LiveConsole, opened

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
MOST_TABS = 120


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until something named *name* has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if name == await page.evaluate(FOCUSED):
            return
    pytest.fail(f"Tab never came to {name}")


async def test_a_key_is_made_in_four_clicks(browser: Browser, shared: LiveConsole) -> None:
    """Create Key, Next, one permission, Generate Key; the name is typed where the focus is."""
    async with opened(browser, shared) as page:
        await page.get_by_role("link", name="Create Key").first.click()
        await page.get_by_role("button", name="Next").click()
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
