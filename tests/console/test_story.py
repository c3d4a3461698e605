"""The whole story in a real browser: with scripts and without, by keyboard, back, reload and a second tab."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.console.conftest import SECRET, LiveConsole, opened

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAVING = "beforeunload"


async def create(page: Page, name: str) -> str:
    """Walk from the list to the reveal, and give the secret."""
    await page.goto("/keys")
    await page.get_by_role("link", name="Create Key").first.click()
    await page.get_by_label("Public API key").check()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("items:read").check()
    await page.get_by_role("button", name="Generate Key").click()
    await expect(page.get_by_role("heading", name="Save your key secret")).to_be_visible()
    return await page.locator("#secret").inner_text()


async def left_behind(page: Page) -> str:
    """All that a page and its browser hold: the document, its storages and its address."""
    held: str = await page.evaluate(
        "() => document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage, location.href,"
        " history.state, document.cookie, window.name])"
    )
    return held


def accept_leaving(page: Page, asked: list[str]) -> None:
    """Answer the browser's own question about leaving, and note that it was asked."""

    async def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", answer)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_the_story(browser: Browser, shared: LiveConsole, scripts: bool) -> None:  # noqa: FBT001 - the parameter
    """Create, see once, find, look at, duplicate, disable, enable and delete, whether scripts run or not."""
    name = f"story {scripts}"
    async with opened(browser, shared, java_script_enabled=scripts) as page:
        secret = await create(page, name)
        assert SECRET.fullmatch(secret)
        await page.get_by_label("I have stored the secret somewhere safe").check()
        await page.get_by_role("button", name="Done").click()
        await page.wait_for_url("**/keys?*" if not scripts else "**/keys*")
        row = page.get_by_role("row").filter(has_text=name)
        await expect(row).to_contain_text("Public API key")
        await expect(row).to_contain_text("Active")
        await expect(row).to_contain_text("by root")
        await expect(row).to_contain_text("Never")

        await row.get_by_role("link", name=name, exact=True).click()
        await page.get_by_role("navigation", name="About this key").get_by_role("link", name="Permissions").click()
        await expect(page.get_by_role("heading", name="Granted (1 of 5)", exact=True)).to_be_visible()
        await expect(page.locator("main")).to_contain_text("Set when the key was generated on")

        await page.get_by_role("link", name="Duplicate Key").click()
        await expect(page.get_by_label("Name")).to_have_value(f"Copy of {name}")
        await page.get_by_label("items:write").check()
        await expect(page.locator("label").filter(has_text="items:write").get_by_text("Added")).to_be_visible()
        await page.get_by_label("items:read").uncheck()
        await expect(page.locator("label").filter(has_text="items:read").get_by_text("Removed")).to_be_visible()
        await page.get_by_role("button", name="Generate Key").click()
        copy = await page.locator("#secret").inner_text()
        assert copy != secret
        await page.get_by_label("I have stored").check()

        await page.goto(f"/keys/{copy.split('_')[2]}")
        await page.get_by_role("button", name="Disable Key").first.click()
        dialog = page.get_by_role("dialog", name=f"Disable 'Copy of {name}'?")
        await expect(dialog).to_contain_text("Requests that present this key get 401 Unauthorized from now on.")
        await expect(dialog).to_contain_text("You can enable it again at any time.")
        await dialog.get_by_role("button", name="Disable Key").click()
        await expect(page.get_by_text(f"'Copy of {name}' is disabled.")).to_be_visible()
        await page.get_by_role("status").get_by_role("button", name="Enable Key").click()
        await expect(page.get_by_text(f"'Copy of {name}' is active again.")).to_be_visible()
        await page.get_by_role("button", name="Disable Key").first.click()
        await page.get_by_role("dialog").get_by_role("button", name="Disable Key").click()
        await page.get_by_role("button", name="Delete Key").first.click()
        dialog = page.get_by_role("dialog", name=f"Delete 'Copy of {name}'?")
        await expect(dialog).to_contain_text("This can't be undone. The key can never be used again")
        await dialog.get_by_role("button", name="Delete Key").click()
        await expect(page.get_by_text(f"'Copy of {name}' was deleted.")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in to keyfob")).to_be_visible()


async def test_without_scripts_and_dialogs_there_are_pages(browser: Browser, shared: LiveConsole) -> None:
    """Where neither scripts nor `commandfor` work, a link leads to a page that asks the same."""
    async with opened(browser, shared, java_script_enabled=False) as page:
        secret = await create(page, "old browser")
        await page.goto(f"/keys/{secret.split('_')[2]}")
        await page.get_by_role("link", name="Disable on a page of its own").click()
        await expect(page.get_by_role("heading", name="Disable 'old browser'?")).to_be_visible()
        await page.get_by_role("button", name="Disable Key").click()
        await page.get_by_role("link", name="Delete on a page of its own").click()
        await expect(page.get_by_text("This can't be undone.")).to_be_visible()
        await page.get_by_role("link", name="Cancel").click()
        await expect(page.get_by_role("heading", name="old browser")).to_be_visible()


async def test_by_keyboard_alone(browser: Browser, shared: LiveConsole) -> None:
    """From the list to the reveal and through the dialogs without a mouse; focus goes where it helps and comes back."""
    async with opened(browser, shared) as page:
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.goto("/keys/new")
        await page.get_by_label("Public API key").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_label("Name").focus()
        await page.keyboard.type("keys only")
        await page.get_by_label("reports:read").focus()
        await page.keyboard.press("Space")
        await page.get_by_label("Name").focus()
        await page.keyboard.press("Enter")  # the form's own button answers, not a preset
        await expect(page.get_by_role("heading", name="Save your key secret")).to_be_focused()
        secret = await page.locator("#secret").inner_text()
        await page.get_by_label("I have stored").focus()
        await page.keyboard.press("Space")

        await page.goto(f"/keys/{secret.split('_')[2]}")
        opener = page.get_by_role("button", name="Disable Key").first
        await opener.focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        for _ in range(6):
            await page.keyboard.press("Tab")
            inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            assert await page.evaluate(inside), "focus left the dialog"
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")  # Cancel has the focus
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()
        assert "Active" in await page.locator("h1").inner_text()


async def test_an_unavailable_button_says_why(browser: Browser, shared: LiveConsole) -> None:
    """Delete of an active key can be focused, is announced as off, with the reason, and does nothing."""
    async with opened(browser, shared) as page:
        secret = await create(page, "keep me")
        await page.get_by_label("I have stored").check()
        await page.goto(f"/keys/{secret.split('_')[2]}")
        button = page.get_by_role("button", name="Delete Key")
        await expect(button).to_be_disabled()
        await expect(button).to_have_accessible_description("Disable this key before you can delete it.")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()


# ---------------------------------------------------------------- the secret


async def test_co_07_back_reload_and_a_second_tab_show_no_secret(browser: Browser, shared: LiveConsole) -> None:
    """After the reveal the secret is in no page, storage, cookie or history, however one comes back."""
    async with opened(browser, shared) as page:
        secret = await create(page, "seen once")
        accept_leaving(page, [])
        second = await page.context.new_page()
        await second.goto(page.url)
        assert secret not in await left_behind(second)
        assert secret not in page.url

        await page.reload()  # sends the form again
        await expect(
            page.get_by_text("This key was already generated. Its secret can't be shown again.")
        ).to_be_visible()
        assert secret not in await left_behind(page)
        assert f"/keys/{secret.split('_')[2]}" in page.url

        await page.goto("/permissions")
        for _ in range(3):
            await page.go_back()
            assert secret not in await left_behind(page)
        for _ in range(3):
            await page.go_forward()
            assert secret not in await left_behind(page)


async def test_co_07_leaving_by_link_and_coming_back_shows_no_secret(browser: Browser, shared: LiveConsole) -> None:
    """Done, then Back: the page of the reveal is gone, and was not kept alive for coming back."""
    async with opened(browser, shared) as page:
        secret = await create(page, "and back")
        await page.get_by_label("I have stored").check()
        await page.get_by_role("button", name="Done").click()
        await page.wait_for_url("**/keys*")
        with suppress(PlaywrightError):  # the browser asks first whether to send the form again
            await page.go_back()
        await page.wait_for_timeout(200)  # its own page, which says so, comes after the refusal
        await page.wait_for_load_state()
        assert secret not in await page.content()
        assert 0 == await page.get_by_text(secret).count()


async def test_leaving_before_the_secret_is_safe_is_asked_about(browser: Browser, shared: LiveConsole) -> None:
    """Before copying or ticking the browser asks; afterwards it does not."""
    async with opened(browser, shared) as page:
        asked: list[str] = []
        accept_leaving(page, asked)
        await create(page, "unsafe")
        await page.get_by_role("link", name="Settings").click()
        await page.wait_for_url("**/settings")
        assert [LEAVING] == asked
        await create(page, "ticked")
        await page.get_by_label("I have stored").check()
        await page.get_by_role("link", name="Settings").click()
        await page.wait_for_url("**/settings")
        assert [LEAVING] == asked


async def test_the_secret_is_copied_hidden_and_shown(browser: Browser, shared: LiveConsole) -> None:
    """Copy puts the secret on the clipboard, Hide covers it everywhere; both are announced, and the secret never is."""
    async with opened(browser, shared, permissions=["clipboard-read", "clipboard-write"]) as page:
        secret = await create(page, "clipboard")
        status = page.locator("p[role=status]")
        await page.get_by_role("button", name="Hide").click()
        await expect(status).to_have_text("Secret hidden")
        await page.get_by_text("Try it").click()
        assert secret not in await page.locator("main").inner_text()
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(status).to_have_text("Secret copied to clipboard")
        assert secret == await page.evaluate("navigator.clipboard.readText()")
        await page.get_by_role("button", name="Copy as curl").click()
        command = await page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch(rf'curl -H "Authorization: Bearer {secret}" \S+', command)
        await page.get_by_role("button", name="Show").click()
        await expect(status).to_have_text("Secret shown")
        assert secret == await page.locator("#secret").inner_text()
        live = await page.locator("[role=status], [role=alert], [aria-live]").all_inner_texts()
        assert secret not in "".join(live)
        asked: list[str] = []
        accept_leaving(page, asked)
        await page.goto("/keys")
        assert [] == asked


async def test_without_a_clipboard_the_secret_is_selected(browser: Browser, shared: LiveConsole) -> None:
    """Where the browser gives no clipboard, Copy selects the text and says which keys copy it."""
    async with opened(browser, shared) as page:
        await page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        secret = await create(page, "no clipboard")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(page.locator("p[role=status]")).to_have_text("Press Ctrl+C to copy")
        assert secret == await page.evaluate("getSelection().toString()")


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


# ---------------------------------------------------------------- conveniences


async def test_the_form_counts_along(browser: Browser, shared: LiveConsole) -> None:
    """With scripts the summary, the counts, the presets, the filter and the date follow what is chosen."""
    async with opened(browser, shared) as page:
        await page.goto("/keys/new?type=api")
        summary = page.locator(".summary p")
        await expect(summary).to_have_text("This key will be able to: nothing yet.")
        await page.get_by_label("users:write").check()
        await page.get_by_label("users:read").check()
        await expect(summary).to_have_text("This key will be able to: read users, invite and change users.")
        await expect(page.get_by_role("group", name="Users")).to_contain_text("2 of 2 granted")
        await page.get_by_role("button", name="Read only").click()
        await expect(summary).to_have_text("This key will be able to: read items, read reports, read users.")
        await page.get_by_role("button", name="None", exact=True).click()
        await expect(summary).to_have_text("This key will be able to: nothing yet.")
        await page.get_by_label("Filter permissions").fill("invite")
        await expect(page.get_by_label("users:write")).to_be_visible()
        await expect(page.get_by_label("items:read")).to_be_hidden()
        await expect(page.get_by_label("Last day, in UTC")).to_be_hidden()
        await page.get_by_label("Expires", exact=True).select_option("After a date")
        await expect(page.get_by_label("Last day, in UTC")).to_be_visible()


async def test_mistakes_take_the_focus_and_lead_to_their_fields(browser: Browser, shared: LiveConsole) -> None:
    """After a refusal the summary is announced, and its links move to the fields, where entries are kept."""
    async with opened(browser, shared) as page:
        await page.goto("/keys/new?type=api")
        await page.get_by_label("Limit to IP addresses (optional)").fill("10.0.0.0/33")
        await page.get_by_role("button", name="Generate Key").click()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("There is a problem")
        await alert.get_by_role("link", name="10.0.0.0/33 isn't an IP address or range").click()
        field = page.get_by_label("Limit to IP addresses (optional)")
        await expect(field).to_be_focused()
        await expect(field).to_have_value("10.0.0.0/33")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_accessible_description(re.compile("10.0.0.0/33 isn't an IP address or range"))


async def test_the_theme_changes_in_place(browser: Browser, shared: LiveConsole) -> None:
    """With scripts the theme changes without leaving the page, and is still there on the next one."""
    async with opened(browser, shared) as page:
        background = "getComputedStyle(document.body).color"
        light = await page.evaluate(background)
        async with page.expect_response("**/theme"):
            await page.get_by_role("button", name="Dark").click()
        dark = await page.evaluate(background)
        assert light != dark
        await expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        await page.goto("/settings")
        assert dark == await page.evaluate(background)


async def test_a_message_is_said_once(browser: Browser, shared: LiveConsole) -> None:
    """Reloading a page that told what was done does not tell it again."""
    async with opened(browser, shared) as page:
        await page.goto("/settings")
        await page.get_by_role("button", name="Save changes").click()
        await expect(page.get_by_text("The team was changed.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("The team was changed.")).to_be_hidden()


async def test_no_page_makes_the_browser_complain(browser: Browser, shared: LiveConsole) -> None:
    """Neither the policy nor a script of ours reports anything on any page."""
    async with opened(browser, shared) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        key = f"/keys/{shared.installation.admin.id}"
        for path in (
            "/keys",
            "/keys/new",
            "/keys/new?type=api",
            key,
            f"{key}/edit",
            "/permissions",
            "/activity",
            "/settings",
        ):
            await page.goto(path)
        assert [] == complaints


async def test_a_pasted_admin_key_and_a_link_sign_in(browser: Browser, shared: LiveConsole) -> None:
    """The field takes pastes and password managers: it is a password field, and nothing stands in the way."""
    context = await browser.new_context(base_url=shared.url)
    page = await context.new_page()
    await page.goto("/login")
    field = page.get_by_label("Admin key")
    await expect(field).to_be_focused()
    assert "password" == await field.get_attribute("type")
    assert "current-password" == await field.get_attribute("autocomplete")
    await page.keyboard.insert_text(shared.installation.admin_key)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/keys")
    await context.close()
