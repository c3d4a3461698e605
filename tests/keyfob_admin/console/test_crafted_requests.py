"""The keyboard alone, a small window, Back after signing out, and a secret pasted in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import LiveConsole, opened
from tests.keyfob_admin.console.every_page import walk
from tests.keyfob_admin.console.reveal import LEAVING, accept_leaving, create

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(200)]

MOST_TABS = 80
FOCUSED = "(document.activeElement.innerText || document.activeElement.ariaLabel || document.activeElement.id).trim()"


async def tab_to(page: Page, name: str, *, press: str = "Enter") -> None:
    """Press Tab until *name* has the focus, in sight and with a keyring around it, and then *press*."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if name == await page.evaluate(FOCUSED):
            break
    assert name == await page.evaluate(FOCUSED), f"Tab never came to {name}"
    box = "document.activeElement.getBoundingClientRect()"
    assert await page.evaluate(f"{box}.bottom > 0 && {box}.top < innerHeight"), f"{name} is out of sight"
    outlined = (
        "[document.activeElement, document.activeElement.closest('tr')].map(e => e && getComputedStyle(e).outlineStyle)"
    )
    assert "solid" in await page.evaluate(outlined)
    await page.keyboard.press(press)


async def test_from_sign_in_to_delete_by_keyboard_alone(browser: Browser, shared: LiveConsole) -> None:
    """Sign in, create, find, disable and delete with Tab, Enter, Space and arrows, and nothing else."""
    context = await browser.new_context(base_url=shared.url, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto("/login")
    await expect(page.get_by_label("Admin key")).to_be_focused()
    await page.keyboard.type(shared.installation.admin_key)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/keys")
    await tab_to(page, "Create Key")
    await page.wait_for_url("**/keys/new*")
    await tab_to(page, "Next")
    await page.wait_for_url("**type=api*")
    await tab_to(page, "name", press="a")
    await page.keyboard.type(" hands off")
    await tab_to(page, "Read only")
    await tab_to(page, "Generate Key")
    await expect(page.get_by_role("heading", name="Save your key secret")).to_be_focused()
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.matches('[data-stored]')"):
            break
    await page.keyboard.press("Space")
    await tab_to(page, "Done")
    await page.wait_for_url("**/keys*")
    await tab_to(page, "a hands off")
    await page.wait_for_url("**/keys/*")
    await tab_to(page, "Disable Key")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    await tab_to(page, "Disable Key")
    await expect(page.get_by_text("'a hands off' is disabled.")).to_be_visible()
    await tab_to(page, "Delete Key")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    await tab_to(page, "Delete Key")
    await expect(page.get_by_text("'a hands off' was deleted.")).to_be_visible()
    await context.close()


async def test_back_after_signing_out_shows_nothing(browser: Browser, shared: LiveConsole) -> None:
    """Neither the browser's cache nor a page kept alive for Back shows what was there before the sign-out."""
    async with opened(browser, shared) as page:
        await page.goto(f"/keys/{shared.installation.admin.id}")
        await page.get_by_text("Signed in as").locator("..").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/login")
        for _ in range(2):
            await page.go_back()
            await expect(page.get_by_role("heading", name="Sign in to keyfob")).to_be_visible()
            assert shared.installation.admin.id not in await page.locator("main").inner_text()


async def test_se_11_a_pasted_key_never_gets_into_an_address(browser: Browser, shared: LiveConsole) -> None:
    """A whole key in the search box or in a filter gets into no address of a request."""
    async with opened(browser, shared) as page:
        secret = await create(page, "pasted")
        await page.get_by_label("I have stored").check()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.get_by_label("Search, or paste").fill(f"curl -H 'Authorization: Bearer {secret}'")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/find")
        found = page.get_by_role("region", name="Search result")
        await expect(found.get_by_role("link", name="pasted", exact=True)).to_be_visible()
        await page.goto("/activity")
        await page.get_by_label("Key ID").fill(f" {secret}")
        await page.get_by_role("button", name="Filter").click()
        await page.wait_for_url(f"**/activity?*{secret.split('_')[2]}*")
        await expect(page.get_by_role("row").filter(has_text="pasted").first).to_be_visible()
        assert secret.split("_")[3] not in "".join(asked)


async def test_copying_something_else_does_not_make_the_secret_safe(browser: Browser, shared: LiveConsole) -> None:
    """Who copies the key's id is still asked before leaving; who selects and copies the secret is not."""
    async with opened(browser, shared) as page:
        asked: list[str] = []
        accept_leaving(page, asked)
        for selector, answers in (("dd.mono", [LEAVING]), ("#secret", [LEAVING])):
            await create(page, "half copied")
            await page.evaluate(f"getSelection().selectAllChildren(document.querySelector('{selector}'))")
            await page.keyboard.press("Control+c")
            await page.get_by_role("link", name="Settings").click()
            await page.wait_for_url("**/settings")
            assert answers == asked


async def test_nothing_that_sticks_covers_a_small_window(browser: Browser, shared: LiveConsole) -> None:
    """Enlarged four times, a window has 320 by 256 pixels; then no bar stays in view over what is read."""
    stuck: list[str] = []
    async with opened(browser, shared) as page:

        async def look(name: str) -> None:
            await page.set_viewport_size({"width": 320, "height": 256})
            sticking = "[...document.querySelectorAll('body *')].some(e => getComputedStyle(e).position === 'sticky')"
            if await page.evaluate(sticking):
                stuck.append(name)
            await page.set_viewport_size({"width": 1280, "height": 800})

        await walk(page, shared, look)
    assert [] == stuck
