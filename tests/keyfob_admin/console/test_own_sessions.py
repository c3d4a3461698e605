"""One's own sessions: they are listed, one ends or all do, and nobody else's are touched."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.management.people.browser_rows import sealed_session
from keyfob.store.contract.console import Session
from keyfob.store.contract.key_store import EventQuery
from keyfob_admin import sessions
from keyfob_admin.console.browsers import browser_in_words
from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, hidden, running, words
from tests.keyfob_admin.console.people import CLI, PASSPHRASE, beside, closing, joined, opened, sign_in
from tests.keyfob_admin.console.sessions import SESSION, is_in

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.runtime.runtime import Runtime
    from tests.keyfob_admin.console.conftest import Installation

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Version/26.1 Mobile Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"


def at_home(live: LiveConsole, email: str = "ben@example.com", user_agent: str = FIREFOX) -> Visitor:
    """One more browser in which somebody who has joined signs in."""
    visitor = opened(live)
    visitor.headers["User-Agent"] = user_agent
    assert 303 == sign_in(visitor, email, PASSPHRASE).status_code
    return visitor


def rows_of(page: str) -> list[str]:
    """What each row of the list says, newest first."""
    return [words(row) for row in re.findall(r"<tr role=\"row\">(.*?)</tr>", page, re.DOTALL)[1:]]


def end(visitor: Visitor, row: int) -> int:
    """Press the button of a row."""
    page = visitor.get("/sessions").text
    handles = re.findall(r'name="session" value="([0-9a-f]+)"', page)
    return visitor.post("/sessions/end", data={**hidden(page), "session": handles[row]}).status_code


def test_each_browser_is_listed_with_what_is_known_of_it(live: LiveConsole) -> None:
    """Browser, address and time of each; this one is marked, and nobody else's is there."""
    _, ben = joined(live, "ben@example.com")
    joined(live, "eve@example.com")
    at_home(live, user_agent=SAFARI)
    here = at_home(live)
    rows = rows_of(here.get("/sessions").text)

    assert 3 == len(rows)
    assert rows[0].startswith("Firefox on Linux This one 127.0.0.1")
    assert rows[1].startswith("Safari on an iPhone 127.0.0.1")
    assert rows[2].startswith("Unknown browser 127.0.0.1")
    assert "Your sessions" in words(ben.get("/keys").text)


def test_one_session_ends_and_the_others_stay(live: LiveConsole) -> None:
    """The browser that was signed out is out with its next request, and History says who did it."""
    person, ben = joined(live, "ben@example.com")
    phone, here = at_home(live, user_agent=SAFARI), at_home(live)

    assert 303 == end(here, 1)
    assert [True, False, True] == [is_in(ben), is_in(phone), is_in(here)]
    (last,) = beside(live, lambda runtime: runtime.store.events(EventQuery(actor=person.id, limit=1)))
    assert ("console.signed_out", "another session") == (last.event.action, last.event.detail["ended"])


def test_the_session_of_this_browser_is_signed_out_of(live: LiveConsole) -> None:
    """Its button does what Sign out does: the cookie goes as well."""
    joined(live, "ben@example.com")
    here = at_home(live)
    assert 303 == end(here, 0)
    assert (False, None) == (is_in(here), here.cookies.get(SESSION))


def test_signing_out_everywhere_ends_all_sessions_of_oneself_alone(live: LiveConsole) -> None:
    """Every browser is out, this one included, on every worker; other people and admin keys stay in."""
    _, ben = joined(live, "ben@example.com")
    _, eve = joined(live, "eve@example.com")
    phone = at_home(live, user_agent=SAFARI)
    root = opened(live)
    root.sign_in(live.installation.admin_key)
    with running(live.installation) as url, Visitor(url, cookies=phone.cookies) as elsewhere:
        assert is_in(elsewhere)
        answer = ben.post("/sessions/end-all", data=hidden(ben.get("/sessions").text))
        assert ("/login", None) == (answer.headers["location"], ben.cookies.get(SESSION))
        assert [False, False, False] == [is_in(ben), is_in(phone), is_in(elsewhere)]
    assert [True, True] == [is_in(eve), is_in(root)]
    assert 303 == sign_in(ben, "ben@example.com", PASSPHRASE).status_code


