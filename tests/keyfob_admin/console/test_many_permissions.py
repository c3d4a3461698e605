"""Two hundred permissions in a real browser: the table of the form, its summary, and the lists elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from keyfob.management.key_listing import KeySearch
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, installed, opened, picture, running
from tests.keyfob_admin.console.key_forms import NEW
from tests.keyfob_admin.console.test_matrix import MANY
from tests.keyfob_admin.console.test_rendering import bring_axe, complaints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser, Page

    from tests.keyfob_admin.console.conftest import Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_LINE = (
    "[...document.querySelectorAll('.matrix tbody tr')].every(row => {"
    " const middle = one => { const at = one.getBoundingClientRect();"
    "   return [at.left + at.width / 2, at.top + at.height / 2]; };"
    " const cells = [...row.querySelectorAll('.box')].map(middle), name = middle(row.querySelector('th'));"
    " const heads = [...document.querySelectorAll('.matrix thead .box')].map(middle);"
    " return cells.every(([x, y], at) => Math.abs(y - name[1]) < 1 && Math.abs(x - heads[at][0]) < 1); })"
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """A console with two hundred permissions, and a key that holds some."""
    installation = asyncio.run(_made(tmp_path_factory))
    with running(installation) as url:
        yield LiveConsole(url, installation)


async def _made(folders: pytest.TempPathFactory) -> Installation:
    installation = await installed(folders.mktemp("many"), permissions=dict(MANY))
    await installation.make("warm", permissions=("aas:read", "abs:delete"))
    return installation


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, many: LiveConsole) -> AsyncIterator[Page]:
    """A page of a browser of its own, signed in there."""
    async with opened(browser, many, reduced_motion="reduce") as page:
        yield page


async def test_the_summary_names_each_resource(page: Page) -> None:
    """With scripts it follows the ticks: how many, of how many resources, and each by name, as without scripts."""
    await page.goto(NEW)
    summary = page.get_by_role("region", name="Summary")
    await page.get_by_label("aas:read").check()
    await page.get_by_label("abs:update").check()
    await page.get_by_label("abs:delete").check()
    await expect(summary.get_by_role("listitem")).to_have_text(["Aasread", "Absupdate, delete"])
    await expect(summary.locator(".danger")).to_have_text(["delete"])
    await expect(summary).to_contain_text("3 of 200 · 2 resources · 1 can delete")
    await page.get_by_role("button", name="None", exact=True).click()
    await expect(summary.get_by_role("listitem")).to_have_count(0)
    await expect(summary).to_contain_text("nothing yet")


async def test_the_summary_stays_in_view(page: Page) -> None:
    """At the last of forty resources the summary can still be seen."""
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.goto(NEW)
    await page.locator(".matrix tbody tr").last.scroll_into_view_if_needed()
    await expect(page.get_by_role("heading", name="This key will be able to:")).to_be_in_viewport()


@pytest.mark.parametrize("width", [1440, 768, 390, 320])
async def test_a_column_is_a_column_at_every_width(page: Page, width: int) -> None:
    """Each box stands under the head of its action and beside its resource, on a telephone too."""
    await page.set_viewport_size({"width": width, "height": 900})
    for path in (NEW, "/permissions"):
        await page.goto(path)
        assert await page.evaluate(IN_LINE), path


async def test_many_permissions_can_be_used_by_everybody(page: Page, many: LiveConsole) -> None:
    """In both themes, wide and narrow: axe finds nothing on pages that list permissions, and none is too wide."""
    found: dict[str, object] = {}
    key = await _key(many)
    for path in (NEW, "/permissions", f"/keys/{key}/permissions", f"/keys/{key}/edit"):
        await page.goto(path)
        await bring_axe(page)
        for width in (1280, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                if wrong := await complaints(page):
                    found[f"{path}-{scheme}-{width}"] = wrong
                name = path.replace(key, "key").strip("/").replace("/", "-").partition("?")[0]
                await page.screenshot(path=picture(f"many-{name}-{scheme}-{width}"), full_page=True)
    assert {} == found


async def _key(many: LiveConsole) -> str:
    async with many.installation.opened() as runtime:
        page = await runtime.lifecycle.list_keys(KeySearch(TEAM, q="warm"), actor=ANA)
    return page.items[0].record.id


async def test_the_permissions_page_leads_to_the_keys(page: Page) -> None:
    """The number in a cell is how many keys hold it, and leads to them."""
    await page.goto("/permissions")
    await page.get_by_role("link", name="1 key with abs:delete").click()
    await expect(page.get_by_role("link", name="warm", exact=True)).to_be_visible()
