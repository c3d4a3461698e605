"""How one gets in, and who has to wait."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest

from keyfob.runtime.runtime import Runtime
from keyfob_admin import sessions as sign_in
from keyfob_admin.console.origin import safe_next
from keyfob_admin.sessions import bucket_of
from tests.keyfob_admin.console.conftest import Installation, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.sessions import is_in


def test_an_admin_key_opens_the_console(live: LiveConsole) -> None:
    """Who signs in with an admin key is led to the keys, and the page says as whom."""
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(live.installation.admin_key)
        assert (303, "/keys") == (answer.status_code, answer.headers["location"])
        assert "Signed in as root" in words(visitor.get("/keys").text)


def test_spaces_around_a_pasted_key_do_not_matter(live: LiveConsole) -> None:
    """A key that was pasted with a line break still signs in."""
    with Visitor(live.url) as visitor:
        assert 303 == visitor.sign_in(f" {live.installation.admin_key}\n").status_code


@pytest.mark.parametrize("key", ["", "nonsense", "kf_admin_0000000000000000_" + "0" * 64, "\U0001f511" * 50])
def test_a_wrong_key_does_not(live: LiveConsole, key: str) -> None:
    """A wrong key is answered 401 with the words for it, and opens nothing."""
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(key)
        assert 401 == answer.status_code
        assert "That admin key isn't valid." in words(answer.text)
        assert not is_in(visitor)


def test_only_the_field_that_was_wrong_is_marked(live: LiveConsole) -> None:
    """A wrong admin key leaves the address and the passphrase unmarked, and the other way round; a used link all."""
    marked = r'<input id="(\w+)"[^>]* aria-invalid="true"'
    with Visitor(live.url) as visitor:
        assert ["key"] == re.findall(marked, visitor.sign_in("nonsense").text)
        person = visitor.send_form("/login", email="ana@example.com", passphrase="nothing like it")
        assert ["email", "passphrase"] == re.findall(marked, person.text)
        assert [] == re.findall(marked, visitor.get("/login/link/used").text)


def test_other_keys_do_not(live: LiveConsole) -> None:
    """A good key that is no admin key is answered like a wrong one."""
    _, secret = live.make()
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(secret)
        assert 401 == answer.status_code
        assert secret not in answer.text


def test_a_key_of_other_addresses_does_not(live: LiveConsole) -> None:
    """An admin key that is limited to other addresses does not sign in from here."""
    _, secret = live.make(key_type="admin", permissions=("keys:read",), ip_allow=("203.0.113.0/24",))
    with Visitor(live.url) as visitor:
        assert 401 == visitor.sign_in(secret).status_code


def test_signing_in_is_a_use_of_the_key(visitor: Visitor, live: LiveConsole) -> None:
    """The admin key's page soon says that it was used just now, from here."""
    said = ""
    for _ in range(100):
        said = words(visitor.get(f"/keys/{live.installation.admin.id}").text)
        if "from 127.0.0.1" in said:
            break
        time.sleep(0.05)  # uses are written once a second
    assert "just now from 127.0.0.1" in said


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(live: LiveConsole) -> None:
    """The address that was asked for is kept, and signing in leads there."""
    with Visitor(live.url) as visitor:
        answer = visitor.get("/activity?action=key.created")
        assert "/login?next=%2Factivity%3Faction%3Dkey.created" == answer.headers["location"]
        page = visitor.get(answer.headers["location"])
        signed_in = visitor.post("/login", data={**hidden(page.text), "key": live.installation.admin_key})
        assert "/activity?action=key.created" == signed_in.headers["location"]


def test_the_front_door_leads_where_one_may_go(live: LiveConsole) -> None:
    """The address of the console itself leads to the sign-in, and to the keys once signed in."""
    with Visitor(live.url) as visitor:
        assert "/login" == visitor.get("/").headers["location"]
        visitor.sign_in(live.installation.admin_key)
        assert "/keys" == visitor.get("/").headers["location"]
        assert "/keys" == visitor.get("/login").headers["location"]


ELSEWHERE = [
    "//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example", "/\t/evil.example", "evil",
    "javascript:alert(1)", "/ /evil", "/\n/evil", "", "/é", "/keys\\..", "///evil.example",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_never_leads_to_another_site(target: str) -> None:
    """What is not plainly a path inside the console leads to the front page."""
    assert "/keys" == safe_next(target)


@pytest.mark.parametrize("target", ["/keys", "/keys/abc?done=saved", "/activity?action=key.created&key=%20"])
def test_signing_in_leads_to_pages_inside(target: str) -> None:
    """A path of the console is followed as it is."""
    assert target == safe_next(target)


def test_the_form_belongs_to_the_browser_that_asked_for_it(live: LiveConsole) -> None:
    """A sign-in form that another browser was given is refused, so that nobody is signed in as somebody else."""
    with Visitor(live.url) as mine, Visitor(live.url) as theirs:
        mine.get("/login")
        form = {**hidden(theirs.get("/login").text), "key": live.installation.admin_key}
        assert 403 == mine.post("/login", data=form).status_code
        assert 303 == theirs.post("/login", data=form).status_code


# ---------------------------------------------------------------- the throttle


def test_too_many_failures_make_wait(live: LiveConsole) -> None:
    """After five failures a minute a wrong key is answered 429, also once a right one has signed in from there."""
    with Visitor(live.url) as visitor:
        for _ in range(5):
            assert 401 == visitor.sign_in("wrong").status_code
        answer = visitor.sign_in("wrong again")
        assert 429 == answer.status_code
        assert "Too many attempts. Try again in 60 seconds." in words(answer.text)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert 303 == visitor.sign_in(live.installation.admin_key).status_code
    with Visitor(live.url) as visitor:
        assert 429 == visitor.sign_in("wrong after a right one").status_code


async def test_the_wait_ends(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute later one may try again, and others may all the time."""
    monkeypatch.setattr(sign_in, "SLOW", 0.0)
    runtime = Runtime(installation.settings)
    door, now = sign_in.SignIn(runtime), runtime.now()
    for _ in range(5):
        await door.failed("192.0.2.1")
    assert 0 < await door.slow_down("192.0.2.1") <= 60
    assert 0 == await door.slow_down("192.0.2.2")
    runtime.now = lambda: now + timedelta(seconds=61)  # type: ignore[method-assign]
    assert 0 == await door.slow_down("192.0.2.1")
    await runtime.stop()


@pytest.mark.parametrize(
    ("ip", "bucket"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:0:1::2", "2001:db8:0:1::/64"), (None, "unknown")],
)
def test_failures_are_counted_for_whom(ip: str | None, bucket: str) -> None:
    """IPv6 failures are counted for a network, because one customer has all of its addresses."""
    assert bucket == bucket_of(ip)
