"""The secret that is seen once, and the form that makes one key."""

from __future__ import annotations

import sqlite3

from tests.keyfob_admin.console.conftest import SECRET, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_forms import NEW, checked, id_of, made


def test_se_11_the_secret_is_in_the_answer_to_the_form_and_nowhere_else(visitor: Visitor, live: LiveConsole) -> None:
    """No page, list, export, log or table that comes after the reveal holds the secret."""
    secret = made(visitor.send_form(NEW, name="once", permission=["items:read"]))
    key = f"/keys/{id_of(secret)}"
    pages = ["/keys", key, f"{key}/permissions", f"{key}/activity", f"{key}/edit", f"{key}/duplicate", NEW, "/activity"]
    for path in [*pages, "/activity/export.csv", "/activity/export.ndjson", "/permissions", "/settings"]:
        answer = visitor.get(path)
        assert 200 == answer.status_code, path
        assert secret[-64:-21] not in answer.text, path
    store = (live.installation.settings.store or "").removeprefix("sqlite:///")
    with sqlite3.connect(store) as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert secret[-64:-21] not in dump


def test_co_07_the_same_form_again_shows_no_secret_and_makes_no_key(visitor: Visitor) -> None:
    """Going back and sending the form again leads to the key that it made, which says that it was generated already."""
    form = {**hidden(visitor.get(NEW).text), "name": "single", "permission": "items:read"}
    secret = made(visitor.post(NEW, data=form))
    again = visitor.post(NEW, data={**form, "name": "another"})
    assert (303, f"/keys/{id_of(secret)}?again=1") == (again.status_code, again.headers["location"])
    page = visitor.get(again.headers["location"]).text
    assert "This key was already generated. Its secret can't be shown again." in words(page)
    assert [] == SECRET.findall(page)
    assert 1 == visitor.get("/keys?q=single").text.count('scope="row"')
    assert "No keys match" in visitor.get("/keys?q=another").text


def test_co_07_a_deleted_key_does_not_bring_its_form_back(visitor: Visitor) -> None:
    """The form of a key that was deleted since makes no second key, either."""
    form = {**hidden(visitor.get(NEW).text), "name": "gone", "permission": "items:read"}
    key = f"/keys/{id_of(made(visitor.post(NEW, data=form)))}"
    visitor.send_form(f"{key}/disable")
    visitor.send_form(f"{key}/delete")
    again = visitor.post(NEW, data=form)
    assert (303, "/keys?again=1") == (again.status_code, again.headers["location"])
    assert "This form was already sent." in words(visitor.get("/keys?again=1").text)


def test_a_form_that_was_refused_can_be_fixed_and_sent(visitor: Visitor) -> None:
    """A refusal uses nothing up: what was typed is still there, and the fixed form makes the key."""
    answer = visitor.send_form(NEW, name="", description="kept", permission=["items:read", "users:read"])
    assert 422 == answer.status_code
    assert ["items:read", "users:read"] == checked(answer.text)
    assert ">kept</textarea>" in answer.text
    fixed = {**hidden(answer.text), "name": "fixed", "permission": "items:read"}
    made(visitor.post(NEW, data=fixed))


def test_a_form_without_its_draft_is_refused(visitor: Visitor) -> None:
    """Who leaves out the token that works once makes no key."""
    form = {"csrf": hidden(visitor.get(NEW).text)["csrf"], "name": "x", "permission": "items:read"}
    assert 400 == visitor.post(NEW, data=form).status_code
