"""What the story of people needs: an installation that is served, a provider beside it, and what people do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up
from tests.keyfob_admin.console.conftest import PATIENCE
from tests.keyfob_admin.console.reveal import create
from tests.keyfob_admin.sign_in.provider.running import CLIENT, SECRET, real_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

PROGRAM = [sys.executable, "-m", "keyfob_admin.cli"]
PASSPHRASE = "dry moss under nine lamps"
PEOPLE = """
[people]
sign_in = ["local", "oidc"]
[people.oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "oidc.secret"
label = "Sign in with Example"
[[memberships]]
group = "acme-dev"
team = "acme"
role = "member"
"""


@dataclass(frozen=True)
class Served:
    """An installation at work, its first admin key, and the link for its first owner."""

    url: str
    admin_key: str = field(repr=False)
    owner_link: str = field(repr=False)


@contextmanager
def served(folder: Path, owner: str, store: str | None) -> Iterator[Served]:
    """Install as people do, on the default store or at *store*, and serve the console with a provider beside it."""
    port, provider_port = free_port(), free_port()
    url, issuer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{provider_port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
    environ["KEYFOB_ADMIN_URL"] = url
    if store is not None:
        environ["KEYFOB_STORE_URL"] = store
    init = [*PROGRAM, "init", "--team", "acme", "--owner", owner]
    made = subprocess.run(init, cwd=folder, env=environ, capture_output=True, check=True)
    key, link = made.stdout.decode().splitlines()
    (folder / "oidc.secret").write_text(SECRET)
    config = folder / "keyfob.toml"
    cheap = config.read_text().replace("\n[middleware]\n", "\n[middleware]\nargon2 = { memory_kib = 64, time = 1 }\n")
    config.write_text(cheap + PEOPLE.format(issuer=issuer, client=CLIENT))
    command = [*PROGRAM, "serve", "--port", str(port)]
    with real_provider([f"{url}/sign-in/oidc/callback"], port=provider_port):
        with (folder / "serve.log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, env=environ, stderr=log, text=True)
        try:
            until_up(url, process)
            yield Served(url, key, link)
        finally:
            process.terminate()
            process.wait(60)


@asynccontextmanager
async def browser_of(browser: Browser, here: Served) -> AsyncIterator[Page]:
    """A browser of somebody's own."""
    context = await browser.new_context(base_url=here.url)
    context.set_default_timeout(PATIENCE)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def join(page: Page, link: str) -> None:
    """Open an invitation, set a passphrase, and be signed in."""
    await page.goto(link)
    await page.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    await page.get_by_label("The same again").fill(PASSPHRASE)
    await page.get_by_role("button", name="Set passphrase and sign in").click()
    await page.wait_for_url("**/keys")


async def invite(page: Page, email: str, name: str, role: str) -> str:
    """Invite somebody, and read the link that is shown this once."""
    await page.goto("/people")
    await page.get_by_role("link", name="Invite").click()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Name (optional)").fill(name)
    await page.locator(f"[name=role][value={role}]").check()
    await page.get_by_role("main").get_by_role("button", name="Invite").click()
    return await page.get_by_label("One-time link").input_value()


async def sign_in_at_provider(page: Page, login: str) -> None:
    """Press the button of the sign-in page, and fill in the provider's own forms."""
    await page.goto("/login")
    await page.get_by_role("link", name="Sign in with Example").click()
    await page.locator("input[name=login]").fill(login)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()
    await page.locator("button[type=submit]").click()  # consents


async def make_key(page: Page, name: str, *, admin: bool = False) -> str:
    """Make a key, leave the reveal, and give the secret."""
    if admin:
        await page.goto("/keys/new?type=admin")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("keys:read").check()
        await page.get_by_role("button", name="Generate Key").click()
        secret = await page.locator("#secret").inner_text()
    else:
        secret = await create(page, name)
    await page.get_by_label("I have stored the secret somewhere safe").check()
    await page.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("heading", name="Save your key secret")).to_have_count(0)
    return secret


async def names_of_keys(page: Page) -> set[str]:
    """The keys that somebody's list shows."""
    await page.goto("/keys")
    found = await page.locator("table.keys tbody tr").all_inner_texts()
    return {re.split(r"[\n\t]", text.strip())[0] for text in found}
