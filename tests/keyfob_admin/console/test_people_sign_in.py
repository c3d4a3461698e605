"""People join by a link and sign in with a passphrase; what is wrong says nothing of who is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from keyfob.config.people import PeopleSettings
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob_admin.console.beside_the_store import dumped, execute
from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.people import CLI, PASSPHRASE, beside, closing, invited, join, joined, opened, sign_in
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines


def test_a_link_lets_somebody_in_once(live: LiveConsole) -> None:
    """A mail scanner's GET uses nothing; a wrong passphrase neither; the second one to join is told it was used."""
    person, path = invited(live, "ben@example.com")
    with Visitor(live.url) as ben, Visitor(live.url) as late:
        for _ in range(3):
            assert 200 == opened(live).get(path).status_code
        form = hidden(late.get(path).text)
        assert 422 == join(ben, path, "short").status_code
        assert 422 == join(ben, path, "passwordpassword").status_code
        assert 422 == ben.send_form(path, passphrase=PASSPHRASE, again="another one altogether").status_code
        assert 303 == join(ben, path).status_code
        assert is_in(ben)
        assert (
            410
            == late.post(
                path, data={**form, "passphrase": "eve was here first", "again": "eve was here first"}
            ).status_code
        )
        assert 410 == late.get(path).status_code
        assert not is_in(late)
        assert person.email is not None
        assert person.email in words(ben.get("/keys").text)


def test_a_passphrase_signs_in_and_out(live: LiveConsole) -> None:
    """The address counts in any case; signing out ends the session, and History knows the person."""
    person, _ = joined(live, "ben@example.com")
    with Visitor(live.url) as ben:
        assert 401 == sign_in(ben, "ben@example.com", "not the right one").status_code
        assert 303 == sign_in(ben, "BEN@example.com").status_code
        assert is_in(ben)
        ben.post("/logout", data=hidden(ben.get("/keys").text))
        assert not is_in(ben)

    async def events(runtime: Runtime) -> list[tuple[str, str | None]]:
        found = await runtime.store.events(EventQuery(actor=person.id))
        return [(one.event.action, one.event.actor_id) for one in reversed(found)]

    done = ["person.joined", "console.signed_in", "console.signed_in", "console.signed_out"]
    assert [(action, person.id) for action in done] == beside(live, events)


def test_nothing_tells_whether_an_address_is_known(live: LiveConsole) -> None:
    """A wrong passphrase, an unknown address, an invitation and somebody who left all get the same page."""
    joined(live, "ben@example.com")
    invited(live, "new@example.com")
    gone, _ = joined(live, "gone@example.com")
    beside(live, lambda runtime: runtime.offboarding.run(gone.id, keys="keep", actor=CLI))
    pages = []
    for email in ("ben@example.com", "nobody@example.com", "new@example.com", "gone@example.com"):
        with Visitor(live.url) as visitor:
            answer = sign_in(visitor, email, PASSPHRASE + "!" if email.startswith("ben") else PASSPHRASE)
            pages.append((answer.status_code, words(answer.text).replace(email, "")))

    assert [pages[0]] * 4 == pages
    assert 401 == pages[0][0]


def test_ff_55_many_failures_hold_passphrases_back(live: LiveConsole) -> None:
    """After five failures passphrases are 429, known or not, right or not; elsewhere the right one still passes."""
    joined(live, "ben@example.com")
    second, third = (httpx.HTTPTransport(local_address=f"127.0.0.{number}") for number in (2, 3))
    with Visitor(live.url) as visitor, Visitor(live.url, transport=second) as ben:
        for _ in range(5):
            assert 401 == sign_in(visitor, "ben@example.com", "wrong").status_code
        for email in ("ben@example.com", "nobody@example.com"):
            assert 429 == sign_in(visitor, email, "wrong").status_code
        assert 429 == sign_in(visitor, "ben@example.com").status_code
        assert 429 == sign_in(ben, "ben@example.com", "wrong").status_code
        with Visitor(live.url, transport=third) as eve, ThreadPoolExecutor(2) as at_once:
            wrong = {**hidden(eve.get("/login").text), "email": "ben@example.com", "passphrase": "wrong"}
            list(at_once.map(lambda _: eve.post("/login", data=wrong), range(5)))
            assert 429 == sign_in(eve, "ben@example.com").status_code
        assert 303 == sign_in(ben, "ben@example.com").status_code


