"""The whole story in a real browser: with scripts and without, and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import SECRET, LiveConsole, opened
from tests.keyfob_admin.console.reveal import create

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_the_story(browser: Browser, shared: LiveConsole, scripts: bool) -> None:  # noqa: FBT001 - the parameter
    """Create, see once, find, look at, duplicate, disable, enable and delete, whether scripts run or not."""
    name = f"story {scripts}"
    async with opened(browser, shared, java_script_enabled=scripts) as page:
        secret = await create(page, name)
        assert SECRET.fullmatch(secret)
        await page.get_by_label("I have stored the secret somewhere safe").check()
        await page.get_by_role("button", name="Done").click()
        await page.wait_for_url("**/keys?*" if not scripts else "**/keys*")
        await find(page, name)
        await look_at_its_permissions(page)
        copy = await duplicate(page, name)
        assert copy != secret
        await page.get_by_label("I have stored").check()

        await page.goto(f"/keys/{copy.split('_')[2]}")
        await disable_and_enable(page, f"Copy of {name}")
        await disable_and_delete(page, f"Copy of {name}")
        await page.get_by_text("Signed in as").locator("..").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in to keyfob")).to_be_visible()


async def find(page: Page, name: str) -> None:
    """See in the list what a new key is, and follow it to its page."""
    row = page.get_by_role("row").filter(has_text=name)
    await expect(row).to_contain_text("Public API")
    await expect(row).to_contain_text("Active")
    await expect(row).to_contain_text("acme team")
    await expect(row).to_contain_text("Never")
    await row.get_by_role("link", name=name, exact=True).click()


async def look_at_its_permissions(page: Page) -> None:
    """See what the key may, and since when."""
    await page.get_by_role("navigation", name="About this key").get_by_role("link", name="Permissions").click()
    await expect(page.get_by_role("heading", name="Granted (1 of 5)", exact=True)).to_be_visible()
    await expect(page.locator("main")).to_contain_text("Set when the key was generated on")


async def duplicate(page: Page, name: str) -> str:
    """Make a copy with another permission, and give its secret."""
    await page.get_by_role("link", name="Duplicate Key").click()
    await expect(page.get_by_label("Name")).to_have_value(f"Copy of {name}")
    await page.get_by_label("items:write").check()
    await expect(page.locator("label").filter(has_text="items:write").get_by_text("Added")).to_be_visible()
    await page.get_by_label("items:read").uncheck()
    await expect(page.locator("label").filter(has_text="items:read").get_by_text("Removed")).to_be_visible()
    await page.get_by_role("button", name="Generate Key").click()
    return await page.locator("#secret").inner_text()


async def disable_and_enable(page: Page, name: str) -> None:
    """Disable the key through its dialog, which says what that does, and take it back in the message."""
    await page.get_by_role("button", name="Disable Key").first.click()
    dialog = page.get_by_role("dialog", name=f"Disable '{name}'?")
    await expect(dialog).to_contain_text("Requests that present this key get 401 Unauthorized from now on.")
    await expect(dialog).to_contain_text("You can enable it again at any time.")
    await dialog.get_by_role("button", name="Disable Key").click()
    await expect(page.get_by_text(f"'{name}' is disabled.")).to_be_visible()
    await page.get_by_role("status").get_by_role("button", name="Enable Key").click()
    await expect(page.get_by_text(f"'{name}' is active again.")).to_be_visible()


async def disable_and_delete(page: Page, name: str) -> None:
    """Disable the key again, and delete it through its dialog."""
    await page.get_by_role("button", name="Disable Key").first.click()
    await page.get_by_role("dialog").get_by_role("button", name="Disable Key").click()
    await page.get_by_role("button", name="Delete Key").first.click()
    dialog = page.get_by_role("dialog", name=f"Delete '{name}'?")
    await expect(dialog).to_contain_text("This can't be undone. The key can never be used again")
    await dialog.get_by_role("button", name="Delete Key").click()
    await expect(page.get_by_text(f"'{name}' was deleted.")).to_be_visible()


async def test_without_scripts_and_dialogs_there_are_pages(browser: Browser, shared: LiveConsole) -> None:
    """Where neither scripts nor `commandfor` work, a link leads to a page that asks the same."""
    async with opened(browser, shared, java_script_enabled=False) as page:
        secret = await create(page, "old browser")
        await page.goto(f"/keys/{secret.split('_')[2]}")
        await page.get_by_role("link", name="Disable on a page of its own").click()
        await expect(page.get_by_role("heading", name="Disable 'old browser'?")).to_be_visible()
        await page.get_by_role("button", name="Disable Key").click()
        await page.get_by_role("link", name="Delete on a page of its own").click()
        await expect(page.get_by_text("This can't be undone.")).to_be_visible()
        await page.get_by_role("link", name="Cancel").click()
        await expect(page.get_by_role("heading", name="old browser")).to_be_visible()


async def test_by_keyboard_alone(browser: Browser, shared: LiveConsole) -> None:
    """From the list to the reveal and through the dialogs without a mouse; focus goes where it helps and comes back."""
    async with opened(browser, shared) as page:
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.goto("/keys/new")
        await page.get_by_label("Public API key").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_label("Name").focus()
        await page.keyboard.type("keys only")
        await page.get_by_label("reports:read").focus()
        await page.keyboard.press("Space")
        await page.get_by_label("Name").focus()
        await page.keyboard.press("Enter")  # the form's own button answers, not a preset
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_focused()
        secret = await page.locator("#secret").inner_text()
        await page.get_by_label("I have stored").focus()
        await page.keyboard.press("Space")

        await page.goto(f"/keys/{secret.split('_')[2]}")
        opener = page.get_by_role("button", name="Disable Key").first
        await opener.focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        for _ in range(6):
            await page.keyboard.press("Tab")
            inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            assert await page.evaluate(inside), "focus left the dialog"
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")  # Cancel has the focus
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()
        assert "Active" in await page.locator("h1").inner_text()


async def test_an_unavailable_button_says_why(browser: Browser, shared: LiveConsole) -> None:
    """Delete of an active key can be focused, is announced as off, with the reason, and does nothing."""
    async with opened(browser, shared) as page:
        secret = await create(page, "keep me")
        await page.get_by_label("I have stored").check()
        await page.goto(f"/keys/{secret.split('_')[2]}")
        button = page.get_by_role("button", name="Delete Key")
        await expect(button).to_be_disabled()
        await expect(button).to_have_accessible_description("Disable this key before you can delete it.")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
