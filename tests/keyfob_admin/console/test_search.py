"""The one search box: keys in a pasted text, or words in a list."""

from __future__ import annotations

import html
import logging
import re
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import OTHER_TEAM, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_lists import names_on

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.both_engines


def search(visitor: Visitor, text: str) -> httpx.Response:
    """Send the box of the Keys page."""
    return visitor.post("/find", data={**hidden(visitor.get("/keys").text), "text": text})


def test_a_log_line_names_its_key(visitor: Visitor, live: LiveConsole) -> None:
    """A display form, a bare id and a whole key lead to the key, with its team, its state and what can be done."""
    key, secret = live.make("nightly-export")
    for text in (f"GET /items 200 kf_api_{key.id} 203.0.113.24", key.id, f"Authorization: Bearer {secret}"):
        answer = search(visitor, text)
        assert 200 == answer.status_code
        said = words(answer.text)
        assert "Found in what you pasted: nightly-export · acme · Active · never used" in said
        assert f'href="/keys/{key.id}/disable" aria-label="Disable Key nightly-export">Disable Key</a>' in answer.text
        assert ("the secret was in the text" in said) is (secret in text)


def test_a_key_of_another_team_is_found_from_here(visitor: Visitor, live: LiveConsole) -> None:
    """The box looks in all teams that one may see, and says which it is."""
    key, _ = live.make("elsewhere", OTHER_TEAM, key_type="computer")
    assert "Found in what you pasted: elsewhere · Globex · Active" in words(search(visitor, key.id).text)


def test_what_is_no_live_key_is_told_apart(visitor: Visitor, live: LiveConsole) -> None:
    """Deleted, foreign and damaged keys each have words of their own, with their places where there are several."""
    key, secret = live.make("doomed")
    visitor.send_form(f"/keys/{key.id}/disable")
    visitor.send_form(f"/keys/{key.id}/delete")
    deleted = words(search(visitor, secret).text)
    assert "This was ' doomed ', deleted " in deleted
    assert "by root . It no longer works." in deleted
    last = "a" if secret[-1] != "a" else "b"
    assert "Damaged: the checksum does not match. Copy it again." in words(search(visitor, secret[:-1] + last).text)
    foreign = words(search(visitor, "kf_api_0000000000000000 kf_api_1111111111111111").text)
    assert "At character 1: Well-formed, but not made by this installation." in foreign
    assert "At character 25: Well-formed, but not made by this installation." in foreign


def test_words_lead_to_the_list(visitor: Visitor, live: LiveConsole) -> None:
    """What is no key is searched for, in an address that can be kept."""
    live.make("billing-worker")
    answer = search(visitor, "  billing  ")
    assert "/keys?q=billing" == answer.headers["location"]
    assert ["billing-worker"] == names_on(visitor.get(answer.headers["location"]).text)
    assert "/keys" == search(visitor, " ").headers["location"]
    assert "/keys" == visitor.get("/find").headers["location"]


@pytest.mark.parametrize("cut", [slice(0, -1), slice(24, None), slice(7, 70), slice(30, 60)])
def test_se_11_no_part_of_a_secret_gets_into_an_address_a_log_or_a_page(
    visitor: Visitor, live: LiveConsole, cut: slice, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret that lost a piece in copying is found by nothing, and repeated nowhere."""
    _, secret = live.make("cut short")
    text = secret[cut]
    with caplog.at_level(logging.DEBUG):
        answer = search(visitor, text)
    assert text not in answer.headers.get("location", "") + caplog.text
    assert text not in html.unescape(answer.text)


def test_a_long_text_is_answered_in_place(visitor: Visitor) -> None:
    """A line of a log without a key does not become an address, and the page says that there was none."""
    answer = search(visitor, "2026-11-29T12:00:00Z GET /items 200 " + "x" * 80)
    assert 200 == answer.status_code
    assert "No key was found in what you pasted." in words(answer.text)


def test_every_page_has_the_box(visitor: Visitor, live: LiveConsole) -> None:
    """The box is on top of every page, and its form is a POST."""
    key, _ = live.make()
    for path in ("/keys", "/keys/new", f"/keys/{key.id}", "/permissions", "/activity", "/settings", "/keys/x"):
        assert re.search(r'<form method="post" action="/find" role="search">', visitor.get(path).text), path


def test_the_box_is_for_those_who_may_read_keys(live: LiveConsole) -> None:
    """Who lacks keys:read is refused, whatever is pasted."""
    key, _ = live.make("unseen")
    _, secret = live.make("audits", key_type="admin", permissions=("audit:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        answer = visitor.post("/find", data={**hidden(visitor.get("/activity").text), "text": key.id})
        assert 403 == answer.status_code
        assert "unseen" not in answer.text
