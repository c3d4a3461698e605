"""Whose form it is: what another site, another session or no form at all sends changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_forms import NEW

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord


def changes(key: KeyRecord) -> list[str]:
    """Every address that changes something."""
    one = f"/keys/{key.id}"
    return [NEW, f"{one}/duplicate", f"{one}/edit", f"{one}/disable", f"{one}/enable", f"{one}/delete", "/settings", "/logout", "/theme"]  # fmt: skip  # noqa: E501


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "none", "Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_co_01_another_sites_form_changes_nothing(visitor: Visitor, live: LiveConsole, headers: dict[str, str]) -> None:
    """A request that another site's page sent is 403, even with the session and the right token."""
    key, _ = live.make("untouched")
    token = hidden(visitor.get("/keys").text)["csrf"]
    sent = {name: value for name, value in headers.items() if value}
    with Visitor(live.url, headers=sent, cookies=visitor.cookies) as foreign:
        if not headers["Sec-Fetch-Site"]:
            del foreign.headers["Sec-Fetch-Site"]
        for path in changes(key):
            answer = foreign.post(
                path, data={"csrf": token, "name": "changed", "permission": "items:read", "draft": "d"}
            )
            assert 403 == answer.status_code, path
    assert "untouched" in visitor.get(f"/keys/{key.id}").text
    assert "No keys match" in visitor.get("/keys?q=changed").text


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_co_01_a_form_without_its_token_changes_nothing(visitor: Visitor, live: LiveConsole, token: str | None) -> None:
    """A form that does not carry the session's token is 403."""
    key, _ = live.make("untouched")
    for path in changes(key):
        answer = visitor.post(path, data={"name": "changed", **({} if token is None else {"csrf": token})})
        assert 403 == answer.status_code, path
    assert 200 == visitor.get(f"/keys/{key.id}").status_code
    assert "active" in words(visitor.get(f"/keys/{key.id}").text).lower()


def test_co_01_another_sessions_token_is_none(visitor: Visitor, live: LiveConsole) -> None:
    """The token belongs to one session, not to everybody who is signed in."""
    key, _ = live.make()
    with Visitor(live.url) as other:
        other.sign_in(live.installation.admin_key)
        token = hidden(other.get("/keys").text)["csrf"]
    assert 403 == visitor.post(f"/keys/{key.id}/disable", data={"csrf": token}).status_code


def test_browsers_without_fetch_metadata_are_believed_by_their_origin(visitor: Visitor, live: LiveConsole) -> None:
    """Where Sec-Fetch-Site is missing, the console's own origin passes with the token, and so does `null`."""
    key, _ = live.make()
    token = hidden(visitor.get("/keys").text)["csrf"]
    del visitor.headers["Sec-Fetch-Site"]
    for origin in (live.url, "null"):
        answer = visitor.post(f"/keys/{key.id}/disable", data={"csrf": token}, headers={"Origin": origin})
        assert 303 == answer.status_code


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_co_02_only_a_form_is_a_form(visitor: Visitor, live: LiveConsole, media_type: str) -> None:
    """What is not urlencoded is 415, whatever it says."""
    key, _ = live.make()
    token = hidden(visitor.get("/keys").text)["csrf"]
    answer = visitor.post(f"/keys/{key.id}/disable", content=f"csrf={token}", headers={"Content-Type": media_type})
    assert 415 == answer.status_code


def test_a_huge_form_is_refused(visitor: Visitor) -> None:
    """More than 64 KiB, or a thousand fields, is nothing that the console has made."""
    assert 413 == visitor.post(NEW, data={"name": "x" * 70_000}).status_code
    assert (
        400
        == visitor.post(
            NEW, content="a=&" * 1500, headers={"Content-Type": "application/x-www-form-urlencoded"}
        ).status_code
    )
