"""What scripts and other sites get of the console in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import LiveConsole, opened
from tests.keyfob_admin.console.reveal import create

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_script_cannot_read_the_session(browser: Browser, shared: LiveConsole) -> None:
    """The cookies are invisible to scripts, and nothing is kept in the browser's storages."""
    async with opened(browser, shared) as page:
        assert "" == await page.evaluate("document.cookie")
        assert [0, 0] == await page.evaluate("[localStorage.length, sessionStorage.length]")


async def test_co_11_a_frame_stays_empty(browser: Browser, shared: LiveConsole) -> None:
    """A page of another origin that frames the console gets nothing to show."""
    async with opened(browser, shared) as page:
        outside = await page.context.new_page()
        await outside.route(
            "https://evil.example/", lambda route: route.fulfill(body="<iframe></iframe>", content_type="text/html")
        )
        await outside.goto("https://evil.example/")
        refusals: list[str] = []
        outside.on("console", lambda message: refusals.append(message.text))
        await outside.evaluate(f"document.querySelector('iframe').src = '{shared.url}/keys'")
        await outside.wait_for_timeout(500)
        frame = outside.frames[-1]
        assert "Create Key" not in await frame.content()


async def test_co_01_another_sites_page_cannot_send_a_form(browser: Browser, shared: LiveConsole) -> None:
    """A form on another site that posts to the console carries no session, so it changes nothing."""
    async with opened(browser, shared) as page:
        secret = await create(page, "target")
        await page.get_by_label("I have stored").check()
        key = f"{shared.url}/keys/{secret.split('_')[2]}"
        body = f'<form method="post" action="{key}/disable"><button>Win a prize</button></form>'
        outside = await page.context.new_page()
        await outside.route("https://evil.example/", lambda route: route.fulfill(body=body, content_type="text/html"))
        await outside.goto("https://evil.example/")
        await outside.get_by_role("button").click()
        await outside.wait_for_load_state()
        await page.goto(key)
        await expect(page.locator("h1")).to_contain_text("Active")
