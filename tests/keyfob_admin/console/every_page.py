"""Every page of the console and every state of it, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, TEAM, LiveConsole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page

    Renderer = Callable[[str], Awaitable[None]]

LONG = "a-name-without-a-single-blank-that-is-as-long-as-names-may-be-" + "x" * 38
WITHOUT_A_KEY = {
    "keys": "/keys",
    "keys-empty": f"/keys?team={OTHER_TEAM}",
    "keys-no-match": "/keys?q=nothing-like-that",
    "create-type": "/keys/new",
    "create-type-other-plan": f"/keys/new?team={OTHER_TEAM}",
    "create-form": "/keys/new?type=api",
    "create-fixed": "/keys/new?type=scim",
    "create-admin": "/keys/new?type=admin",
    "people": "/people",
    "people-invite": "/people/invite",
    "teams": "/teams",
    "permissions": "/permissions",
    "activity": "/activity",
    "settings": "/settings",
    "sessions": "/sessions",
    "not-found": "/keys/0000000000000000",
}


async def walk(page: Page, shared: LiveConsole, look: Renderer) -> None:
    """Go to every page and every state of it, and *look* at each."""
    key, gone, person = await make_keys(shared)
    of_person = {"person": person, "offboard": f"{person}/offboard", "remove": f"{person}/remove"}
    for name, path in {**WITHOUT_A_KEY, **pages_of(key, gone), **of_person}.items():
        await page.goto(path)
        await look(name)
    await ask(page, key, gone, look)
    await search_and_select(page, key, look)
    await make_a_key(page, look)
    await sign_in_wrongly(page, look)


async def make_keys(shared: LiveConsole) -> tuple[str, str, str]:
    """Make keys of every look, and give the addresses of an active one, of a disabled one and of the first's owner."""
    installation = shared.installation
    active, _ = await installation.make(LONG, description="Why it is there", ip_allow=("2001:db8::/32", "10.0.0.0/8"))
    off, _ = await installation.make("switched off")
    await installation.make("brief", expires_at=datetime.now(UTC) + timedelta(days=13, hours=1))
    async with installation.opened() as runtime:
        await runtime.lifecycle.disable(TEAM, off.id, actor=ANA)
        person = (
            await runtime.people.invite(f"{LONG[:40]}{active.id}@example.com", team=TEAM, role="member", actor=ANA)
        ).person
        await runtime.lifecycle.update(TEAM, active.id, {"owner": {"person": person.id}}, actor=ANA)
    return f"/keys/{active.id}", f"/keys/{off.id}", f"/people/{person.id}"


def pages_of(key: str, gone: str) -> dict[str, str]:
    """The pages of an active key and of a disabled one."""
    return {
        "key": key,
        "key-disabled": f"{gone}?done=disabled",
        "key-permissions": f"{key}/permissions",
        "key-activity": f"{key}/activity",
        "edit": f"{key}/edit",
        "duplicate": f"{key}/duplicate",
        "disable-page": f"{key}/disable",
        "replace-page": f"{key}/replace",
        "delete-page": f"{gone}/delete",
    }


async def ask(page: Page, key: str, gone: str, look: Renderer) -> None:
    """Open the dialogs that ask before something is done."""
    await page.goto("/people")
    await page.get_by_role("link", name="Invite").click()
    await look("invite-dialog")
    await page.goto(key)
    await page.get_by_role("button", name="Disable Key").first.click()
    await look("disable-dialog")
    await page.goto(key)
    await page.get_by_role("button", name="Replace Key").first.click()
    await look("replace-dialog")
    await page.goto(gone)
    await page.get_by_role("button", name="Delete Key").first.click()
    await look("delete-dialog")


async def search_and_select(page: Page, key: str, look: Renderer) -> None:
    """Find a key in a pasted text, tick keys in the list and open a menu, and ask for another plan."""
    await page.goto("/keys")
    await page.get_by_label("Search, or paste").fill(f"200 kf_api_{key[-16:]} kf_api_0000000000000000")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/find")
    await look("found")
    await page.goto("/keys?q=switched")
    await page.get_by_label("Actions for").first.click()
    await look("row-menu")
    await page.goto("/keys?sort=name")
    await page.get_by_label("Select a-name").first.check()
    await look("selected")
    await page.get_by_role("button", name="Disable 1 key…").click()
    await look("disable-many-dialog")
    await page.evaluate("document.querySelector('#bulk').submit()")  # as without scripts
    await page.wait_for_url("**/keys/disable")
    await look("disable-many")
    await page.goto("/settings")
    await page.get_by_label("Plan", exact=True).select_option("teams")
    await page.get_by_role("button", name="Save changes").click()
    await look("plan")


async def make_a_key(page: Page, look: Renderer) -> None:
    """Send the form with mistakes, then without, and come to the reveal."""
    await page.goto("/keys/new?type=api")
    await page.get_by_role("button", name="Generate Key").click()
    await page.get_by_role("alert").wait_for()
    await look("create-mistakes")
    await page.get_by_label("Name").fill("billing-worker, production")
    await page.get_by_label("items:read").check()
    await page.get_by_role("button", name="Generate Key").click()
    await page.get_by_text("Try it").click()
    await look("reveal")
    await page.get_by_label("I have stored").check()


async def sign_in_wrongly(page: Page, look: Renderer) -> None:
    """Lose the session and sign in with a wrong key."""
    await page.context.clear_cookies()
    await page.goto("/login")
    await look("sign-in")
    await page.get_by_label("Admin key").fill("wrong")
    await page.get_by_label("Admin key").press("Enter")
    await page.get_by_role("alert").wait_for()
    await look("sign-in-wrong")
