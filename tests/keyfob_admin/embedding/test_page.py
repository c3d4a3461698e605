"""The Keys page inside an application: who is there comes from the application, and nobody sees another team."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.people.record import GivenBy, Membership, Source
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob_admin.console.conftest import ANA, SECRET, hidden, words
from tests.keyfob_admin.embedding.conftest import ANN, BOB, EVE, PREFIX, Application

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from tests.keyfob_admin.console.conftest import Visitor

pytestmark = pytest.mark.both_engines
KEYS = f"{PREFIX}/keys"
NEW = f"{KEYS}/new?type=api"


def made(visitor: Visitor, name: str, permission: str = "items:read") -> str:
    """Make a key on the page, and give its id."""
    answer = visitor.send_form(NEW, name=name, permission=permission)
    assert 201 == answer.status_code, words(answer.text)
    found = SECRET.search(answer.text)
    assert found is not None
    return found[0].split("_")[2]


def stored(application: Application, team: str, known_by: str) -> Person | None:
    """Read the person of (*team*, *known_by*) from the database."""

    async def read() -> Person | None:
        async with application.installation.opened() as runtime:
            return await runtime.store.people.of_subject(Source.APP, f"{team}/{known_by}")

    return asyncio.run(read())


def test_people_make_and_end_keys_of_their_team(application: Application) -> None:
    """A team admin sees a member's key, edits, disables, enables and deletes it; the member sees only their own."""
    with application.visitor("ann") as ann, application.visitor("bob") as bob:
        assert f"{KEYS}" == ann.get(f"{PREFIX}/").headers["location"]
        of_bob, of_ann = made(bob, "Bob's"), made(ann, "Ann's")
        assert "Bob's" in words(ann.get(KEYS).text)
        assert "Ann's" not in words(bob.get(KEYS).text)
        assert 404 == bob.get(f"{KEYS}/{of_ann}").status_code
        for tab in ("", "/permissions", "/activity", "/edit", "/duplicate", "/disable", "/replace"):
            assert 200 == ann.get(f"{KEYS}/{of_bob}{tab}").status_code, tab
        token = hidden(ann.get(KEYS).text)
        for action in ("disable", "enable", "disable", "delete"):
            assert 303 == ann.post(f"{KEYS}/{of_bob}/{action}", data=token).status_code, action
        history = words(ann.get(f"{PREFIX}/activity").text)
        assert "Deleted" in history
        assert "Bob's" in ann.get(f"{PREFIX}/activity/export.csv").text
        assert "Bob's" in ann.get(f"{PREFIX}/activity/export.ndjson").text
        assert 403 == bob.get(f"{PREFIX}/activity").status_code
        assert "History" not in words(bob.get(KEYS).text)


def test_a_form_makes_one_key(application: Application) -> None:
    """Sending the form a second time leads to the key that it made."""
    with application.visitor("ann") as ann:
        form = {**hidden(ann.get(NEW).text), "name": "once", "permission": "items:read"}
        assert 201 == ann.post(NEW, data=form).status_code
        again = ann.post(NEW, data=form)
        assert 303 == again.status_code
        assert "again=1" in again.headers["location"]


