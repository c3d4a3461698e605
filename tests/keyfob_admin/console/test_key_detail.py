"""Off, on and gone: what becomes of keys, who may do it, and how keys are named in addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_forms import NEW

if TYPE_CHECKING:
    import httpx


def grant(visitor: Visitor, secret: str) -> httpx.Response:
    """Ask the admin API what a key is good for, with the key itself: a key of another type is 403, a dead one 401."""
    return visitor.get("/v1/whoami", headers={"Authorization": f"Bearer {secret}"})


def test_a_key_is_disabled_enabled_and_deleted(visitor: Visitor, live: LiveConsole) -> None:
    """Each step is in force with its answer, and the page says what happened."""
    key, secret = live.make("billing-worker")
    one = f"/keys/{key.id}"
    assert 403 == grant(visitor, secret).status_code
    answer = visitor.send_form(f"{one}/disable")
    assert 401 == grant(visitor, secret).status_code
    assert "'billing-worker' is disabled. Enable Key" in words(visitor.get(answer.headers["location"]).text)
    answer = visitor.post(f"{one}/enable", data=hidden(visitor.get(one).text))
    assert "'billing-worker' is active again." in words(visitor.get(answer.headers["location"]).text)
    assert 403 == grant(visitor, secret).status_code
    visitor.send_form(f"{one}/disable")
    answer = visitor.send_form(f"{one}/delete")
    assert "'billing-worker' was deleted." in words(visitor.get(answer.headers["location"]).text)
    assert 404 == visitor.get(one).status_code
    assert "key.deleted" in visitor.get(f"/activity/export.csv?key={key.id}").text


def test_co_12_an_enabled_key_is_not_deleted_by_a_crafted_request(visitor: Visitor, live: LiveConsole) -> None:
    """Delete is off while a key is enabled, and a request that the page does not offer is 409."""
    key, secret = live.make()
    page = visitor.get(f"/keys/{key.id}").text
    assert 'aria-disabled="true" aria-describedby="no-delete">Delete Key' in page
    assert "Disable this key before you can delete it." in words(page)
    answer = visitor.post(f"/keys/{key.id}/delete", data=hidden(page))
    assert 409 == answer.status_code
    assert "Disable this key before you can delete it." in words(answer.text)
    assert 403 == grant(visitor, secret).status_code
    assert "<form" not in re.sub(
        r"(?s)<footer.*|<header.*?</header>|<form[^>]*search.*?</form>", "", visitor.get(f"/keys/{key.id}/delete").text
    )


def test_a_message_is_not_believed_without_its_state(visitor: Visitor, live: LiveConsole) -> None:
    """An address that claims that something was done shows nothing that is not so."""
    key, _ = live.make("calm")
    assert "is disabled" not in words(visitor.get(f"/keys/{key.id}?done=disabled").text)
    assert "was deleted" not in words(visitor.get(f"/keys?deleted={key.id}").text)


def test_a_suspended_key_says_why(visitor: Visitor, live: LiveConsole) -> None:
    """When the plan lost a key's type, list and page say so, and enabling does not call it active."""
    key, _ = live.make("paused")
    visitor.send_form("/settings", name="Acme", plan="teams", confirmed="teams")
    page = words(visitor.get(f"/keys/{key.id}").text)
    assert "paused Suspended" in page
    assert "The plan of this team, teams, doesn't include keys of this type" in page
    assert "paused" in words(visitor.get("/keys?state=suspended").text)
    visitor.send_form(f"/keys/{key.id}/disable")
    answer = visitor.post(f"/keys/{key.id}/enable", data=hidden(visitor.get(f"/keys/{key.id}").text))
    assert "'paused' is enabled, but suspended." in words(visitor.get(answer.headers["location"]).text)


def test_what_the_admin_key_may_not_is_refused_in_words(live: LiveConsole) -> None:
    """A missing permission is named, and nothing is changed."""
    key, _ = live.make("safe")
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        page = visitor.get(f"/keys/{key.id}").text
        answer = visitor.post(f"/keys/{key.id}/disable", data=hidden(page))
        assert 403 == answer.status_code
        assert "Your admin key doesn't hold keys:write, which this needs." in words(answer.text)
        assert "doesn't hold audit:read" in words(visitor.get(f"/keys/{key.id}/activity").text)
        assert 403 == visitor.get("/activity").status_code
        assert 403 == visitor.send_form(NEW, name="x", permission="items:read").status_code


