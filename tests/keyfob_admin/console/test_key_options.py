"""What stands under "More options" of the form, how long keys live unless told otherwise, and names that are there."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import Invalid
from keyfob.policy.key_types import DEFAULT_KEY_TYPES, KeyType
from keyfob_admin.console import metadata_text
from keyfob_admin.console.key_form import usual_expiry
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, installed, running, words
from tests.keyfob_admin.console.key_forms import NEW, id_of, made

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"customer": "Globex", "seats": 7, "share": 0.5, "trial": False},
        {"text": "7", "yes": "true", "quoted": '"x"', "colon": "a: b", "blank": " x ", "lines": "a\nb", "none": ""},
        {"emoji": "\N{KEY}", "null": "null", "list": "[1]"},
    ],
)
def test_metadata_is_read_as_it_was_written(metadata: dict[str, Any]) -> None:
    """Whatever a key has comes back from the form as it was, with its kind."""
    assert metadata == metadata_text.read(metadata_text.written(metadata))


def test_what_a_form_no_longer_has_is_removed() -> None:
    """A name that was deleted from the text is removed from the key; a line without a name is refused."""
    assert {"a": None, "b": "2x"} == metadata_text.read("b: 2x", ("a", "b"))
    for text in ("customer", ": x"):
        with pytest.raises(Invalid):
            metadata_text.read(text)


def test_metadata_and_external_id_are_the_keys(visitor: Visitor) -> None:
    """Both are on the key's page, can be changed there, and a copy begins with them."""
    sent = {"metadata": "customer: Globex\nseats: 7", "external_id": "globex-0417", "permission": "items:read"}
    key = f"/keys/{id_of(made(visitor.send_form(NEW, name='customer', **sent)))}"
    said = words(visitor.get(key).text)
    assert "External ID globex-0417" in said
    assert "Metadata customer Globex seats 7" in said
    form = visitor.get(f"{key}/edit").text
    assert ">customer: Globex\nseats: 7</textarea>" in form
    changed = {**sent, "metadata": "seats: 8", "external_id": "", "expires": "never"}
    assert 303 == visitor.send_form(f"{key}/edit", name="customer", **changed).status_code
    after = words(visitor.get(key).text)
    assert "Metadata seats 8" in after
    assert "Globex" not in after.replace("Team acme acme Globex", "")
    assert "External ID" not in after
    assert ">seats: 8</textarea>" in visitor.get(f"{key}/duplicate").text


def test_wrong_metadata_is_said_at_its_field(visitor: Visitor) -> None:
    """The form comes back open at what is wrong, with what was typed."""
    answer = visitor.send_form(NEW, name="x", permission="items:read", metadata="no colon")
    assert 422 == answer.status_code
    assert '<a href="#metadata">Write one name and value a line, for example customer: Globex</a>' in answer.text
    assert '<details class="more" open>' in answer.text
    bad = visitor.send_form(NEW, name="x", permission="items:read", metadata="a name: x")
    assert 422 == bad.status_code
    assert 'id="metadata-mistake"' in bad.text


def test_a_key_is_handed_over_without_being_seen(visitor: Visitor) -> None:
    """With the tick the answer has a link and no secret; the link's page shows it to whoever presses the button."""
    answer = visitor.send_form(NEW, name="for them", permission="items:read", handover="72h")
    assert 201 == answer.status_code
    assert "Send this link" in words(answer.text)
    assert not re.search(r"kf_api_[0-9A-Za-z]{16}_", answer.text)
    link = re.search(r"/handover/[\w-]+", answer.text)
    assert link is not None
    with Visitor(str(visitor.base_url)) as stranger:
        page = stranger.get(link[0]).text
        token = re.findall(r'name="csrf" value="([^"]+)"', page)[-1]
        made(stranger.post(link[0], data={"csrf": token}))


def test_a_second_key_of_one_name_is_pointed_out(visitor: Visitor, live: LiveConsole) -> None:
    """Two keys may have one name; the page of the second one says that there is another."""
    live.make("twin")
    assert "already a key named" not in words(visitor.send_form(NEW, name="only", permission="items:read").text)
    said = words(visitor.send_form(NEW, name="twin", permission="items:read").text)
    assert "There is already a key named 'twin'. Both work." in said


@pytest.mark.parametrize(
    ("key_type", "expected"),
    [
        (DEFAULT_KEY_TYPES["api"], "90"),
        (DEFAULT_KEY_TYPES["scim"], "never"),
        (DEFAULT_KEY_TYPES["admin"], "never"),
        (KeyType("x", "X", default_lifetime=timedelta(days=30)), "30"),
        (KeyType("x", "X", max_lifetime=timedelta(days=45)), "30"),
        (KeyType("x", "X", max_lifetime=timedelta(days=400)), "90"),
        (KeyType("x", "X", max_lifetime=timedelta(days=7)), "date"),
        (KeyType("x", "X", expiry_required=True), "90"),
    ],
)
def test_how_long_a_new_key_lives_unless_told_otherwise(key_type: KeyType, expected: str) -> None:
    """The form begins with what the type's policy says, else with 90 days; what runs for ever never ends."""
    assert expected == usual_expiry(key_type)


def test_never_is_not_offered_where_keys_must_expire(tmp_path: Path) -> None:
    """A policy that demands an end takes the choice away."""
    types = {"api": {"label": "Public API key", "expiry": "required"}}
    installation = asyncio.run(installed(tmp_path, key_types=types))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        assert 'value="never"' not in visitor.get(NEW).text
        assert 'value="never"' in visitor.get("/keys/new?type=admin").text


@pytest.mark.cases("FF-39")
def test_a_picked_date_is_used_whatever_stands_beside_it(visitor: Visitor) -> None:
    """Without scripts the date is there beside "Never"; a day that was picked is meant."""
    answer = visitor.send_form(NEW, name="x", permission="items:read", expires="never", expires_on="2099-12-31")
    assert "31 Dec 2099, 23:59 UTC" in words(visitor.get(f"/keys/{id_of(made(answer))}").text)


def test_without_scripts_the_summary_is_brought_up_to_date(visitor: Visitor) -> None:
    """A button that only shows without scripts sums up what is ticked, and makes no key."""
    page = visitor.get(NEW).text
    assert '<noscript><button name="preset" value="kept">Update summary</button></noscript>' in page
    form = {**hidden(page), "name": "x", "permission": ["items:read", "users:write"], "preset": "kept"}
    said = words(visitor.post(NEW, data=form).text)
    assert "This key will be able to: read items, invite and change users" in said
