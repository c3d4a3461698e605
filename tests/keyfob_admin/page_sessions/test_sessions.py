"""A session of the Keys page: of one team, for that page alone, and over when the person's membership is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.people.record import Source
from keyfob_admin.sessions import SignIn
from keyfob_admin.sign_in.page import LONGEST, PageSignIn
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, TEAM, hidden, words
from tests.keyfob_admin.page_sessions.conftest import ANN, BACK, Pages

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime

KEYS = "/page/keys"


def test_nobody_sees_another_team_or_an_admin_key(pages: Pages) -> None:
    """An owner of one team acts as its team admin, and the other pages of the console are not there."""
    key, _ = pages.live.make("theirs", OTHER_TEAM, key_type="computer", permissions=None)
    own, _ = pages.live.make("ours")
    with pages.entered(role="owner") as visitor:
        assert 200 == visitor.get(f"{KEYS}/{own.id}").status_code
        for gone in (key.id, pages.installation.admin.id):
            assert 404 == visitor.get(f"{KEYS}/{gone}").status_code
        assert 404 == visitor.get(f"{KEYS}?team={OTHER_TEAM}").status_code
        for path in ("/page/people", "/page/settings", "/page/permissions", "/page/login", "/page/v1/whoami"):
            assert 404 == visitor.get(path).status_code, path
        assert 403 == visitor.send_form(f"{KEYS}/new?type=api", name="x", type="admin", permission="*").status_code
        assert "root" not in words(visitor.get(KEYS).text)
        assert 200 == visitor.get("/page/activity").status_code
        assert "ours" in visitor.get("/page/activity/export.ndjson").text


def test_the_session_is_no_session_of_the_console(pages: Pages) -> None:
    """Its cookie has the page's path and name, and under the console's name it opens nothing, nor does it end."""
    with pages.entered() as visitor:
        (cookie,) = [one for one in visitor.cookies.jar if one.name == "keyfob_page"]
        assert "/page" == cookie.path
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert 303 == visitor.get("/keys").status_code
        with pages.visitor(Cookie=f"keyfob_session={cookie.value}") as thief:
            assert "/login" in thief.get("/keys").headers["location"]
        assert 200 == visitor.get(KEYS).status_code


def test_the_consoles_session_opens_no_page(pages: Pages) -> None:
    """Whoever is signed in to the console comes to the page by a link like everybody, and stays signed in."""
    with pages.visitor() as visitor:
        visitor.sign_in(pages.installation.admin_key)
        (cookie,) = [one for one in visitor.cookies.jar if one.name == "keyfob_session"]
        assert 401 == visitor.get(KEYS).status_code
        with pages.visitor(Cookie=f"keyfob_page={cookie.value}") as other:
            assert 401 == other.get(KEYS).status_code
        assert 303 == visitor.send_form(pages.link()).status_code
        assert "Ann Smith" in words(visitor.get(KEYS).text)
        assert "root" in words(visitor.get("/keys").text)


@pytest.mark.parametrize("how", ["offboard", "remove"])
def test_the_session_ends_with_the_membership(pages: Pages, how: str) -> None:
    """On the next request after an administrator ended it, in every browser, and unused links with it."""
    with pages.entered() as visitor, pages.visitor() as late:
        unused = pages.link()
        key = _made(visitor)
        token = hidden(visitor.get(KEYS).text)
        asyncio.run(_end(pages, how))
        assert 401 == visitor.get(KEYS).status_code
        assert 401 == visitor.post(f"{KEYS}/{key}/disable", data=token).status_code
        assert 410 == late.get(unused).status_code
        answer = pages.ask()
        expected = (409, "person_left") if how == "offboard" else (201, None)
        assert expected == (answer.status_code, answer.json().get("code"))


def test_a_role_that_was_lowered_counts_at_once(pages: Pages) -> None:
    """What an administrator gives in place of the application's role is in force on the next request."""
    pages.live.make("ours")
    with pages.entered() as visitor:
        assert "ours" in words(visitor.get(KEYS).text)

        async def lower(runtime: Runtime) -> None:
            await runtime.people.set_role(TEAM, (await _person(runtime)).id, "member", actor=ANA)

        asyncio.run(_beside(pages, lower))
        assert "ours" not in words(visitor.get(KEYS).text)
        assert 403 == visitor.get("/page/activity").status_code