def test_a_removal_is_in_force_on_the_next_page(live: LiveConsole) -> None:
    """Page requests read person and role anew: a form that was open changes nothing, and the session is gone."""
    ana, visitor = joined(live, "ana@example.com", "team_admin")
    form = hidden(visitor.get("/people/invite").text)

    beside(live, lambda runtime: runtime.people.set_role(TEAM, ana.id, "auditor", actor=CLI))
    refused = visitor.post("/people/invite", data={**form, "email": "eve@example.com", "role": "member"})
    assert (403, True) == (refused.status_code, "Your role doesn't hold people:write" in words(refused.text))
    beside(live, lambda runtime: runtime.people.remove(TEAM, ana.id, actor=CLI))
    assert 303 == visitor.get("/people").status_code
    assert not is_in(visitor)
    with Visitor(live.url) as again:
        assert 401 == sign_in(again, "ana@example.com").status_code


def test_a_new_link_ends_what_was_before(live: LiveConsole) -> None:
    """Whoever sets a new passphrase ends the sessions and links that there were."""
    ben, before = joined(live, "ben@example.com")

    async def link(runtime: Runtime) -> str:
        made = await runtime.person_links.way_back(ben.id, actor=CLI)
        return f"/invitation/{made.token}"

    older, newer = beside(live, link), beside(live, link)
    with Visitor(live.url) as visitor:
        assert 410 == visitor.get(older).status_code
        assert is_in(before)
        assert 303 == join(visitor, newer, "six grey doves at noon").status_code
        assert not is_in(before)
        assert 303 == sign_in(opened(live), "ben@example.com", "six grey doves at noon").status_code


def test_sign_in_by_people_can_be_off(live: LiveConsole) -> None:
    """Without a way in the page asks for an admin key alone, and no session of a person counts."""
    _, path = invited(live, "ben@example.com")
    joined(live, "ana@example.com")
    installation = live.installation
    off = PeopleSettings(sign_in=())
    assert () == off.sign_in
    object.__setattr__(installation.settings, "people", off)
    with Visitor(live.url) as visitor:
        assert "Passphrase" not in words(visitor.get("/login").text)
        assert 401 == visitor.send_form("/login", email="ana@example.com", passphrase=PASSPHRASE).status_code
        assert 410 == visitor.get(path).status_code


@pytest.mark.parametrize("what", ["session", "passphrase", "role"])
def test_a_row_of_somebody_without_the_keyring_opens_nothing(live: LiveConsole, what: str) -> None:
    """A session, a passphrase or a role that is written into the database is refused (FF-19)."""
    ben, visitor = joined(live, "ben@example.com")
    ana, _ = joined(live, "ana@example.com", "owner")
    statements = {
        "session": "UPDATE sessions SET person_id = 'ANA' WHERE person_id = 'BEN'",
        "passphrase": (
            "UPDATE people SET passphrase = (SELECT passphrase FROM people WHERE id = 'BEN') WHERE id = 'ANA'"
        ),
        "role": "UPDATE memberships SET role = 'owner' WHERE person = 'BEN'",
    }
    statement = statements[what].replace("ANA", ana.id).replace("BEN", ben.id)
    execute(live.installation.settings.store or "", statement)

    if what == "passphrase":
        with Visitor(live.url) as eve:
            assert 401 == sign_in(eve, "ana@example.com").status_code
    else:
        assert not is_in(visitor)


def test_no_passphrase_is_kept_or_shown(live: LiveConsole) -> None:
    """The database has its Argon2id hash alone; a refused form does not repeat it."""
    person, path = invited(live, "ben@example.com")
    with Visitor(live.url) as visitor:
        page = visitor.send_form(path, passphrase=PASSPHRASE, again="another")
        assert PASSPHRASE not in page.text
        join(visitor, path)
    dump = dumped(live.installation.settings.store or "")
    assert person.id in dump
    assert PASSPHRASE not in dump
    assert path.rpartition("/")[2] not in dump
