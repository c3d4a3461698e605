"""Disabling many keys at once, from the ticks in the list to the message."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from keyfob.store.contract.key_store import Use
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, TEAM, LiveConsole, Visitor, hidden, opened, words
from tests.keyfob_admin.console.keyboard import tab_to

if TYPE_CHECKING:
    import httpx
    from playwright.async_api import Browser


def ask(visitor: Visitor, ids: list[str], **fields: str) -> httpx.Response:
    """Send the ticks of a list."""
    token = hidden(visitor.get("/keys").text)["csrf"]
    return visitor.post("/keys/disable", data={"csrf": token, "key": ids, **fields})


def test_the_question_names_each_key_and_changes_nothing(visitor: Visitor, live: LiveConsole) -> None:
    """Names, ids, last uses and numbers stand on it; a key that is disabled already is left out."""
    keys = [live.make(f"worker {number}")[0] for number in range(3)]
    visitor.send_form(f"/keys/{keys[2].id}/disable")
    assert "These 2 keys stop working" in words(ask(visitor, [key.id for key in keys]).text)
    assert "This key stops working from now on. None was used today." in words(ask(visitor, [keys[0].id]).text)
    said = words(ask(visitor, [key.id for key in keys]).text)
    assert "Disable 2 keys?" in said
    assert f"worker 0 kf_api_{keys[0].id} Never worker 1 kf_api_{keys[1].id} Never" in said
    assert "worker 2" not in said
    assert "Active" in words(visitor.get(f"/keys/{keys[0].id}").text)


def test_confirmed_all_are_disabled_with_the_reason(visitor: Visitor, live: LiveConsole) -> None:
    """One press disables all of them; the list says how many, and the history why."""
    ids = [live.make(f"worker {number}")[0].id for number in range(8)]
    answer = ask(visitor, ids, confirmed="yes", reason="laptop stolen")
    assert "/keys?disabled=8" == answer.headers["location"]
    assert "8 keys are disabled." in words(visitor.get("/keys?disabled=8").text)
    for key_id in ids:
        assert "“laptop stolen”" in words(visitor.get(f"/keys/{key_id}/activity").text)


def test_the_last_admin_is_not_among_them(visitor: Visitor, live: LiveConsole) -> None:
    """If one cannot be disabled none is, and the page says why; one's own key is pointed out."""
    key, _ = live.make("worker")
    ids = [key.id, live.installation.admin.id]
    asked = ask(visitor, ids).text
    assert "This is the key you are signed in with." in words(asked)
    assert "No admin key that may do everything would be left. Create another one before" in words(asked)
    assert 'name="confirmed"' not in asked
    live.make("for now", key_type="admin", permissions=("*",), ip_allow=("10.0.0.1",))  # which does not count
    assert 'name="confirmed"' not in ask(visitor, ids).text
    second, _ = live.make("second root", key_type="admin", permissions=("*",))
    assert 'name="confirmed"' in ask(visitor, ids).text
    ids.append(second.id)
    assert 'name="confirmed"' not in ask(visitor, ids).text
    answer = ask(visitor, ids, confirmed="yes")
    assert 409 == answer.status_code
    assert "create another one first" in words(answer.text)
    assert "Active" in words(visitor.get(f"/keys/{key.id}").text)


def test_nothing_ticked_and_keys_of_elsewhere(visitor: Visitor, live: LiveConsole) -> None:
    """Without a tick the list comes back; a key of another team is as one that never was."""
    other, _ = live.make("theirs", OTHER_TEAM, key_type="computer")
    assert "/keys" == ask(visitor, []).headers["location"]
    assert "/keys" == visitor.get("/keys/disable").headers["location"]
    assert 404 == ask(visitor, [other.id], confirmed="yes").status_code


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "yes"}], ids=["asked", "confirmed"])
def test_a_ticked_key_that_is_gone_meanwhile_is_said(
    visitor: Visitor, live: LiveConsole, confirmed: dict[str, str]
) -> None:
    """Where another tab has deleted one of them, the page says so, and none is disabled."""
    gone, _ = live.make("gone")
    stays, _ = live.make("stays")
    token = hidden(visitor.get("/keys").text)["csrf"]
    for verb in ("disable", "delete"):
        visitor.send_form(f"/keys/{gone.id}/{verb}")
    answer = visitor.post("/keys/disable", data={"csrf": token, "key": [gone.id, stays.id], **confirmed})
    assert 404 == answer.status_code
    assert "One of these keys doesn't exist any more. Nothing was changed: tick the others again." in words(answer.text)
    assert "Active" in words(visitor.get(f"/keys/{stays.id}").text)


