"""The tasks of test_tasks.py in browsers that run no scripts, in as many clicks; and others of them without a mouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob_admin.console.conftest import LiveConsole, opened
from tests.keyfob_admin.console.keyboard import enter

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refused(live: LiveConsole, name: str) -> None:
    """Make a key that was used and refused in the last minutes."""
    key, _ = await live.installation.make(name)
    async with live.installation.opened() as runtime:
        now = runtime.now()
        moment = int(now.timestamp() * 1_000_000)
        details = {
            Source(now.toordinal(), "203.0.113.24", "GET /items", ""): Tally(moment, moment, 40),
            Source(now.toordinal(), "198.51.100.7", "GET /items", "permission"): Tally(moment, moment, denied=6),
        }
        await runtime.store.add_usage({key.id: Use(now, "198.51.100.7", {now.date(): 40}, {now.date(): 6}, details)})


async def expect_its_use(page: Page) -> None:
    """What the key did, from where and why it was refused stand on its page, without another click."""
    await expect(page.get_by_role("img", name="40 admitted and 6 denied")).to_be_visible()
    await expect(page.get_by_role("table", name="Requests by address")).to_contain_text("203.0.113.24")
    await expect(page.get_by_role("table", name="Refused requests by reason")).to_contain_text("Permission missing")


async def test_a_key_is_made_without_scripts(browser: Browser, shared: LiveConsole) -> None:
    """Create Key, Next, one permission, Generate Key; the name is typed where the focus is."""
    async with opened(browser, shared, java_script_enabled=False) as page:
        await page.get_by_role("link", name="Create Key").first.click()
        await page.get_by_role("button", name="Next").click()
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()
        await page.keyboard.type("made without scripts")
        await page.get_by_label("items:read").check()
        await page.get_by_role("button", name="Generate Key").click()
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()


async def test_a_leaked_key_is_disabled_without_scripts(browser: Browser, shared: LiveConsole) -> None:
    """The line goes into the box on top of the page; Disable Key, and Disable Key again."""
    key, _ = await shared.installation.make("leaked, no scripts")
    async with opened(browser, shared, java_script_enabled=False) as page:
        box = page.get_by_label("Search, or paste")
        await box.fill(f"12:00 GET /items 200 kf_api_{key.id} 203.0.113.24")
        await box.press("Enter")
        await page.get_by_role("link", name="Disable Key leaked, no scripts").click()
        await page.get_by_role("button", name="Disable Key").click()
        await expect(page.get_by_text("'leaked, no scripts' is disabled.")).to_be_visible()


async def test_a_colleague_is_invited_without_scripts(browser: Browser, shared: LiveConsole) -> None:
    """People, Invite, the address where the focus is, Invite: a page of its own asks instead of the dialog."""
    async with opened(browser, shared, java_script_enabled=False) as page:
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="People").click()
        await page.get_by_role("link", name="Invite").click()
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await page.keyboard.type("finn@example.com")
        await page.get_by_role("button", name="Invite").click()
        await expect(page.get_by_label("One-time link")).to_be_visible()


async def test_what_a_key_did_is_on_its_page_without_scripts(browser: Browser, shared: LiveConsole) -> None:
    """Its row leads there; its requests, addresses and refusals are shown at once."""
    await refused(shared, "refused, no scripts")
    async with opened(browser, shared, java_script_enabled=False) as page:
        await page.get_by_role("link", name="refused, no scripts").first.click()
        await expect_its_use(page)


async def test_what_a_key_did_is_found_without_a_mouse(browser: Browser, shared: LiveConsole) -> None:
    """Its link, and Enter."""
    await refused(shared, "refused, no mouse")
    async with opened(browser, shared) as page:
        await enter(page, "refused, no mouse")
        await page.wait_for_url("**/keys/*")
        await expect_its_use(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["by keyboard", "scripts off"])
async def test_keys_that_run_out_are_one_link_away(browser: Browser, shared: LiveConsole, scripts: bool) -> None:  # noqa: FBT001 - the parameter
    """The link above the list counts them and leads to them: by a click without scripts, and by Enter."""
    name = f"runs out {scripts}"
    await shared.installation.make(name, expires_at=datetime.now(UTC) + timedelta(days=20, hours=1))
    async with opened(browser, shared, java_script_enabled=scripts) as page:
        link = page.get_by_role("navigation", name="Keys to review").get_by_role("link", name="30 days")
        if scripts:
            await enter(page, (await link.text_content() or "").strip())
        else:
            await link.click()
        await page.wait_for_url("**review=expiring")
        await expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("in 20 days")
