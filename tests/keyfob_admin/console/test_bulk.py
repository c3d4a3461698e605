"""Disabling many keys at once, from the ticks in the list to the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.keyfob_admin.console.conftest import OTHER_TEAM, TEAM, LiveConsole, Visitor, hidden, opened, words

if TYPE_CHECKING:
    import httpx
    from playwright.async_api import Browser


def ask(visitor: Visitor, ids: list[str], **fields: str) -> httpx.Response:
    """Send the ticks of a list."""
    token = hidden(visitor.get("/keys").text)["csrf"]
    return visitor.post("/keys/disable", data={"csrf": token, "key": ids, **fields})


def test_the_question_names_each_key_and_changes_nothing(visitor: Visitor, live: LiveConsole) -> None:
    """Names, ids and last uses stand on it; a key that is disabled already is left out."""
    keys = [live.make(f"worker {number}")[0] for number in range(3)]
    visitor.send_form(f"/keys/{keys[2].id}/disable")
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
    assert "This is the key you are signed in with." in words(ask(visitor, ids).text)
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
        await page.get_by_role("button", name="Disable 8 keys").click()
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
