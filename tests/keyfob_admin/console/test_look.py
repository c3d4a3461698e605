"""The look of the console as numbers: rows on a screen, what a page loads, what moves, and what a row is."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, LiveConsole, installed, opened, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page, Route

    from tests.keyfob_admin.console.conftest import Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "customer-portal, single sign-on bridge for the northern region and everybody else who is there"
NAMES = (LONG, "łódź-sync 🔑", "مفتاح الفواتير", *(f"worker {number:02}" for number in range(57)))
WHOLE_ROWS = (
    "[...document.querySelectorAll('.keys tbody tr')]"
    ".filter(row => row.getBoundingClientRect().bottom <= innerHeight).length"
)
HEIGHTS = "[...new Set([...document.querySelectorAll('.keys tbody tr')].map(e => e.getBoundingClientRect().height))]"
# What moves once the page is read: before, a busy machine may paint a table of which only half has come.
SHIFT = (
    "() => new Promise(done => { let sum = 0;"
    " const [{domInteractive: read}] = performance.getEntriesByType('navigation');"
    " const add = seen => { for (const one of seen.getEntries()) sum += one.startTime > read && one.value; };"
    " new PerformanceObserver(add).observe({type: 'layout-shift', buffered: true});"
    " requestAnimationFrame(() => requestAnimationFrame(() => done(sum))); })"
)

PAINTED = "new Promise(done => new PerformanceObserver(done).observe({type: 'paint', buffered: true})).then(() => true)"

COVERED = (
    "[...document.querySelectorAll('.menu[open] > div :is(a, button)')].filter(one => {"
    " const at = one.getBoundingClientRect();"
    " return at.width && !one.contains(document.elementFromPoint(at.left + 9, at.top + at.height / 2)); })"
    ".map(one => one.textContent)"
)

TO_THE_LOWER_EDGE = "menu => scrollTo(0, menu.getBoundingClientRect().bottom + scrollY - innerHeight)"


MIDDLE = "e => { const at = e.getBoundingClientRect(); return Math.round(at.top + at.height / 2); }"
LONG_ADDRESS = "2001:db8:85a3:8d3:1319:8a2e:370:7348"
CUT_WORDS = (
    "[...document.querySelectorAll('.days a')].filter(a => a.getClientRects().length > 1).map(a => a.textContent)"
)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """A console of a team with sixty keys beside the first."""
    installation = asyncio.run(_filled(tmp_path_factory))
    with running(installation) as url:
        yield LiveConsole(url, installation)


async def _filled(folders: pytest.TempPathFactory) -> Installation:
    installation = await installed(folders.mktemp("look"))
    for name in NAMES:
        await installation.make(name)
    return installation


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, sixty: LiveConsole) -> AsyncIterator[Page]:
    """The Keys page on a screen of 1440 by 900."""
    async with opened(browser, sixty) as page:
        await page.set_viewport_size({"width": 1440, "height": 900})
        await page.goto("/keys")
        yield page


async def test_seventeen_rows_are_on_a_screen(page: Page) -> None:
    """On 1440 by 900 at least 17 whole rows are in view, all of one height, however long their names are."""
    await page.evaluate("scrollTo(0, 0)")
    assert await page.evaluate(WHOLE_ROWS) >= 17
    assert [44] == await page.evaluate(HEIGHTS)


@pytest.mark.parametrize(("width", "height"), [(1024, 44), (768, 44), (390, 60), (320, 60)])
async def test_a_table_down_to_a_tablet_and_two_lines_below(page: Page, width: int, height: int) -> None:
    """The list is a table of single lines from 768 pixels on, and rows of two lines below; never a card."""
    await page.set_viewport_size({"width": width, "height": 800})
    assert [height] == [round(one) for one in await page.evaluate(HEIGHTS)]
    assert (width >= 768) is await page.locator("thead").evaluate("e => getComputedStyle(e).position === 'static'")


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (1440, ["Name", "Type", "State", "Owner", "Last used", "Expires", "30 days"]),
        (1024, ["Name", "State", "Last used", "Expires"]),
        (768, ["Name", "State", "Last used"]),
    ],
)
async def test_a_narrower_table_has_fewer_columns(page: Page, width: int, heads: list[str]) -> None:
    """What is looked at first stays longest: when a key ends is there on a tablet that lies on its side."""
    await page.set_viewport_size({"width": width, "height": 800})
    shown = await page.get_by_role("columnheader").evaluate_all(
        "all => all.map(one => one.innerText.split('\\n').pop())"
    )
    assert heads == [one for one in shown if one not in {"Select", "Actions", ""}]


async def test_what_ends_soon_takes_no_room_from_a_name(page: Page, sixty: LiveConsole) -> None:
    """On a telephone the name of a key that runs out has the width that other names have."""
    await sixty.installation.make("runs out", expires_at=datetime.now(UTC) + timedelta(days=3))
    await page.set_viewport_size({"width": 320, "height": 800})
    await page.goto("/keys")
    widths = await page.locator(".keys tbody th").evaluate_all("all => all.map(one => one.clientWidth)")
    assert 1 == len(set(widths))


@pytest.mark.parametrize("width", [1440, 1280, 1024, 800])
async def test_the_longest_state_touches_nothing(page: Page, sixty: LiveConsole, width: int) -> None:
    """A key that is being replaced leaves a gap between its state and what stands beside it."""
    key, _ = await sixty.installation.make(f"old {width}")
    async with sixty.installation.opened() as runtime:
        await runtime.lifecycle.rotate("acme", key.id, {}, actor=ANA)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto("/keys")
    cell = page.locator("td:has(> .replaced)").first
    assert await cell.evaluate("e => e.getBoundingClientRect().right - e.firstChild.getBoundingClientRect().right") >= 8


async def test_a_page_loads_two_files_and_nothing_moves(page: Page) -> None:
    """Each page asks for one stylesheet, one script and an icon; nothing jumps, even if the script comes last."""
    painted = asyncio.Event()

    async def hold(route: Route) -> None:
        await painted.wait()
        await route.continue_()

    await page.route("**/console*.js*", hold)
    for path in ("/keys", "/keys/new?type=api", "/permissions", "/activity", "/settings"):
        painted.clear()
        await page.goto(path, wait_until="commit")
        await page.evaluate(PAINTED)
        painted.set()
        await page.wait_for_load_state()
        asked = await page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        endings = sorted(url.rpartition(".")[2] for url in set(asked))
        assert ["css", "js", "svg"] == endings, path
        assert await page.evaluate(SHIFT) == 0, path


async def test_the_row_is_the_link(page: Page) -> None:
    """A click anywhere in a row opens the key; its menu and what it leads to are no part of that."""
    row = page.get_by_role("row").filter(has_text="worker 41")
    await row.get_by_label("Actions for worker 41").click()
    await expect(row.get_by_role("link", name="Open")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(row.get_by_role("link", name="Open")).to_be_hidden()
    await expect(row.get_by_label("Actions for worker 41")).to_be_focused()
    await row.locator(".w-used").click(force=True)  # the link lies over the whole row
    await expect(page.get_by_role("heading", name="worker 41")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 320])
async def test_an_open_menu_lies_over_all_else(page: Page, width: int) -> None:
    """Neither other rows, nor the bar of ticked keys, nor the edge of the window covers a menu's entries."""
    await page.set_viewport_size({"width": width, "height": 900})
    await page.get_by_label("Select worker 41").check()
    for menu in (page.get_by_label("Actions for worker 42"), *await page.locator(":is(.teams, .foot) summary").all()):
        await menu.focus()
        await page.keyboard.press("Enter")
        await page.locator(".menu[open] > div").evaluate(TO_THE_LOWER_EDGE)
        assert [] == await page.evaluate(COVERED)
        await page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [390, 320])
