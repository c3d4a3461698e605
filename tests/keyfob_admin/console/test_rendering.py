"""Every page as people see it: rules of accessibility, no sideways scrolling, and pictures to look at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python
import pytest

from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, opened, picture
from tests.keyfob_admin.console.every_page import LONG, walk

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(200)]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],  # to describe every element that keeps a rule takes three times as long as to check
}
VIOLATIONS = (
    "options => axe.run(document, options)"
    ".then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.target)]))"
)
WIDE = (
    "document.documentElement.scrollWidth > innerWidth"
    " || [...document.querySelectorAll('.table')].some(e => e.scrollWidth > e.clientWidth)"
)
SMALL = (
    "[...document.querySelectorAll('button, .button, select, input:not([type=hidden],[type=checkbox],[type=radio]),"
    " nav a, summary, .choice, .tick, tbody th > a, .do a, .split a')]"
    ".filter(e => e.checkVisibility() && (e.closest('tbody th') ? e.closest('tr') : e)"
    ".getBoundingClientRect().height < (innerWidth < 640 ? 43.9 : 23.9)).map(e => e.outerHTML)"
)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


@pytest.mark.timeout(700)  # 116 looks of axe at whole pages, on a machine that may be busy
async def test_every_page_can_be_used_by_everybody(browser: Browser, shared: LiveConsole) -> None:
    """In both themes, wide and narrow: axe finds nothing, nothing is too wide, and no button is too small."""
    found: dict[str, object] = {}
    async with opened(browser, shared, reduced_motion="reduce") as page:  # no colour is caught on its way to another

        async def look(name: str) -> None:
            await bring_axe(page)
            for width in (1280, 320):
                await page.set_viewport_size({"width": width, "height": 800})
                for scheme in ("light", "dark"):
                    await page.emulate_media(color_scheme=scheme)
                    if wrong := await complaints(page):
                        found[f"{name}-{scheme}-{width}"] = wrong
                    await page.screenshot(path=picture(f"{name}-{scheme}-{width}"), full_page="dialog" not in name)
            await page.set_viewport_size({"width": 1280, "height": 800})

        await walk(page, shared, look)
    assert {} == found


async def test_what_is_wrong_is_complained_of(browser: Browser) -> None:
    """A page with a button without a name, a faint text and a broad block is found to have all three."""
    page = await browser.new_page()
    await page.set_content(
        "<html lang=en><title>Wrong</title><main><h1>Wrong</h1><p style='color: #bbb; background: #fff'>Faint</p>"
        "<button></button><div style='width: 9000px'>Broad</div></main>"
    )
    await bring_axe(page)
    found = await complaints(page)
    await page.close()

    assert [["button-name", [["button"]]], ["color-contrast", [["p"]]], "too wide", "<button></button>"] == found


async def bring_axe(page: Page) -> None:
    """Let the page have axe, if it has not yet."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(f"(() => {{ {AXE}\n }})(); 0")


async def complaints(page: Page) -> list[object]:
    """What is wrong with a page as it is shown now."""
    wrong: list[object] = await page.evaluate(VIOLATIONS, RULES)
    if await page.evaluate(WIDE):
        wrong.append("too wide")
    return [*wrong, *await page.evaluate(SMALL)]


async def test_no_width_scrolls_sideways(browser: Browser, shared: LiveConsole) -> None:
    """From a telephone to a wide screen no page is wider than the window."""
    wide: list[tuple[str, int]] = []
    async with opened(browser, shared) as page:

        async def look(name: str) -> None:
            for width in (360, 500, 640, 768, 900, 960, 1024, 1152, 1279, 1280, 1440, 1600):
                await page.set_viewport_size({"width": width, "height": 800})
                if await page.evaluate(WIDE):
                    wide.append((name, width))

        await walk(page, shared, look)
    assert [] == wide


