"""The page on which somebody collects a key that was made for them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from keyfob.management.key_drafts import KeyDraft
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, change, hidden, words
from tests.keyfob_admin.console.key_forms import NEW

if TYPE_CHECKING:
    from keyfob.management.keys import CreatedKey

pytestmark = pytest.mark.both_engines
SECRET = re.compile(r"kf_api_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}")


def pending(live: LiveConsole) -> tuple[CreatedKey, str]:
    """Make a pending key, and give it with the path of its link."""

    async def make() -> CreatedKey:
        async with live.installation.opened() as runtime:
            wanted = KeyDraft("partner", permissions=("items:read",))
            return await runtime.lifecycle.handovers.create(TEAM, wanted, actor=ANA)

    made = asyncio.run(make())
    return made, f"/handover/{made.link.token if made.link else ''}"


def test_looking_makes_nothing_and_the_button_makes_the_secret(live: LiveConsole) -> None:
    """Mail programs look, too. The button answers with the secret, which works, without a redirect or a sign-in."""
    _, path = pending(live)
    with Visitor(live.url) as visitor:
        for _ in range(2):
            seen = visitor.get(path)
            assert (200, None) == (seen.status_code, SECRET.search(seen.text))
        shown = visitor.send_form(path)

    found = SECRET.search(shown.text)
    assert found is not None
    assert (201, "no-store") == (shown.status_code, shown.headers["cache-control"])
    assert "This is the only time the secret is shown." in words(shown.text)

    async def is_good() -> bool:
        async with live.installation.opened() as runtime:
            return hasattr(await runtime.inspect(found[0]), "grant")

    assert asyncio.run(is_good())


def test_whoever_comes_second_learns_when_and_from_where(live: LiveConsole) -> None:
    """A used link shows no secret, by GET or by POST, but whom to tell."""
    made, path = pending(live)
    with Visitor(live.url) as first, Visitor(live.url) as second:
        form = hidden(second.get(path).text)
        assert 201 == first.send_form(path).status_code
        for answer in (second.get(path), second.post(path, data=form)):
            assert (410, None) == (answer.status_code, SECRET.search(answer.text))
            assert "This key was collected" in words(answer.text)
            assert "127.0.0.1" in words(answer.text)
            assert f"tell {made.key.created_by.name}" in words(answer.text)


def test_a_link_that_opens_nothing_says_so(live: LiveConsole) -> None:
    """Unknown, damaged, and of a key that was disabled since: the same page, which tells nothing of the key."""
    made, path = pending(live)
    change(live.installation, lambda runtime: runtime.lifecycle.disable(TEAM, made.key.id, actor=ANA))
    with Visitor(live.url) as visitor:
        for wrong in ("/handover/nothing", f"{path}x", path):
            answer = visitor.get(wrong)
            assert 410 == answer.status_code
            assert "This link doesn't work any more." in words(answer.text)
            assert "partner" not in answer.text


def test_another_sites_form_collects_nothing(live: LiveConsole) -> None:
    """Without the token that this browser was given, the button makes nothing."""
    _, path = pending(live)
    with Visitor(live.url) as visitor:
        visitor.get(path)
        assert 403 == visitor.post(path, data={"csrf": "0" * 64}).status_code
        assert 403 == visitor.post(path, data={}, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        assert 200 == visitor.get(path).status_code


def test_who_is_signed_in_can_collect_and_make_a_new_link(live: LiveConsole, visitor: Visitor) -> None:
    """The session's own form token counts; a new link is shown once, and the one before it opens nothing."""
    made, path = pending(live)
    csrf = hidden(visitor.get(f"/keys/{made.key.id}").text)["csrf"]
    renewed = visitor.post(f"/keys/{made.key.id}/handover", data={"csrf": csrf})
    link = re.search(rf"{live.url}(/handover/[^<\s]+)", renewed.text)

    assert link is not None
    assert (201, 410) == (renewed.status_code, visitor.get(path).status_code)
    assert SECRET.search(visitor.send_form(link[1]).text)


def test_a_form_that_was_sent_before_says_what_became_of_its_link(visitor: Visitor) -> None:
    """Going back, or pressing twice, shows the pending key, of which it is not said that its secret was shown."""
    form = {**hidden(visitor.get(NEW).text), "name": "partner", "permission": "items:read", "handover": "72h"}
    assert "Send this link" in words(visitor.post(NEW, data=form).text)
    again = visitor.post(NEW, data=form)
    said = words(visitor.get(again.headers["location"]).text)
    assert "The link that it made can't be shown again; New Link makes another one." in said
    assert "already generated" not in said


def test_over_plain_http_no_secret_is_shown(live: LiveConsole) -> None:
    """From another machine than this one the page asks for https, and shows no button."""
    _, path = pending(live)
    elsewhere = {"Host": "keys.example.com"}
    with Visitor(live.url, headers=elsewhere) as visitor:
        seen = visitor.get(path)
        assert "Open the link over https" in words(seen.text)
        assert "<button" not in seen.text.partition("<main")[2]