def test_an_admin_key_lists_the_sessions_with_that_key(live: LiveConsole) -> None:
    """Another admin key's sessions are not among them, and end with it alone."""
    _, other_key = live.make("second", key_type="admin", permissions=("*",))
    one, two, other = opened(live), opened(live), opened(live)
    for visitor, key in ((one, live.installation.admin_key), (two, live.installation.admin_key), (other, other_key)):
        assert 303 == visitor.sign_in(key).status_code
    assert [2, 1] == [len(rows_of(visitor.get("/sessions").text)) for visitor in (one, other)]
    one.post("/sessions/end-all", data=hidden(one.get("/sessions").text))
    assert [False, False, True] == [is_in(one), is_in(two), is_in(other)]


def test_nobody_ends_the_session_of_somebody_else(live: LiveConsole) -> None:
    """What a form of one's own names is good in that session alone; made up names end nothing."""
    _, ben = joined(live, "ben@example.com")
    _, eve = joined(live, "eve@example.com")
    mine = re.findall(r'name="session" value="([0-9a-f]+)"', ben.get("/sessions").text)
    form = hidden(eve.get("/sessions").text)
    for named in (*mine, "", "0" * 64, "é"):
        assert 303 == eve.post("/sessions/end", data={**form, "session": named}).status_code
    assert [True, True] == [is_in(ben), is_in(eve)]
    assert 403 == ben.post("/sessions/end-all", data={"csrf": form["csrf"]}).status_code
    assert is_in(ben)


def test_a_session_that_has_run_out_or_was_forged_is_not_listed(live: LiveConsole) -> None:
    """What the database still holds of it opens nothing, so there is nothing to end."""
    person, ben = joined(live, "ben@example.com")

    async def add(runtime: Runtime) -> None:
        entry, began = runtime.keyring.signing(), runtime.now() - timedelta(hours=9)
        over = Session(b"over", None, b"", None, began, began + timedelta(hours=8), person.id)
        forged = Session(b"forged", None, b"m" * 32, None, began, began + timedelta(hours=18), person.id)
        event = CLI.did("console.signed_in", began, team=TEAM)
        for one in (sealed_session(entry, over), forged):
            assert await sessions.console_of(runtime.store).add_session(one, event)

    beside(live, add)
    assert 1 == len(rows_of(ben.get("/sessions").text))


def test_the_page_shows_no_secret(live: LiveConsole) -> None:
    """Neither the token nor what the database knows it by is on the page, and no address holds a session."""
    person, _ = joined(live, "ben@example.com")
    here = at_home(live)
    page = here.get("/sessions").text

    async def hashes(runtime: Runtime) -> list[str]:
        return [one.id_hash.hex() for one in await runtime.store.people.sessions(person.id)]

    for secret in (here.cookies[SESSION], *beside(live, hashes)):
        assert secret not in page
    for handle in re.findall(r'name="session" value="([0-9a-f]+)"', page):
        assert not re.search(rf'(href|action)="[^"]*{handle}', page)


async def _last_use(runtime: Runtime, installation: Installation, passes: timedelta) -> datetime | None:
    """Sign in, use the session after that time, and tell when it was last used."""
    began, door = runtime.now(), sessions.SignIn(runtime)
    token = await door.with_key(installation.admin_key, None)
    runtime.now = lambda: began + passes  # type: ignore[method-assign]
    found = await door.who(token or "", None)
    assert found is not None
    (stored,) = await sessions.console_of(runtime.store).sessions_like(found.session)
    return stored.last_used_at


@pytest.mark.parametrize(("passes", "is_noted"), [(timedelta(seconds=40), False), (timedelta(seconds=90), True)])
async def test_the_last_use_is_known_to_the_minute(
    installation: Installation, passes: timedelta, *, is_noted: bool
) -> None:
    """A page that is opened within a minute of the last note writes nothing."""
    async with installation.opened() as runtime:
        assert is_noted == (await _last_use(runtime, installation, passes) is not None)


async def test_a_note_that_cannot_be_written_stops_no_page(installation: Installation) -> None:
    """Where the database takes no note, the session is as good as before."""

    async def refuse(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    async with installation.opened() as runtime:
        runtime.store.note = refuse  # type: ignore[attr-defined]
        assert await _last_use(runtime, installation, timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on an iPhone"),
        (EDGE, "Edge on Windows"),
        (EDGE.replace("Edg/", "OPR/"), "Opera on Windows"),
        (EDGE.partition(" Edg")[0], "Chrome on Windows"),
        ("Firefox/1", "Firefox"),
        ("curl/8.5.0", None),
        ("<script>", None),
        ("", None),
    ],
)
def test_a_browser_is_named_in_words_of_our_own(user_agent: str, said: str | None) -> None:
    """Whatever a client calls itself, only names from a fixed list are stored and shown."""
    assert said == browser_in_words(user_agent)