async def test_forced_colours_less_motion_and_paper(browser: Browser, shared: LiveConsole) -> None:
    """Forced colours keep outlines, reduced motion turns transitions off, and paper shows the content alone."""
    async with opened(browser, shared, forced_colors="active", reduced_motion="reduce") as page:
        await page.screenshot(path=picture("keys-forced-colours"), full_page=True)
        border = await page.locator(".state").first.evaluate("e => getComputedStyle(e, '::before').borderTopStyle")
        assert "solid" == border
        assert "0s" == await page.locator("a.button").first.evaluate("e => getComputedStyle(e).transitionDuration")
        await page.emulate_media(media="print")
        await page.screenshot(path=picture("keys-print"), full_page=True)
        assert await page.locator("table").is_visible()
        for hidden in (".side", ".foot", ".top", ".filters"):
            assert not await page.locator(hidden).is_visible()


@pytest.mark.cases("FF-39")
async def test_paper_has_the_whole_table(browser: Browser, shared: LiveConsole) -> None:
    """On a sheet of A4 the list is a table with its heads, owners and ends, and no name on it is cut."""
    key, _ = await shared.installation.make(LONG)
    async with shared.installation.opened() as runtime:
        owner = (
            await runtime.people.invite("z@example.com", team=TEAM, role="member", name="z" * 100, actor=ANA)
        ).person
        await runtime.lifecycle.update(TEAM, key.id, {"owner": {"person": owner.id}}, actor=ANA)
    async with opened(browser, shared) as page:
        await page.set_viewport_size({"width": 718, "height": 1020})  # A4 without its margins
        await page.emulate_media(media="print")
        for head in ("Name", "Type", "State", "Owner", "Last used", "Expires"):
            assert await page.get_by_role("columnheader", name=head).is_visible(), head
        assert "static" == await page.locator("thead").evaluate("e => getComputedStyle(e).position")
        assert await page.locator(".keys tbody th").first.evaluate("e => e.clientWidth") > 100
        name = page.get_by_role("link", name=LONG).first
        assert await name.evaluate("e => getComputedStyle(e).whiteSpace === 'normal' && e.scrollWidth <= e.clientWidth")
        assert not await page.evaluate(WIDE)


async def test_forced_colours_show_the_current_place(browser: Browser, shared: LiveConsole) -> None:
    """Where a page's own colours are gone, the current tab and the time shown still differ from those beside them."""
    key, _ = await shared.installation.make("contrast")
    async with opened(browser, shared, forced_colors="active") as page:
        await page.goto(f"/keys/{key.id}")
        for places, property_ in ((".tabs a", "borderBottomWidth"), (".segments a", "backgroundColor")):
            looks = await page.locator(places).evaluate_all(
                "(all, name) => all.map(one => [one.matches('[aria-current]'), getComputedStyle(one)[name]])", property_
            )
            current = {look for is_current, look in looks if is_current}
            assert current.isdisjoint(look for is_current, look in looks if not is_current), places
        chosen = page.locator(".segments [aria-current]")  # its word has no box of the page's colour behind it
        assert "none" == await chosen.evaluate("e => getComputedStyle(e).forcedColorAdjust")


async def test_texts_and_borders_stand_out(browser: Browser, shared: LiveConsole) -> None:
    """In both themes text has a contrast of 5.4 to 1 or more wherever it stands, and fields and bars one of 3 to 1."""
    grounds = ["page", "aside", "card", "sunk", "chosen"]
    names = [*grounds, "text", "soft", "good", "warn", "bad", "edge", "bar", "limited", "denied", "accent"]
    for scheme in ("light", "dark"):
        async with opened(browser, shared, color_scheme=scheme) as page:
            colours = await page.evaluate(
                "names => Object.fromEntries(names.map(n => {"
                " const e = document.body.appendChild(document.createElement('i'));"
                " e.style.color = `var(--${n})`; return [n, getComputedStyle(e).color]; }))",
                names,
            )
            for ground in grounds:
                for front, least in (("text", 12), ("soft", 5.4), ("warn", 5.4), ("bad", 5.4), ("edge", 3)):
                    assert contrast(colours[front], colours[ground]) >= least, (scheme, front, ground)
            assert contrast("rgb(255, 255, 255)", colours["accent"]) >= 4.9, scheme
            for front in ("edge", "bar", "limited", "denied", "good"):
                assert contrast(colours[front], colours["page"]) >= 3.3, (scheme, front)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
