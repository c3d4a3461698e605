"""People from the first command to the last day: all in a browser, and nobody is handed an admin key."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.end_to_end.people_story import (
    Served,
    browser_of,
    invite,
    join,
    make_key,
    names_of_keys,
    served,
    sign_in_at_provider,
)
from tests.keyfob_admin.console.conftest import browser
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

__all__ = ["browser"]  # a fixture of these tests
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]  # seconds; the first run installs


@pytest_asyncio.fixture(params=["sqlite", "postgres"], loop_scope="session")
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """An installation whose owner is Ana, on each store."""
    async with AsyncExitStack() as stack:
        empty = None if request.param == "sqlite" else await stack.enter_async_context(fresh_database(empty=True))
        with served(tmp_path, "ana@example.com", empty) as made:
            yield made


async def test_people_from_the_first_owner_to_offboarding(browser: Browser, here: Served) -> None:
    """Ana invites Ben, Cleo comes by her group, Ben offboards her, and an auditor sees it all and changes nothing."""
    async with (
        browser_of(browser, here) as ana,
        browser_of(browser, here) as ben,
        browser_of(browser, here) as cleo,
    ):
        await join(ana, here.owner_link)
        await join(ben, await invite(ana, "ben@example.com", "Ben Brown", "team_admin"))
        await make_key(ben, "bens-worker")
        await created_by_ben(ben)
        secret, admin_key = await cleo_at_work(cleo, ben)
        await ben_offboards_cleo(ben)
        await cleo_is_out(here, cleo, admin_key)
        assert code_of(here, secret) == "valid"
        await expect_owner(ben, "cleos-worker", "Ben Brown")
        async with browser_of(browser, here) as auditor:
            await join(auditor, await invite(ana, "eve@example.com", "Eve Green", "auditor"))
            await auditor_looks_on(auditor)


async def created_by_ben(page: Page) -> None:
    """The key says who made it, with a link to him."""
    await page.goto("/keys")
    await page.get_by_role("link", name="bens-worker", exact=True).click()
    by = page.locator(".facts div").filter(has=page.locator("dt", has_text="By"))
    await expect(by.get_by_role("link", name="Ben Brown")).to_have_attribute("href", "/people/" + await id_of(page))


async def id_of(page: Page) -> str:
    """The id of the person that the page links to as Ben Brown."""
    href = await page.get_by_role("link", name="Ben Brown").first.get_attribute("href")
    return str(href).rpartition("/")[2]


async def cleo_at_work(cleo: Page, ben: Page) -> tuple[str, str]:
    """Cleo is a member by her group and sees her own keys alone; as a team admin she makes an admin key."""
    await sign_in_at_provider(cleo, "cleo")
    await cleo.wait_for_url("**/keys")
    await expect(cleo.locator("footer")).to_contain_text("Cleo")
    assert await names_of_keys(cleo) == set()
    secret = await make_key(cleo, "cleos-worker")
    assert await names_of_keys(cleo) == {"cleos-worker"}
    await cleo.goto("/keys/new")
    await expect(cleo.get_by_label("Admin key")).to_be_disabled()

    await person_page(ben, "Cleo")
    await ben.get_by_label("Role").select_option("team_admin")
    await ben.get_by_role("button", name="Change role").click()
    await expect(ben.get_by_text("The role was changed.")).to_be_visible()
    admin_key = await make_key(cleo, "cleos-admin", admin=True)
    assert {"bens-worker", "cleos-worker", "cleos-admin"} <= await names_of_keys(cleo)
    return secret, admin_key


async def person_page(page: Page, name: str) -> None:
    """Go to somebody's page by the list of people."""
    await page.goto("/people")
    await page.get_by_role("main").get_by_role("link", name=name, exact=True).click()


async def ben_offboards_cleo(page: Page) -> None:
    """The page says before what will end; her keys go to Ben."""
    await person_page(page, "Cleo")
    await page.get_by_role("link", name="Offboard…").click()
    await expect(page.get_by_role("main")).to_contain_text("is signed out now (1 session)")
    await expect(page.get_by_role("main")).to_contain_text("1 admin key is disabled")
    await page.get_by_role("radio", name="Get another owner").check()
    await page.get_by_label("New owner").select_option(label="Ben Brown")
    await page.get_by_label("Why? (optional)").fill("left the company")
    await page.get_by_role("button", name="Offboard").click()
    await expect(page.get_by_text("The person has left.")).to_be_visible()


async def cleo_is_out(here: Served, page: Page, admin_key: str) -> None:
    """Her open page, her group and her admin key are worth nothing from then on."""
    await page.goto("/keys")
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await page.get_by_role("link", name="Sign in with Example").click()
    await expect(page.get_by_role("alert")).to_contain_text("You couldn't be signed in.")
    assert status_of(here, admin_key) == 401


def status_of(here: Served, key: str) -> int:
    """What the admin API answers to a key."""
    return httpx.get(f"{here.url}/v1/whoami", headers={"Authorization": f"Bearer {key}"}).status_code


def code_of(here: Served, secret: str) -> str:
    """What a gateway is told about a key."""
    headers = {"Authorization": f"Bearer {here.admin_key}"}
    answer = httpx.post(f"{here.url}/v1/verify", headers=headers, json={"key": secret})
    return str(answer.json()["code"])


async def expect_owner(page: Page, key: str, owner: str) -> None:
    """The list says whose the key is."""
    await page.goto("/keys")
    await expect(page.get_by_role("row").filter(has_text=key)).to_contain_text(owner)


async def auditor_looks_on(page: Page) -> None:
    """An auditor sees every key, every person and who did what; what changes something is off, or refused."""
    assert {"bens-worker", "cleos-worker", "cleos-admin"} <= await names_of_keys(page)
    await page.goto("/activity")
    row = page.get_by_role("row").filter(has_text="Removed from the team")
    await expect(row).to_contain_text("Ben Brown")
    await expect(row).to_contain_text("left the company")
    await page.goto("/keys")
    await page.get_by_role("link", name="bens-worker", exact=True).click()
    for verb in ("Disable Key", "Replace Key"):
        await expect(page.get_by_role("button", name=verb).first).to_have_attribute("aria-disabled", "true")
    token = await page.locator("input[name=csrf]").first.input_value()
    for path in (page.url + "/disable", page.url + "/enable", "/people/invite", "/settings"):
        answer = await page.request.post(path, form={"csrf": token}, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status == 403
    await page.reload()
    await expect(page.locator("main")).to_contain_text("Active")
