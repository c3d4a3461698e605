"""Conveniences in a real browser: what scripts change in place, and where the focus goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import LiveConsole, opened

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_form_counts_along(browser: Browser, shared: LiveConsole) -> None:
    """With scripts the summary, the counts, the presets, the filter and the date follow what is chosen."""
    async with opened(browser, shared) as page:
        await page.goto("/keys/new?type=api")
        summary, count = page.locator("[data-names]"), page.locator("[data-count]")
        await expect(summary).to_have_text("nothing yet")
        await page.get_by_label("users:write").check()
        await page.get_by_label("users:read").check()
        await expect(summary).to_have_text("read users, invite and change users")
        await expect(count).to_have_text("2 of 5 · 1 resource")
        await expect(page.get_by_role("group", name="Users")).to_contain_text("2 of 2 granted")
        await page.get_by_role("button", name="Read only").click()
        await expect(summary).to_have_text("read items, read reports, read users")
        await page.get_by_role("button", name="None", exact=True).click()
        await expect(summary).to_have_text("nothing yet")
        await page.get_by_label("Filter permissions").fill("invite")
        await expect(page.get_by_label("users:write")).to_be_visible()
        await expect(page.get_by_label("items:read")).to_be_hidden()
        await expect(page.get_by_label("Last day, in UTC")).to_be_hidden()
        await page.get_by_label("Expires", exact=True).select_option("After a date")
        await expect(page.get_by_label("Last day, in UTC")).to_be_visible()


async def test_mistakes_take_the_focus_and_lead_to_their_fields(browser: Browser, shared: LiveConsole) -> None:
    """After a refusal the summary is announced, and its links move to the fields, where entries are kept."""
    async with opened(browser, shared) as page:
        await page.goto("/keys/new?type=api")
        await page.get_by_text("More options").click()
        await page.get_by_label("Limit to IP addresses (optional)").fill("10.0.0.0/33")
        await page.get_by_role("button", name="Generate Key").click()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("There is a problem")
        await alert.get_by_role("link", name="10.0.0.0/33 isn't an IP address or range").click()
        field = page.get_by_label("Limit to IP addresses (optional)")
        await expect(field).to_be_focused()
        await expect(field).to_have_value("10.0.0.0/33")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_accessible_description(re.compile("10.0.0.0/33 isn't an IP address or range"))


async def test_the_theme_changes_in_place(browser: Browser, shared: LiveConsole) -> None:
    """With scripts the theme changes without leaving the page, and is still there on the next one."""
    async with opened(browser, shared) as page:
        background = "getComputedStyle(document.body).color"
        light = await page.evaluate(background)
        await page.get_by_text("Signed in as").locator("..").click()
        async with page.expect_response("**/theme"):
            await page.get_by_role("button", name="Dark").click()
        dark = await page.evaluate(background)
        assert light != dark
        await expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        await page.goto("/settings")
        assert dark == await page.evaluate(background)


async def test_a_message_is_said_once(browser: Browser, shared: LiveConsole) -> None:
    """Reloading a page that told what was done does not tell it again."""
    async with opened(browser, shared) as page:
        await page.goto("/settings")
        await page.get_by_role("button", name="Save changes").click()
        await expect(page.get_by_text("The team was changed.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("The team was changed.")).to_be_hidden()


async def test_no_page_makes_the_browser_complain(browser: Browser, shared: LiveConsole) -> None:
    """Neither the policy nor a script of ours reports anything on any page."""
    async with opened(browser, shared) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        key = f"/keys/{shared.installation.admin.id}"
        for path in (
            "/keys",
            "/keys/new",
            "/keys/new?type=api",
            key,
            f"{key}/edit",
            "/permissions",
            "/activity",
            "/settings",
        ):
            await page.goto(path)
        assert [] == complaints


async def test_a_pasted_admin_key_and_a_link_sign_in(browser: Browser, shared: LiveConsole) -> None:
    """The field takes pastes and password managers: it is a password field, and nothing stands in the way."""
    context = await browser.new_context(base_url=shared.url)
    page = await context.new_page()
    await page.goto("/login")
    field = page.get_by_label("Admin key")
    await expect(field).to_be_focused()
    assert "password" == await field.get_attribute("type")
    assert "current-password" == await field.get_attribute("autocomplete")
    await page.keyboard.insert_text(shared.installation.admin_key)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/keys")
    await context.close()
