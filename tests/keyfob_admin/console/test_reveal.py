"""The secret in a real browser: gone after back, reload and a second tab, copied, hidden and shown."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import LiveConsole, opened
from tests.keyfob_admin.console.reveal import LEAVING, accept_leaving, create, left_behind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Browser, Page

    Show = Callable[[Page], Awaitable[str]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_co_07_back_reload_and_a_second_tab_show_no_secret(browser: Browser, shared: LiveConsole) -> None:
    """After the reveal the secret is in no page, storage, cookie or history, however one comes back."""
    async with opened(browser, shared) as page:
        secret = await create(page, "seen once")
        accept_leaving(page, [])
        second = await page.context.new_page()
        await second.goto(page.url)
        assert secret not in await left_behind(second)
        assert secret not in page.url

        await page.reload()  # sends the form again
        await expect(
            page.get_by_text("This key was already generated. Its secret can't be shown again.")
        ).to_be_visible()
        assert secret not in await left_behind(page)
        assert f"/keys/{secret.split('_')[2]}" in page.url

        await page.goto("/permissions")
        for _ in range(3):
            await page.go_back()
            assert secret not in await left_behind(page)
        for _ in range(3):
            await page.go_forward()
            assert secret not in await left_behind(page)


@pytest.mark.cases("FF-39")
@pytest.mark.parametrize(
    ("role", "away", "where"), [("button", "Done", "**/keys*"), ("link", "Permissions", "**/permissions")]
)
async def test_co_07_leaving_by_link_and_coming_back_shows_no_secret(
    browser: Browser, shared: LiveConsole, role: Literal["button", "link"], away: str, where: str
) -> None:
    """Away by Done or by a link, then Back: the key's page stands where the reveal was, and no form is sent again."""
    async with opened(browser, shared) as page:
        secret = await create(page, f"and back from {away}")
        await page.get_by_label("I have stored").check()
        await page.get_by_role(role, name=away).click()
        await page.wait_for_url(where)
        await page.go_back()
        await expect(page.get_by_role("heading", name=f"and back from {away}")).to_be_visible()
        assert f"/keys/{secret.split('_')[2]}" in page.url
        assert secret not in await page.content()


async def test_leaving_before_the_secret_is_safe_is_asked_about(browser: Browser, shared: LiveConsole) -> None:
    """Before copying or ticking the browser asks; afterwards it does not."""
    async with opened(browser, shared) as page:
        asked: list[str] = []
        accept_leaving(page, asked)
        await create(page, "unsafe")
        await page.get_by_role("link", name="Settings").click()
        await page.wait_for_url("**/settings")
        assert [LEAVING] == asked
        await create(page, "ticked")
        await page.get_by_label("I have stored").check()
        await page.get_by_role("link", name="Settings").click()
        await page.wait_for_url("**/settings")
        assert [LEAVING] == asked


async def test_the_secret_is_copied_hidden_and_shown(browser: Browser, shared: LiveConsole) -> None:
    """Copy puts the secret on the clipboard, Hide covers it everywhere; both are announced, and the secret never is."""
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        secret = await create(page, "clipboard")
        status = page.locator("p[role=status]")
        await page.get_by_role("button", name="Hide").click()
        await expect(status).to_have_text("Secret hidden")
        await page.get_by_text("Try it").click()
        assert secret not in await page.locator("main").inner_text()
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(status).to_have_text("Secret copied to clipboard")
        assert secret == await page.evaluate("navigator.clipboard.readText()")
        await page.get_by_role("button", name="Copy as curl").click()
        command = await page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch(r'curl -H "Authorization: Bearer \$KEYFOB_KEY" \S+', command)
        await expect(status).to_have_text("Command copied, with $KEYFOB_KEY in place of the secret")
        await page.get_by_role("button", name="Show").click()
        await expect(status).to_have_text("Secret shown")
        assert secret == await page.locator("#secret").inner_text()
        live = await page.locator("[role=status], [role=alert], [aria-live]").all_inner_texts()
        assert secret not in "".join(live)
        asked: list[str] = []
        accept_leaving(page, asked)
        await page.goto("/keys")
        assert [] == asked


async def test_without_a_clipboard_the_secret_is_selected(browser: Browser, shared: LiveConsole) -> None:
    """Where the browser gives no clipboard, Copy selects the text and says which keys copy it."""
    async with opened(browser, shared) as page:
        await page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        secret = await create(page, "no clipboard")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(page.locator("p[role=status]")).to_have_text("Press Ctrl+C to copy")
        assert secret == await page.evaluate("getSelection().toString()")


async def show_link_to_person(page: Page) -> str:
    """Invite somebody, and give the link as the page has it."""
    await page.goto("/people/invite")
    await page.get_by_label("E-mail address").fill(f"{secrets.token_hex(4)}@example.com")
    await page.get_by_role("main").get_by_role("button", name="Invite").click()
    return await page.get_by_label("One-time link").input_value()


async def show_link_to_key(page: Page) -> str:
    """Make a key that is handed over, and give its link as the page has it."""
    await page.goto("/keys/new?type=api")
    await page.get_by_label("Name").fill("handed over")
    await page.get_by_label("items:read").check()
    await page.get_by_text("More options").click()
    await page.get_by_label("Hand over by a link.").check()
    await page.get_by_role("button", name="Generate Key").click()
    return await page.get_by_role("textbox", name="Link").inner_text()


async def show_found(page: Page) -> str:
    """Look for what is no key of this installation."""
    await page.get_by_label("Search, or paste").fill("kf_api_0000000000000000")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/find")
    return ""


async def show_many(page: Page) -> str:
    """Come to the question about the keys that were ticked, as without scripts."""
    await page.locator(".keys tbody [name=key]").first.check()
    await page.evaluate("document.querySelector('#bulk').submit()")
    await page.wait_for_url("**/keys/disable")
    return ""


@pytest.mark.parametrize("show", [show_link_to_person, show_link_to_key])
async def test_a_link_shown_once_is_copied(browser: Browser, shared: LiveConsole, show: Show) -> None:
    """Copy puts the link on the clipboard and says so; without a clipboard it selects the link."""
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        link, status = await show(page), page.get_by_role("status")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(status).to_have_text("Link copied to clipboard")
        assert link == await page.evaluate("navigator.clipboard.readText()")
        await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(status).to_have_text("Press Ctrl+C to copy")
        assert link == await page.evaluate("getSelection().toString()")


@pytest.mark.parametrize("show", [show_link_to_person, show_link_to_key, show_found, show_many])
async def test_back_never_asks_to_send_a_form_again(browser: Browser, shared: LiveConsole, show: Show) -> None:
    """Whoever comes back to what a form answered comes to its page, without what was shown once."""
    await shared.installation.make("to be ticked")
    async with opened(browser, shared) as page:
        link = await show(page)
        await page.get_by_role("link", name="Settings").click()
        await page.wait_for_url("**/settings")
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert link == "" or link not in await page.content()
