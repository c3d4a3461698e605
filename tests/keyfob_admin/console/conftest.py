"""A real console: uvicorn, SQLite, a real keyring, a real Chromium."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from keyfob.config.settings import AdminSettings, load_settings
from keyfob.management.actor import Actor
from keyfob.management.key_drafts import KeyDraft
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages
from keyfob_admin.setup.demo import Mounted
from keyfob_admin.setup.installer import install
from tests.conftest import require
from tests.keyfob_admin.api.conftest import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from playwright.async_api import Browser, Page

    from keyfob.config.settings import Settings
    from keyfob.keys.record import KeyRecord

TEAM = "acme"
OTHER_TEAM = "globex"
CATALOGUE = {
    "items:read": "Read items",
    "items:write": "Create and change items",
    "reports:read": "Read reports",
    "users:read": "Read users",
    "users:write": "Invite and change users",
}
CHEAP = {"memory_kib": 64, "time": 1}  # these tests are not about Argon2id
ANA = Actor("cli", None, "ana@example.com", None, frozenset({"*"}), "203.0.113.9")
SECRET = re.compile(r"kf_[a-z0-9]+_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}")
PICTURES = Path(__file__).parents[3] / "build" / "screenshots"
PATIENCE = 45_000  # milliseconds that a page may take on a busy machine
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@dataclass(frozen=True)
class Installation:
    """An installation of two teams, and its first admin key."""

    settings: Settings
    admin_key: str = field(repr=False)
    admin: KeyRecord

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Runtime]:
        """Work on it from beside the server, as the command line does."""
        runtime = Runtime(self.settings)
        try:
            await runtime.freshness.ensure()
            yield runtime
        finally:
            await runtime.stop()

    async def make(self, name: str = "a key", team: str = TEAM, **fields: Any) -> tuple[KeyRecord, str]:
        """Make a key, and give it with its secret."""
        granted = ("items:read",) if fields.get("key_type", "api") == "api" else None
        wanted = KeyDraft(name, **{"permissions": granted, **fields})
        async with self.opened() as runtime:
            created = await runtime.lifecycle.create(team, wanted, actor=ANA)
        return created.view.record, created.secret or ""

    def with_admin(self, **admin: Any) -> Installation:
        """The same installation under other ``[admin]`` settings."""
        return replace(self, settings=replace(self.settings, admin=AdminSettings(**admin)))


@dataclass(frozen=True)
class LiveConsole:
    """A served console, at *url*."""

    url: str
    installation: Installation

    def make(self, name: str = "a key", team: str = TEAM, **fields: Any) -> tuple[KeyRecord, str]:
        """Make a key, and give it with its secret."""
        return asyncio.run(self.installation.make(name, team, **fields))


class Visitor(httpx.Client):
    """A browser without a picture: it keeps cookies, and fills in the forms that it finds."""

    def __init__(self, url: str, **options: Any) -> None:
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        super().__init__(base_url=url, headers=headers, timeout=20, **options)

    def sign_in(self, key: str) -> httpx.Response:
        """Fill in the sign-in form."""
        return self.send_form("/login", key=key)

    def send_form(self, path: str, **fields: Any) -> httpx.Response:
        """Read the page at *path* and send its form, with *fields* over what it is filled in with."""
        page = self.get(path)
        return self.post(path, data={**hidden(page.text), **fields})


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of a page's forms; of those with one name, the last."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', text)
    return {name: html.unescape(value) for name, value in found}


def words(text: str) -> str:
    """What a page says, without its marks."""
    without = re.sub(r"<(script|style|svg)\b.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())


async def installed(folder: Path, **overrides: Any) -> Installation:
    """Make an installation in *folder*."""
    chosen = {
        "store": f"sqlite:///{folder / 'keyfob.db'}",
        "keyring": folder / "keyfob.keyring",
        "permissions": CATALOGUE,
        "argon2": CHEAP,
        **overrides,
    }
    settings = load_settings(environ={}, overrides=chosen)
    admin = await install(settings, team=TEAM, admin="root")
    installation = Installation(settings, admin.secret or "", admin.view.record)
    async with installation.opened() as runtime:
        await runtime.teams.create(OTHER_TEAM, name="Globex", plan="teams", actor=ANA)
    return installation


def change(installation: Installation, work: Callable[[Runtime], Awaitable[Any]]) -> None:
    """Do something to the installation from beside the server."""

    async def opened() -> None:
        async with installation.opened() as runtime:
            await work(runtime)

    asyncio.run(opened())


@pytest.fixture
def installation(tmp_path: Path, store_setting: dict[str, str]) -> Installation:
    return asyncio.run(installed(tmp_path, **store_setting))


@pytest.fixture
def config(installation: Installation, tmp_path: Path) -> str:
    """A configuration file of the installation."""
    file = tmp_path / "keyfob.toml"
    file.write_text('[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n')
    return str(file)


@pytest.fixture
def live(installation: Installation) -> Iterator[LiveConsole]:
    """A console of the test's own, at the root of a server."""
    with running(installation) as url:
        yield LiveConsole(url, installation)


@pytest.fixture
def visitor(live: LiveConsole) -> Iterator[Visitor]:
    """Somebody who is signed in with the first admin key."""
    with Visitor(live.url) as visitor:
        assert 303 == visitor.sign_in(live.installation.admin_key).status_code
        yield visitor


def running(installation: Installation, prefix: str = "") -> Any:
    """Serve the console of *installation*, below *prefix*."""
    runtime = Runtime(installation.settings)
    app: Any = build_admin(runtime, pages=console_pages(runtime))
    return serving(Mounted(app, prefix, app) if prefix else app)


# ---------------------------------------------------------------- Chromium, one for the whole session


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """A console that all browser tests share; each makes the keys that it needs."""
    installation = asyncio.run(installed(tmp_path_factory.mktemp("console")))
    with running(installation) as url:
        yield LiveConsole(url, installation)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if shutil.which("chromium") is None:
        require("Chromium", "the console is tried in a real browser")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(browser: Browser, live: LiveConsole, **options: Any) -> AsyncIterator[Page]:
    """A page of a browser of its own, signed in."""
    context = await browser.new_context(base_url=live.url, viewport={"width": 1280, "height": 800}, **options)
    context.set_default_timeout(PATIENCE)
    try:
        page = await context.new_page()
        await page.goto(live.url + "/login")
        await page.fill("#key", live.installation.admin_key)
        await page.press("#key", "Enter")
        await page.wait_for_url("**/keys")
        yield page
    finally:
        await context.close()


def picture(name: str) -> str:
    """Where a picture is kept for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return os.fspath(PICTURES / f"{name}.png")