def test_other_teams_are_not_there(application: Application) -> None:
    """An owner of another team, whose id in the application is the same, is somebody else and finds nothing."""
    with application.visitor("ann") as ann, application.visitor("eve") as eve:
        key = made(ann, "Ann's")
        token = hidden(eve.get(KEYS).text)
        for tab in ("", "/permissions", "/activity", "/edit", "/duplicate", "/disable", "/delete", "/replace"):
            assert 404 == eve.get(f"{KEYS}/{key}{tab}").status_code, tab
        for action in ("edit", "duplicate", "disable", "enable", "delete", "replace", "handover"):
            assert 404 == eve.post(f"{KEYS}/{key}/{action}", data=token).status_code, action
        assert 404 == eve.get(f"{KEYS}?team=acme").status_code
        assert 404 == eve.get(f"{PREFIX}/activity?team=acme").status_code
        assert "Ann" not in words(eve.get(f"{PREFIX}/activity?scope=all").text)
        assert "Ann" not in words(eve.get(f"{KEYS}?deleted={key}").text)
        assert "Ann's" not in words(eve.post(f"{PREFIX}/find", data={**token, "text": key}).text)
        assert "Ann's" not in words(eve.post(f"{KEYS}/disable", data={**token, "key": key}).text)
    first, second = stored(application, "acme", "1"), stored(application, "globex", "1")
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_admin_keys_are_not_there(application: Application) -> None:
    """Neither list, totals, search, History, exports, key page nor forms know the team's admin key, nor make one."""
    admin = application.installation.admin
    with application.visitor("ann") as ann:
        assert "Keys 0" in words(ann.get(KEYS).text)
        made(ann, "Ann's")
        token = hidden(ann.get(KEYS).text)
        pages = [
            ann.get(KEYS),
            ann.get(f"{KEYS}?type=admin"),
            ann.get(f"{KEYS}?q=root"),
            ann.get(f"{PREFIX}/activity"),
            ann.get(f"{PREFIX}/activity?key={admin.id}"),
            ann.get(f"{PREFIX}/activity/export.csv"),
            ann.get(f"{PREFIX}/activity/export.ndjson"),
            ann.get(f"{KEYS}/new"),
            ann.get(f"{KEYS}/new?type=admin"),
            ann.get(f"{KEYS}/{admin.id}"),
            ann.post(f"{PREFIX}/find", data={**token, "text": f"it is {admin.id}, or so"}),
            ann.post(f"{KEYS}/disable", data={**token, "key": admin.id}),
        ]
        for page in pages:
            assert "root" not in words(page.text), page.url
            assert f'href="{KEYS}/{admin.id}' not in page.text, page.url
        assert "Keys 1" in words(pages[0].text)
        assert 404 == pages[9].status_code
        form = {**hidden(ann.get(NEW).text), "name": "sly", "permission": "keys:read"}
        assert 404 == ann.post(f"{KEYS}/new?type=admin", data=form).status_code


@pytest.mark.parametrize(
    "path", ["/people", "/settings", "/permissions", "/login", "/logout", "/v1/whoami", "/nothing"]
)
def test_the_rest_of_the_console_is_not_there(application: Application, path: str) -> None:
    """Only keys, History and the theme are served, and nothing else is linked."""
    with application.visitor("ann") as ann:
        assert ann.get(PREFIX + path).status_code in {404, 405}
        assert ann.post(PREFIX + path, data=hidden(ann.get(KEYS).text)).status_code in {404, 405}
        assert f'"{PREFIX}{path}' not in ann.get(KEYS).text


def test_a_form_is_bound_to_browser_and_person(application: Application) -> None:
    """Another browser's token, another person's, none, and another site's request change nothing."""
    with application.visitor("ann") as ann, application.visitor("ann") as other, application.visitor("bob") as bob:
        key = made(ann, "Ann's")
        form = hidden(ann.get(KEYS).text)
        forged = [hidden(other.get(KEYS).text), hidden(bob.get(KEYS).text), {"csrf": "0" * 64}, {"csrf": ""}]
        bob_in_anns_browser = ann.get(KEYS, headers={"X-User": "bob"})
        for token in (*forged, hidden(bob_in_anns_browser.text)):
            assert 403 == ann.post(f"{KEYS}/{key}/disable", data=token).status_code
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert 403 == ann.post(f"{KEYS}/{key}/disable", data=form, headers=header).status_code
        assert "Active" in words(ann.get(f"{KEYS}/{key}").text)
        assert 303 == ann.post(f"{KEYS}/{key}/disable", data=form).status_code


def test_nobody_gets_401(application: Application) -> None:
    """Without `login_url` a page says that the application wants a sign-in, and a form changes nothing."""
    with application.visitor("") as nobody:
        page = nobody.get(KEYS)
        assert 401 == page.status_code
        assert "Sign in to the application first." in words(page.text)
        assert 401 == nobody.post(NEW, data={"name": "x"}).status_code


@pytest.mark.parametrize("options", [{"login_url": "/login"}])
def test_nobody_is_led_to_the_login(application: Application) -> None:
    """With `login_url` nobody is led there, from pages and forms."""
    with application.visitor("") as nobody:
        for answer in (nobody.get(KEYS), nobody.post(NEW, data={"name": "x"})):
            assert (303, "/login") == (answer.status_code, answer.headers["location"])


