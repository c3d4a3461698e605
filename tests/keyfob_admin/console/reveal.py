"""The reveal of a secret in a real browser: the way there, the way off, and what is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Page

LEAVING = "beforeunload"


async def create(page: Page, name: str) -> str:
    """Walk from the list to the reveal, and give the secret."""
    await page.goto("/keys")
    await page.get_by_role("link", name="Create Key").first.click()
    await page.get_by_label("Public API key").check()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("items:read").check()
    await page.get_by_role("button", name="Generate Key").click()
    await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()
    return await page.locator("#secret").inner_text()


async def left_behind(page: Page) -> str:
    """All that a page and its browser hold: the document, its storages and its address."""
    held: str = await page.evaluate(
        "() => document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage, location.href,"
        " history.state, document.cookie, window.name])"
    )
    return held


def accept_leaving(page: Page, asked: list[str]) -> None:
    """Answer the browser's own question about leaving, and note that it was asked."""

    async def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", answer)
