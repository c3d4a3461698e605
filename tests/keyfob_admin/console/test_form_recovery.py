"""What tired people do: paste a secret where it does not belong, let the session end, press Back after signing out."""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, change, hidden, words
from tests.keyfob_admin.console.key_forms import NEW
from tests.keyfob_admin.console.sessions import SESSION

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime

FILLED: dict[str, str | list[str]] = {
    "name": "billing-worker",
    "description": "Sends\ninvoices",
    "permission": ["items:read", "users:read"],
}
ENDED = "Your session has ended."


def end_session(live: LiveConsole) -> None:
    """Let every session end, as time does."""

    async def end(runtime: Runtime) -> None:
        await runtime.store.change(lambda rows: rows.run("erase_sessions", (live.installation.admin.id,)))  # type: ignore[attr-defined]

    change(live.installation, end)


# ---------------------------------------------------------------- a secret in an address


@pytest.mark.parametrize(
    "path",
    [
        "/keys?q={}",
        "/keys?q=Bearer+{}",
        "/keys?q={}&state=active",
        "/activity?key={}",
        "/activity?actor={}",
        "/activity?action={}",
        "/permissions?team={}",
        "/keys/{}",
        "/keys/{}/permissions?after={}",
        "/login?next=/keys?q={}",
        "/nowhere/{}",
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_se_11_a_secret_in_an_address_is_cut_to_its_id_before_anything_else(
    visitor: Visitor,
    live: LiveConsole,
    path: str,
    signed_in: bool,  # noqa: FBT001 - the parameter
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Wherever a whole key is pasted it is in no page, address or log afterwards, signed in or not."""
    key, secret = live.make("shown")
    body = secret.rpartition("_")[2]
    with Visitor(live.url) as stranger, caplog.at_level(logging.DEBUG, "keyfob"):
        answer = (visitor if signed_in else stranger).get(path.format(secret, secret))
        assert 303 == answer.status_code
        assert key.id in answer.headers["location"]
        for _ in range(3):
            assert body not in answer.headers.get("location", "") + answer.text
            if "location" not in answer.headers:
                break
            answer = (visitor if signed_in else stranger).get(answer.headers["location"])
    assert body not in "".join(record.getMessage() for record in caplog.records if record.name != "httpx")


def test_se_11_a_part_of_a_secret_in_an_address_is_cut_too(visitor: Visitor, live: LiveConsole) -> None:
    """A key that was copied without its end holds enough of its secret to keep it from view."""
    key, secret = live.make("cut off")
    answer = visitor.get("/keys", params={"q": secret[:-20]})
    assert f"/keys?q={key.id}" == answer.headers["location"]


# ---------------------------------------------------------------- a session that ends


def test_a_session_that_ended_is_said_so(live: LiveConsole, visitor: Visitor) -> None:
    """Who is sent to the sign-in although they were signed in is told why; who never was is not."""
    end_session(live)
    answer = visitor.get("/activity")
    page = visitor.get(answer.headers["location"])
    assert f"{ENDED} Sign in again." in words(page.text)
    with Visitor(live.url) as stranger:
        assert ENDED not in stranger.get(stranger.get("/activity").headers["location"]).text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/keys/{}/handover", "/keys/{}"),
        ("/keys/{}/enable", "/keys/{}"),
        ("/people/{}/role?team=globex", "/people/{}?team=globex"),
        ("/people/invite", "/people/invite"),
        ("/sessions/end-all", "/sessions"),
        ("/find?team=globex", "/keys?team=globex"),
    ],
)
def test_whoever_signs_in_again_is_on_the_page_of_what_they_pressed(
    live: LiveConsole, visitor: Visitor, sent: str, shown: str
) -> None:
    """A button that only answers to a press leads to the page that has it, in the team that was looked at."""
    key, _ = live.make("pressed")
    form = hidden(visitor.get("/keys").text)
    end_session(live)
    answer = visitor.post(sent.format(key.id), data=form)
    assert 401 == answer.status_code
    assert shown.format(key.id) == html.unescape(hidden(answer.text)["next"])


@pytest.mark.parametrize("page", [NEW, "/keys/{}/duplicate", "/keys/{}/edit"], ids=["create", "duplicate", "edit"])
def test_a_form_that_was_being_filled_in_comes_back_after_signing_in(
    live: LiveConsole, visitor: Visitor, page: str
) -> None:
    """If the session ends in the midst of a form, its entries are kept over the sign-in, and nothing was changed."""
    key, _ = live.make("original")
    path = page.format(key.id)
    form = {**hidden(visitor.get(path).text), **FILLED}
    end_session(live)
    answer = visitor.post(path, data=form)
    assert 401 == answer.status_code
    assert f"{ENDED} Nothing was changed. What you entered is kept: sign in to go on." in words(answer.text)
    assert str(form["csrf"]) not in answer.text
    back = visitor.post("/login", data={**hidden(answer.text), "key": live.installation.admin_key})
    assert 200 == back.status_code
    assert "You are signed in again." in words(back.text)
    fields = hidden_many(back.text)
    shown = visitor.post(path, content=urlencode(fields), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert 200 == shown.status_code
    assert 'value="billing-worker"' in shown.text
    assert "Sends\ninvoices</textarea>" in shown.text
    assert 2 == shown.text.count(" checked>")
    assert "billing-worker" not in words(visitor.get("/keys").text)


def test_what_somebody_else_entered_is_not_shown(live: LiveConsole, visitor: Visitor) -> None:
    """Whoever signs in next with another admin key in the same browser sees nothing of the form, and no mark helps."""
    _, other = live.make("other admin", key_type="admin", permissions=("*",))
    form = {**hidden(visitor.get(NEW).text), **FILLED}
    end_session(live)
    page = visitor.post(NEW, data=form)
    kept = hidden(page.text)
    mark = str(form["by"])
    for by in (mark, "", "~", "é", mark[0], mark[0] + "é"):
        fields = {**FILLED, "by": by}
        changed = {**kept, "kept": urlencode(fields, doseq=True), "key": other}
        answer = visitor.post("/login", data=changed)
        assert (303, NEW) == (answer.status_code, answer.headers["location"])
        visitor.cookies.delete(SESSION)
        kept["csrf"] = hidden(visitor.get("/login").text)["csrf"]


def hidden_many(text: str) -> list[tuple[str, str]]:
    """The hidden fields of the page's main form, those with one name each by itself."""
    form = text.partition('<form method="post" action="/keys')[2].partition("</form>")[0]
    fields = []
    for part in form.split('<input type="hidden" name="')[1:]:
        name, _, rest = part.partition('" value="')
        fields.append((name, rest.partition('">')[0]))
    return fields


def test_what_another_site_sent_is_not_kept(live: LiveConsole) -> None:
    """Without a session another site's form comes back with no entry of it, so that nobody is made to send it."""
    with Visitor(live.url, headers={"Sec-Fetch-Site": "cross-site"}) as visitor:
        answer = visitor.post(NEW, data=FILLED)
        assert "billing-worker" not in answer.text
        assert answer.status_code in {303, 401}


def test_a_huge_form_is_not_kept(live: LiveConsole, visitor: Visitor) -> None:
    """What would not fit into the sign-in form is let go, and that is said."""
    form = {**hidden(visitor.get(NEW).text), **FILLED, "description": "ä" * 9000}
    end_session(live)
    said = words(visitor.post(NEW, data=form).text)
    assert f"{ENDED} Nothing was changed. Sign in again." in said


def test_presets_of_an_edit_work_without_scripts(live: LiveConsole, visitor: Visitor) -> None:
    """A preset's button on the form of a key that is there ticks its boxes, and changes nothing yet."""
    key, _ = live.make("edited")
    answer = visitor.send_form(f"/keys/{key.id}/edit", name="edited", permission="items:read", preset="all")
    assert 200 == answer.status_code
    assert 5 == answer.text.count(" checked>")
    assert "Granted (1 of 5)" in words(visitor.get(f"/keys/{key.id}/permissions").text)


def test_an_edit_that_came_too_late_keeps_its_entries(live: LiveConsole, visitor: Visitor) -> None:
    """Who edited on top of somebody else's change is told, with what they entered still there to copy."""
    key, _ = live.make("shared")
    late = {**hidden(visitor.get(f"/keys/{key.id}/edit").text), "name": "mine", "permission": "items:read"}
    assert 303 == visitor.send_form(f"/keys/{key.id}/edit", name="theirs", permission="items:read").status_code
    answer = visitor.post(f"/keys/{key.id}/edit", data=late)
    assert 409 == answer.status_code
    assert "Someone else changed this key. Reload to see the current state." in words(answer.text)
    assert 'value="mine"' in answer.text
    assert f'href="/keys/{key.id}/edit">Reload</a>' in answer.text