@pytest.mark.parametrize(
    "path",
    ["/keys/new", NEW, *(f"/keys/{{}}/{verb}" for verb in ("edit", "duplicate", "replace", "disable", "delete"))],
)
def test_a_form_that_could_not_be_sent_is_not_shown(live: LiveConsole, path: str) -> None:
    """Who opens the address of one without the permission is told so before filling it in."""
    key, _ = live.make("safe")
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        answer = visitor.get(path.format(key.id))
        assert 403 == answer.status_code
        assert "Your admin key doesn't hold keys:" in words(answer.text)


def test_the_navigation_leads_nowhere_that_is_refused(live: LiveConsole) -> None:
    """History is not offered to those who may not read it, nor People."""
    for held, shown in (
        (("keys:read",), ("Keys", "Permissions", "Settings")),
        (("keys:read", "audit:read"), ("Keys", "Permissions", "History", "Settings")),
    ):
        _, secret = live.make("reader", key_type="admin", permissions=held)
        with Visitor(live.url) as visitor:
            visitor.sign_in(secret)
            text = visitor.get("/keys").text
            assert " ".join(shown) in words(text.partition('<ul id="nav"')[2].partition("</ul>")[0])


@pytest.mark.parametrize(
    "path", ["/keys/0000000000000000", "/keys/x", "/keys/kf_api_0000000000000000", "/keys/%2e%2e%2fx"]
)
def test_a_key_that_is_not_there(visitor: Visitor, path: str) -> None:
    """What is no key is answered 404 or refused, in a page that leads on."""
    assert visitor.get(path).status_code in {400, 404}


def test_a_displayed_key_is_found_and_a_whole_one_is_cut(visitor: Visitor, live: LiveConsole) -> None:
    """The display form works in an address; a whole key has no place there, and leads to its id."""
    key, secret = live.make("shown")
    assert 200 == visitor.get(f"/keys/kf_api_{key.id}").status_code
    assert f"/keys/{key.id}" == visitor.get(f"/keys/{secret}").headers["location"]
    form = hidden(visitor.get("/keys").text)
    assert f"/keys/{key.id}/disable" == visitor.post(f"/keys/{secret}/disable", data=form).headers["location"]
    assert "Active" in words(visitor.get(f"/keys/{key.id}").text)


def test_what_the_admin_key_may_not_is_not_offered(live: LiveConsole) -> None:
    """Who may only look finds each action off with the reason in view, instead of a refusal after the work."""
    _, looking = live.make("looking", key_type="admin", permissions=("keys:read", "audit:read"))
    key, _ = live.make("seen")
    reason = "Your admin key doesn't hold keys:write, which this needs."
    with Visitor(live.url) as visitor:
        visitor.sign_in(looking)
        keys, page = visitor.get("/keys").text, visitor.get(f"/keys/{key.id}").text
        for text, label in ((keys, "Create Key"), (page, "Duplicate Key"), (page, "Disable Key")):
            assert f'<button type="button" aria-disabled="true" aria-describedby="no-write">{label}</button>' in text
        for text in (keys, page):
            assert 'id="no-write">' in text
            assert reason in words(text)
        for gone in ("/keys/new", "/duplicate", "/edit", 'command="show-modal"'):
            assert gone not in keys + page


def test_who_may_not_delete_is_told_on_the_disabled_key(live: LiveConsole, visitor: Visitor) -> None:
    """Delete of a disabled key is off, with the permission that it needs, for who lacks it."""
    _, writing = live.make("writing", key_type="admin", permissions=("keys:read", "keys:write", "items:read"))
    key, _ = live.make("off")
    visitor.send_form(f"/keys/{key.id}/disable")
    with Visitor(live.url) as other:
        other.sign_in(writing)
        text = other.get(f"/keys/{key.id}").text
        assert 'aria-describedby="no-delete">Delete Key</button>' in text
        assert "Your admin key doesn't hold keys:delete, which this needs." in words(text)
        assert "<button>Enable Key</button>" in text