def test_an_application_that_cannot_tell_is_503(application: Application, caplog: pytest.LogCaptureFixture) -> None:
    """What `who` raises, or gives instead of a person, is logged without its words; nobody gets in."""
    application.users |= {
        "broken": RuntimeError("password=hunter2"),
        "odd type": {"id": "1", "password": "hunter2"},
        "no role": replace(ANN, role="emperor"),
        "no plan": replace(ANN, plan="gold"),
        "no team": replace(ANN, team="Not A Team"),
        "no name": replace(ANN, name=""),
        "no id": replace(ANN, id=""),
    }
    with caplog.at_level(logging.ERROR, "keyfob.page"):
        for name in list(application.users)[3:]:
            with application.visitor(name) as somebody:
                page = somebody.get(KEYS)
                assert 503 == page.status_code, name
                assert "hunter2" not in page.text
                assert "Traceback" not in page.text
    assert 7 == len([record for record in caplog.records if record.__dict__.get("event") == "keys_page_failed"])
    assert "hunter2" not in caplog.text
    assert "There is no role emperor" in caplog.text
    assert "There is no plan gold" in caplog.text


def test_somebody_who_left_is_refused(application: Application) -> None:
    """Offboarding in the console counts, whatever the application says of the person."""
    with application.visitor("bob") as bob:
        made(bob, "Bob's")
        person = stored(application, "acme", "2")
        assert person is not None

        async def leave() -> None:
            async with application.installation.opened() as runtime:
                await runtime.offboarding.run(person.id, keys="keep", actor=ANA)

        asyncio.run(leave())
        page = bob.get(KEYS)
        assert 403 == page.status_code
        assert "no longer have access" in words(page.text)


def test_people_of_a_deleted_team_are_refused(application: Application) -> None:
    """A team that an administrator deleted stays deleted, whatever the application says."""
    application.users["gil"] = replace(ANN, team="gone")

    async def delete() -> None:
        async with application.installation.opened() as runtime:
            await runtime.teams.create("gone", actor=ANA)
            await runtime.teams.delete("gone", actor=ANA)

    asyncio.run(delete())
    with application.visitor("gil") as gil:
        page = gil.get(KEYS)
        assert 403 == page.status_code
        assert "no longer have access" in words(page.text)


def test_an_owner_acts_as_team_admin(application: Application) -> None:
    """The role `owner` of an application is stored and acts as `team_admin`."""
    with application.visitor("eve") as eve:
        made(eve, "Eve's")
        assert 200 == eve.get(f"{PREFIX}/activity").status_code
    person = stored(application, "globex", "1")
    assert person is not None
    assert (Membership("globex", "team_admin", GivenBy.APP),) == person.memberships


def test_nothing_is_written_while_nothing_changes(application: Application) -> None:
    """A second request writes no event; another name, role, plan and team name are each recorded once."""

    async def actions() -> list[str]:
        async with application.installation.opened() as runtime:
            events = await runtime.store.events(EventQuery(limit=100, oldest_first=True))
            return [one.event.action for one in events]

    with application.visitor("bob") as bob:
        bob.get(KEYS)
        before = asyncio.run(actions())
        assert "person.joined" == before[-1]
        bob.get(KEYS)
        assert before == asyncio.run(actions())
        application.users["bob"] = replace(BOB, name="Rob", role="auditor", team_name="Acme Inc", plan="teams")
        assert "Rob" in words(bob.get(KEYS).text)
        bob.get(KEYS)
    after = asyncio.run(actions())[len(before) :]
    assert ["person.role_set", "person.updated", "team.plan_changed", "team.updated"] == sorted(after)


@pytest.mark.parametrize("options", [{"title": "Acme & Co", "accent": "#ffee00", "stylesheet": "/static/own.css"}])
def test_the_page_looks_like_the_application(application: Application) -> None:
    """Title, accent and stylesheet are on the page; the accent is a file, and the policy of contents stays."""
    with application.visitor("eve") as eve, application.visitor("") as nobody:
        page = eve.get(KEYS)
        assert "Acme &amp; Co</a>" in page.text
        assert '<link rel="stylesheet" href="/static/own.css">' in page.text
        [accent] = [part for part in page.text.split('"') if "/static/accent." in part]
        sheet = nobody.get(accent)
        assert sheet.headers["content-type"].startswith("text/css")
        assert "--accent:#" in sheet.text
        assert "style-src 'self';" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert EVE.name in words(page.text)