async def test_on_a_telephone_the_navigation_is_one_button(page: Page, width: int) -> None:
    """Menu, team and Create Key share one line; the button opens the places to go to, and Escape closes them."""
    await page.set_viewport_size({"width": width, "height": 800})
    menu, people = page.get_by_role("button", name="Menu"), page.get_by_role("link", name="People")
    beside = (menu, page.locator(".teams summary"), page.get_by_role("link", name="Create Key"))
    assert 1 == len({await one.evaluate("e => e.getBoundingClientRect().top") for one in beside})
    await expect(people).to_be_hidden()
    await menu.focus()
    await page.keyboard.press("Enter")
    await expect(people).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(people).to_be_hidden()
    await expect(menu).to_be_focused()
    await menu.click()
    await people.click()
    await expect(page.get_by_role("heading", name="People")).to_be_visible()


async def test_columns_sort_and_say_so(page: Page) -> None:
    """A column's head sorts, then turns the order, then gives it back; a reader is told which."""
    head = page.get_by_role("columnheader", name="Name")
    for order, first in (("ascending", LONG), ("descending", "مفتاح الفواتير")):
        await head.get_by_role("link").click()
        await expect(head).to_have_attribute("aria-sort", order)
        await expect(page.locator(".keys tbody th a").first).to_have_text(first)
    await head.get_by_role("link").click()
    await expect(head).not_to_have_attribute("aria-sort", re.compile("."))


