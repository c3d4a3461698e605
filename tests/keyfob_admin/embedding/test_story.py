"""The example's users in a real browser, with scripts and without."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import PATIENCE, SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def signed_in(browser: Browser, url: str, name: str, *, scripts: bool) -> AsyncIterator[Page]:
    """A browser of its own in which *name* has signed in to the application, and been led to the page."""
    context = await browser.new_context(base_url=url, java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE)
    try:
        page = await context.new_page()
        await page.goto("/settings/api-keys/")
        await page.wait_for_url("**/login")
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/settings/api-keys/keys")
        yield page
    finally:
        await context.close()


async def make(page: Page, name: str) -> str:
    """Make a key as people do, and give its secret."""
    await page.get_by_role("link", name="Create Key").first.click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("items:read").check()
    await page.get_by_role("button", name="Generate Key").click()
    return await page.locator("#secret").inner_text()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_users_of_an_application_make_keys(browser: Browser, example: str, scripts: bool) -> None:  # noqa: FBT001 - the parameter
    """Somebody signs in to the application, makes a key that works, ends it; a colleague and a stranger look on."""
    async with signed_in(browser, example, "bob", scripts=scripts) as page:
        await expect(page).to_have_title("Keys · Acme API keys")
        await expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(
            ["Acme API keys", "Keys"]
        )
        colour = await page.get_by_role("link", name="Create Key").first.evaluate(
            "e => getComputedStyle(e).backgroundColor"
        )
        assert "rgb(10, 125, 85)" == colour
        secret = await make(page, "Bob's script")
        assert SECRET.fullmatch(secret)
        async with httpx.AsyncClient(base_url=example) as client:
            answer = await client.get("/items", headers={"Authorization": f"Bearer {secret}"})
        assert {"items": ["kettle", "lamp"], "team": "acme"} == answer.json()
    async with signed_in(browser, example, "eve", scripts=scripts) as page:
        await expect(page.get_by_role("heading", name="Keys")).to_have_text("Keys 0")
    async with signed_in(browser, example, "ann", scripts=scripts) as page:
        await page.get_by_role("link", name="Bob's script", exact=True).click()
        if scripts:
            await page.get_by_role("button", name="Disable Key").first.click()
            await page.get_by_role("dialog").get_by_role("button", name="Disable Key").click()
        else:
            await page.get_by_role("link", name="Disable on a page of its own").click()
            await page.get_by_role("button", name="Disable Key").click()
        await expect(page.get_by_text("'Bob's script' is disabled.")).to_be_visible()
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="History").click()
        await expect(page.get_by_role("row").filter(has_text="Disabled").first).to_contain_text("Ann Smith")
        await page.goto("/logout")
        await page.goto("/settings/api-keys/keys")
        await page.wait_for_url("**/login")
