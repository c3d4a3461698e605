"""Somebody signs in at a real provider in a real browser, with scripts and without."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from keyfob.config.people import OidcSettings, PeopleSettings
from tests.keyfob_admin.console.conftest import PATIENCE, TEAM, Installation, installed, running
from tests.keyfob_admin.sign_in.provider.running import CLIENT, SECRET, real_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]  # seconds; the first run installs
CALLBACK = "/sign-in/oidc/callback"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a console whose people sign in at the provider, where the group acme-dev are members."""
    made, port = await installed(tmp_path_factory.mktemp("provider")), free_port()
    oidc = OidcSettings(
        issuer=f"http://127.0.0.1:{port}", client_id=CLIENT, client_secret=SECRET, label="Sign in with Example"
    )
    rules = ({"group": "acme-dev", "team": TEAM, "role": "member"},)
    settings = replace(made.settings, people=PeopleSettings(sign_in=("oidc", "local"), oidc=oidc), memberships=rules)
    installation = Installation(settings, made.admin_key, made.admin)
    with running(installation) as url, real_provider([url + CALLBACK], port=port):
        yield url


async def sign_in_at_provider(page: Page, login: str) -> None:
    """Fill in the provider's own forms."""
    await page.locator("input[name=login]").fill(login)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()
    await page.locator("button[type=submit]").click()  # consents


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_a_group_leads_to_the_page_that_was_wanted(browser: Browser, console: str, *, scripts: bool) -> None:
    """The way there and back goes on by itself to the page wanted; signing out and in again asks nothing more."""
    context = await browser.new_context(base_url=console, java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    try:
        await page.goto("/keys/new?type=api")
        await page.get_by_role("link", name="Sign in with Example").click()
        await sign_in_at_provider(page, "cleo")
        await page.wait_for_url("**/keys/new?type=api")
        await expect(page.get_by_role("heading", name="Create Public API Key")).to_be_visible()
        await page.get_by_text("Signed in as").locator("..").click()
        await page.get_by_role("link", name="Your sessions").click()
        await expect(page.get_by_role("row").nth(1)).to_contain_text("This one")
        await page.get_by_role("button", name="Sign out everywhere").click()
        await expect(page.get_by_role("heading", name="Sign in to keyfob")).to_be_visible()
        await page.get_by_role("link", name="Sign in with Example").click()
        await page.wait_for_url(console + "/keys")
        await expect(page.locator("footer")).to_contain_text("Cleo")
    finally:
        await context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_a_form_is_kept_over_the_way_to_the_provider(browser: Browser, console: str, *, scripts: bool) -> None:
    """If the session ends in the midst of a form, signing in again leads back to what was entered, and one goes on."""
    name = f"billing-worker-{scripts}"
    context = await browser.new_context(base_url=console, java_script_enabled=scripts)
    context.set_default_timeout(60_000)
    page = await context.new_page()
    try:
        await page.goto("/keys/new?type=api")
        await page.get_by_role("link", name="Sign in with Example").click()
        await sign_in_at_provider(page, "cleo")
        await page.wait_for_url("**/keys/new?type=api")
        await page.get_by_label("Name", exact=True).fill(name)
        await page.get_by_label("items:read").check()
        await context.clear_cookies(name="keyfob_session")
        await page.get_by_role("button", name="Generate Key").click()
        await expect(page.get_by_text("What you entered is kept: sign in to go on.")).to_be_visible()
        await page.get_by_role("button", name="Sign in with Example").click()
        await expect(page.get_by_role("heading", name="You are signed in again.")).to_be_visible()
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_label("Name", exact=True)).to_have_value(name)
        await expect(page.get_by_label("items:read")).to_be_checked()
        await page.get_by_role("button", name="Generate Key").click()
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()
    finally:
        await context.close()


async def test_whom_nobody_knows_is_refused(browser: Browser, console: str) -> None:
    """Somebody of the provider's without group and invitation comes back to the sign-in page, without a reason."""
    context = await browser.new_context(base_url=console)
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    try:
        await page.goto("/sign-in/oidc")
        await sign_in_at_provider(page, "dora")
        await expect(page.get_by_role("alert")).to_contain_text("You couldn't be signed in.")
        await page.goto("/keys")
        await expect(page.get_by_role("heading", name="Sign in to keyfob")).to_be_visible()
    finally:
        await context.close()