async def test_a_filter_is_a_menu_of_links(page: Page) -> None:
    """State and type are narrowed by two clicks, and the menu then says what is chosen."""
    await page.get_by_text("State", exact=True).first.click()
    await page.get_by_role("link", name="Disabled").click()
    await expect(page.get_by_text("No keys match these filters.")).to_be_visible()
    await expect(page.locator(".filters summary").first).to_have_text("Disabled")


async def test_another_team_shows_the_same_kind_of_page(page: Page) -> None:
    """Who is on a team's settings and switches comes to the other team's settings."""
    await page.goto("/settings")
    await page.locator(".teams summary").click()
    await page.get_by_role("link", name="Globex").click()
    await page.wait_for_url(f"**/settings?team={OTHER_TEAM}")
    await expect(page.get_by_label("Name")).to_have_value("Globex")


async def test_a_slash_leads_to_the_box_and_a_pasted_line_is_looked_up(page: Page, sixty: LiveConsole) -> None:
    """One key and one paste find a key in a line of a log, without another press."""
    key, _ = await sixty.installation.make("leaked")
    await page.keyboard.press("/")
    box = page.get_by_label("Search, or paste")
    await expect(box).to_be_focused()
    await box.evaluate(
        "(box, text) => { const data = new DataTransfer(); data.setData('text', text);"
        " box.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, cancelable: true})); }",
        f"12:00 GET /items\n200 kf_api_{key.id} 203.0.113.24",
    )
    await expect(page.get_by_role("region", name="Search result")).to_contain_text("leaked")
    await page.get_by_role("link", name="Disable Key leaked").click()
    await page.get_by_role("button", name="Disable Key").click()
    await expect(page.get_by_text("'leaked' is disabled.")).to_be_visible()
    async with sixty.installation.opened() as runtime:
        assert (await runtime.lifecycle.get("acme", key.id, actor=ANA)).record.is_disabled


async def test_a_long_address_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    """An IPv6 address is broken where the key was last used from, and words in tables are not."""
    installation = await installed(tmp_path, rules={"GET /items": "items:read", "GET /users": "users:read"})
    key, _ = await installation.make("far away", permissions=("items:read", "users:read"))
    at = datetime.now(UTC)
    moment = int(at.timestamp() * 1_000_000)
    details = {Source(at.toordinal(), LONG_ADDRESS, "GET /items", ""): Tally(moment, moment, 1, 0)}
    async with installation.opened() as runtime:
        await runtime.store.add_usage({key.id: Use(at, LONG_ADDRESS, {at.date(): 1}, {}, details)})
    with running(installation) as url:
        async with opened(browser, LiveConsole(url, installation)) as page:
            await page.set_viewport_size({"width": 320, "height": 640})
            for path in ("", "/replace", "/disable"):
                await page.goto(f"/keys/{key.id}{path}")
                assert [] == await page.evaluate(CUT_WORDS), path
                assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path


async def test_long_words_fit_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Names of metadata, permissions and teams without a blank are broken, and a tick keeps its word beside it."""
    cut = "x" * 60
    permissions = {f"things:{n}{cut}": "May" for n in range(21)}
    limits = {"standard": {"rate": ["100/min"]}}
    installation = await installed(tmp_path, permissions=permissions, limits=limits)
    key, _ = await installation.make("odd", permissions=(f"things:0{cut}",), metadata={"m" * 40: True})
    async with installation.opened() as runtime:
        await runtime.teams.create("long", name=f"Long{cut}", actor=ANA)
    with running(installation) as url:
        async with opened(browser, LiveConsole(url, installation)) as page:
            await page.goto(f"/keys/{key.id}/edit")
            await page.get_by_text("More options").click()
            beside = page.get_by_label("standard").locator("xpath=.. | ../span")
            assert 1 == len({await one.evaluate(MIDDLE) for one in await beside.all()})
            await page.set_viewport_size({"width": 320, "height": 640})
            for path in (f"/keys/{key.id}", f"/keys/{key.id}/edit", "/permissions", "/teams"):
                await page.goto(path)
                assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
            await page.locator(".teams summary").click()
            assert not await page.locator(".teams ul").evaluate("e => e.scrollWidth > e.clientWidth")
            await page.goto(f"/keys/{key.id}")
            await expect(page.locator(".facts dd").last).to_have_text("true")
