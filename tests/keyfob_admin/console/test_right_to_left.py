"""Names that run from right to left, in sentences that run from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob_admin.console import humanize
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, opened

if TYPE_CHECKING:
    from playwright.async_api import Browser

NAME = "مفتاح الفواتير"
LEFT = (
    "text => { const range = document.createRange(); const walker = document.createTreeWalker("
    "document.querySelector('.found p'), NodeFilter.SHOW_TEXT);"
    " while (walker.nextNode()) { const at = walker.currentNode.data.indexOf(text);"
    " if (at >= 0) { range.setStart(walker.currentNode, at); range.setEnd(walker.currentNode, at + text.length);"
    " return range.getBoundingClientRect().left; } } }"
)


def test_only_names_that_run_to_the_left_are_kept_apart() -> None:
    """A sentence about any other name is plain text; what stands in a name is escaped either way."""
    assert "billing-worker" == humanize.isolated("billing-worker")
    assert f"<bdi>{NAME} &lt;3</bdi>" == humanize.isolated(f"{NAME} <3")


@pytest.mark.asyncio(loop_scope="session")
async def test_what_stands_beside_a_name_stays_in_its_place(browser: Browser, shared: LiveConsole) -> None:
    """Where two such names follow each other, or a number follows one, each is where a reader looks for it."""
    key, _ = await shared.installation.make(NAME)
    async with shared.installation.opened() as runtime:
        await runtime.teams.update(TEAM, {"name": NAME[::2]}, actor=ANA)
    try:
        async with opened(browser, shared) as page:
            await page.get_by_label("Search, or paste").fill(f"kf_api_{key.id}")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/find")
            places = [await page.evaluate(LEFT, text) for text in (NAME, NAME[::2], "Active", "never used")]
            assert sorted(places) == places
            await page.goto(f"/keys/{key.id}/edit")
            await expect(page).to_have_title(f"Edit '{NAME}' · keyfob")
            for tail in ("/disable", "/replace", "/edit", "/duplicate"):
                await page.goto(f"/keys/{key.id}{tail}")
                await expect(page.locator("h1 bdi")).to_have_text(NAME)
            await page.goto(f"/keys/{key.id}/disable")
            await page.get_by_role("button", name="Disable Key").click()
            await expect(page.get_by_role("status")).to_contain_text(f"'{NAME}' is disabled.")
            await expect(page.get_by_role("status").locator("bdi")).to_have_text(NAME)
    finally:
        async with shared.installation.opened() as runtime:
            await runtime.teams.update(TEAM, {"name": TEAM}, actor=ANA)
