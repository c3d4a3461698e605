"""The sign-in pages with every way to sign in, as people see them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from keyfob.config.people import HeaderSettings, OidcSettings, PeopleSettings
from keyfob.management.actor import Actor
from tests.keyfob_admin.console.conftest import TEAM, Installation, LiveConsole, installed, picture, running
from tests.keyfob_admin.console.key_forms import NEW
from tests.keyfob_admin.console.proxied import CLEO
from tests.keyfob_admin.console.test_rendering import AXE, complaints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]
HEADER = HeaderSettings(trusted_proxies=("127.0.0.1/32",))
OIDC = OidcSettings(issuer="http://127.0.0.1:9", client_id="keyfob", client_secret="s", label="Sign in with Example")


@pytest_asyncio.fixture(params=[("header",), ("oidc", "header", "local")], ids="-".join, loop_scope="session")
async def live(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LiveConsole]:
    made = await installed(tmp_path)
    people = PeopleSettings(sign_in=request.param, header=HEADER, oidc=OIDC)
    installation = Installation(replace(made.settings, people=people), made.admin_key, made.admin)
    with running(installation) as url:
        yield LiveConsole(url, installation)


async def invitation(live: LiveConsole) -> str:
    """The path of a link for somebody new."""
    async with live.installation.opened() as runtime:
        cli = Actor.command_line("operator")
        made = await runtime.people.invite("cleo@example.com", team=TEAM, role="member", actor=cli)
    return f"/invitation/{made.token}"


async def look(page: Page, name: str) -> dict[str, object]:
    """What is wrong with the page, wide and narrow, light and dark."""
    found: dict[str, object] = {}
    await page.evaluate(f"window.axe || (() => {{ {AXE}\n }})(); 0")
    for width in (1280, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if wrong := await complaints(page):
                found[f"{name}-{scheme}-{width}"] = wrong
    await page.screenshot(path=picture(name), full_page=True)
    return found


async def test_every_way_to_sign_in_can_be_used_by_everybody(browser: Browser, live: LiveConsole) -> None:
    """With the proxy's button, without a header, with a form that is kept, refused, and on an invitation."""
    ways = "-".join(live.installation.settings.people.sign_in)
    link = await invitation(live)
    found: dict[str, object] = {}
    for headers in (CLEO, {}):
        context = await browser.new_context(base_url=live.url, extra_http_headers=headers)
        context.set_default_timeout(60_000)
        page = await context.new_page()
        for name, path in (("sign-in", "/login"), ("invitation", link)):
            await page.goto(path)
            found |= await look(page, f"{name}-{ways}-{len(headers)}")
        if headers:
            await page.goto("/login")
            await page.get_by_role("button", name="Continue as").click()
            await page.get_by_role("alert").wait_for()
            found |= await look(page, f"sign-in-refused-{ways}")
        await page.goto("/login")
        await page.fill("#key", live.installation.admin_key)
        await page.press("#key", "Enter")
        await page.wait_for_url("**/keys")
        await page.goto(NEW)
        await context.clear_cookies(name="keyfob_session")
        await page.get_by_role("button", name="Generate Key").click()
        await page.get_by_role("status").wait_for()
        found |= await look(page, f"sign-in-kept-{ways}-{len(headers)}")
        await context.close()

    assert {} == found