def test_who_may_only_read_has_no_ticks(live: LiveConsole) -> None:
    """Neither the boxes nor the button are offered, and a crafted form is refused."""
    key, _ = live.make("safe")
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert 'type="checkbox"' not in visitor.get("/keys").text
        assert 403 == ask(visitor, [key.id], confirmed="yes").status_code


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
async def test_eight_keys_in_four_clicks(browser: Browser, shared: LiveConsole, scripts: bool) -> None:  # noqa: FBT001
    """The first tick, the last one with Shift, Disable 8 keys, and once more; without scripts each tick is a click."""
    word = f"row{'on' if scripts else 'off'}"
    ids = [(await shared.installation.make(f"{word} {number}"))[0].id for number in range(8)]
    async with opened(browser, shared, java_script_enabled=scripts) as page:
        await page.goto(f"/keys?q={word}&sort=name")
        if scripts:
            await page.get_by_label(f"Select {word} 0").click()
            await page.get_by_label(f"Select {word} 7").click(modifiers=["Shift"])
            await page.get_by_role("button", name="Disable 8 keys…").click()
        else:
            for number in range(8):
                await page.get_by_label(f"Select {word} {number}").check()
            await page.get_by_role("button", name="Disable selected keys…").click()
        await expect(page.get_by_role("heading", name="Disable 8 keys?")).to_be_visible()
        await page.get_by_role("button", name="Disable 8 keys", exact=True).click()
        await expect(page.get_by_text("8 keys are disabled.")).to_be_visible()
    async with shared.installation.opened() as runtime:
        found = [await runtime.store.view(key_id) for key_id in ids]
        assert all(view is not None and view.record.is_disabled and view.record.team == TEAM for view in found)


@pytest.mark.asyncio(loop_scope="session")
async def test_all_of_a_page_are_selected_at_once(browser: Browser, shared: LiveConsole) -> None:
    """The tick in the head selects every key of the page, and takes that back."""
    for number in range(3):
        await shared.installation.make(f"flock {number}")
    async with opened(browser, shared) as page:
        await page.goto("/keys?q=flock")
        button = page.locator("[data-many]")
        await expect(button).to_be_hidden()
        await page.get_by_label("Select all keys on this page").check()
        await expect(button).to_have_text("Disable 3 keys…")
        await page.get_by_role("button", name="Clear selection").click()
        await expect(button).to_be_hidden()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_dialog_says_what_will_stop(browser: Browser, shared: LiveConsole) -> None:
    """It names the keys that still work with their last uses, counts those used today, and points out one's own."""
    keys = [(await shared.installation.make(f"herd {number}"))[0] for number in range(3)]
    async with shared.installation.opened() as runtime:
        now = runtime.now()
        await runtime.store.add_usage({keys[0].id: Use(now, "203.0.113.9"), keys[1].id: Use(now - timedelta(days=3))})
        await runtime.lifecycle.disable(TEAM, keys[2].id, actor=ANA)
    async with opened(browser, shared) as page:
        await page.goto("/keys?q=herd&sort=name")
        await page.get_by_label("Select all keys on this page").check()
        await page.get_by_role("button", name="Disable 3 keys…").click()
        dialog = page.get_by_role("dialog", name="Disable 2 keys?")
        await expect(dialog).to_contain_text("These 2 keys stop working from now on. 1 was used today.")
        await expect(dialog.get_by_role("listitem")).to_have_text(
            ["herd 0 just now · 203.0.113.9", "herd 1 3 days ago"], use_inner_text=True
        )
        await expect(dialog.get_by_text("you are signed in with")).to_be_hidden()
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("[data-many]")).to_be_focused()
        await page.goto("/keys?type=admin")
        await page.get_by_label("Select root").check()
        await page.get_by_role("button", name="Disable 1 key…").click()
        await expect(page.get_by_role("dialog").get_by_text("you are signed in with")).to_be_visible()
        await expect(page.get_by_text("No admin key that may do everything would be left.")).to_be_visible()
        await expect(page.get_by_role("button", name="Disable 1 key", exact=True)).to_be_hidden()


@pytest.mark.asyncio(loop_scope="session")
async def test_keys_are_disabled_together_without_a_mouse(browser: Browser, shared: LiveConsole) -> None:
    """Space ticks, Tab leads to the button, and the dialog asks; what is disabled says why."""
    ids = [(await shared.installation.make(f"pack {number}"))[0].id for number in range(2)]
    async with opened(browser, shared) as page:
        await page.goto("/keys?q=pack&sort=name")
        for number in range(2):
            await tab_to(page, f"Select pack {number}")
            await page.keyboard.press("Space")
        await tab_to(page, "Disable 2 keys…")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.type("laptop stolen")
        await tab_to(page, "Disable 2 keys")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("2 keys are disabled.")).to_be_visible()
        await page.goto(f"/keys/{ids[0]}/activity")
        await expect(page.get_by_text("“laptop stolen”")).to_be_visible()