def test_a_session_lasts_an_hour(pages: Pages) -> None:
    """The application makes the next one with a click."""

    async def through(runtime: Runtime) -> tuple[bool, bool]:
        sign_in = PageSignIn(runtime, SignIn(runtime))
        token = await sign_in.open(pages.link().rpartition("/")[2], None)
        assert token is not None
        before = await sign_in.who(token, None)
        then = runtime.now() + LONGEST
        assert before is not None
        assert before.session.expires_at <= then
        runtime.now = lambda: then + timedelta(seconds=1)  # type: ignore[method-assign]
        return before is not None, await sign_in.who(token, None) is not None

    assert (True, False) == asyncio.run(_beside(pages, through))


def test_signing_out_ends_the_session(pages: Pages) -> None:
    """The page says so and leads back, and the cookie is worth nothing any more."""
    with pages.entered() as visitor:
        (cookie,) = [one for one in visitor.cookies.jar if one.name == "keyfob_page"]
        left = visitor.post("/page/leave", data=hidden(visitor.get(KEYS).text))
        assert 200 == left.status_code
        assert f'href="{BACK}"' in left.text
        with pages.visitor(Cookie=f"keyfob_page={cookie.value}") as again:
            assert 401 == again.get(KEYS).status_code


def test_a_new_link_takes_the_place_of_the_older_session(pages: Pages) -> None:
    """One browser is one person at a time, and its older session is over."""
    with pages.entered() as visitor:
        (old,) = [one.value for one in visitor.cookies.jar if one.name == "keyfob_page"]
        bob = pages.link(person={**ANN, "id": "2", "name": "Bob"}, role="member")
        assert 303 == visitor.send_form(bob).status_code
        assert "Bob" in words(visitor.get(KEYS).text)
        with pages.visitor(Cookie=f"keyfob_page={old}") as again:
            assert 401 == again.get(KEYS).status_code


def test_forms_of_other_sites_change_nothing(pages: Pages) -> None:
    """A form needs the session's token, and comes from the page's own site."""
    with pages.entered() as visitor:
        key = _made(visitor)
        token = hidden(visitor.get(KEYS).text)
        there = f"{KEYS}/{key}/disable"
        assert 403 == visitor.post(there).status_code
        assert 403 == visitor.post(there, data={"csrf": "0" * 64}).status_code
        assert 403 == visitor.post(there, data=token, headers={"Sec-Fetch-Site": "same-site"}).status_code
        page = visitor.get(f"{KEYS}/{key}")
        assert "Active" in words(page.text)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "no-referrer" == page.headers["referrer-policy"]


def _made(visitor: Any) -> str:
    """Make a key on the page, and give its id."""
    answer = visitor.send_form(f"{KEYS}/new?type=api", name="Ann's", permission="items:read")
    assert 201 == answer.status_code, words(answer.text)
    return str(answer.text.split("kf_api_")[1][:16])


async def _person(runtime: Runtime) -> Person:
    person = await runtime.store.people.of_subject(Source.APP, f"{TEAM}/1")
    assert person is not None
    return person


async def _end(pages: Pages, how: str) -> None:
    async with pages.installation.opened() as runtime:
        person = await _person(runtime)
        if how == "offboard":
            await runtime.offboarding.run(person.id, keys="keep", actor=ANA)
        else:
            await runtime.people.remove(TEAM, person.id, actor=ANA)


async def _beside(pages: Pages, work: Any) -> Any:
    """Do *work* on the installation from beside the server."""
    async with pages.installation.opened() as runtime:
        return await work(runtime)
