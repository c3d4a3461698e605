"""Moving over a page with the Tab key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
MOST_TABS = 120


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until something named *name* has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if name == await page.evaluate(FOCUSED):
            return
    pytest.fail(f"Tab never came to {name}")


async def enter(page: Page, name: str) -> None:
    """Tab to what is named *name*, and press Enter."""
    await tab_to(page, name)
    await page.keyboard.press("Enter")
