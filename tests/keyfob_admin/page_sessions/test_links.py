"""A link to the Keys page: whom it opens what for, once, and where it leads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.management.people.page_sessions import PAGE_LINK_LASTS
from keyfob.people.app_person import AppPerson
from keyfob.people.record import Source
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, SECRET, TEAM, hidden, running, words
from tests.keyfob_admin.page_sessions.conftest import ANN, BACK, Pages

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime

KEYS = "/page/keys"


def test_a_link_opens_the_keys_of_the_team(pages: Pages) -> None:
    """Looking uses nothing; the button leads to the list, where the person makes a key of their own."""
    answer = pages.ask()
    assert {"url", "expires_at"} == set(answer.json())
    assert "no-store" == answer.headers["cache-control"]
    link = answer.json()["url"].removeprefix(pages.live.url)
    with pages.visitor() as visitor:
        for _ in range(3):
            assert 200 == visitor.get(link).status_code
        entered = visitor.send_form(link)
        assert (303, KEYS) == (entered.status_code, entered.headers["location"])
        assert f'href="{BACK}"' in visitor.get(KEYS).text
        made = visitor.send_form(f"{KEYS}/new?type=api", name="Ann's", permission="items:read")
        assert 201 == made.status_code
        assert SECRET.search(made.text)
        assert "Ann Smith" in words(visitor.get(f"{KEYS}?q=Ann").text)


def test_a_link_works_once(pages: Pages) -> None:
    """Whoever comes second, or looks again, is told to ask for a new one, and has no session."""
    link = pages.link()
    with pages.visitor() as first, pages.visitor() as second:
        form = hidden(second.get(link).text)
        assert 303 == first.send_form(link).status_code
        late = second.post(link, data=form)
        assert 410 == late.status_code
        assert "open API keys again" in words(late.text)
        assert 410 == second.get(link).status_code
        assert 401 == second.get(KEYS).status_code


def test_of_many_who_use_a_link_at_once_one_comes_in(pages: Pages) -> None:
    """The database decides who was first."""
    link = pages.link()
    visitors = [pages.visitor() for _ in range(6)]
    forms = [hidden(visitor.get(link).text) for visitor in visitors]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda pair: pair[0].post(link, data=pair[1]), zip(visitors, forms, strict=True)))

    assert [303, 410, 410, 410, 410, 410] == sorted(answer.status_code for answer in answers)
    for visitor in visitors:
        visitor.close()


def test_heads_and_prefetches_use_nothing(pages: Pages) -> None:
    """What a browser or a scanner loads ahead, by any method but the form's, leaves the link as it was."""
    link = pages.link()
    with pages.visitor(**{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"}) as ahead:
        assert 200 == ahead.get(link).status_code
        ahead.head(link)
        ahead.options(link)
        assert 403 == ahead.post(link).status_code
    with pages.visitor() as visitor:
        assert 303 == visitor.send_form(link).status_code


def test_the_form_of_another_browser_uses_nothing(pages: Pages) -> None:
    """Nobody signs somebody else's browser in by sending it a form (login CSRF)."""
    link = pages.link()
    with pages.visitor() as one, pages.visitor() as other:
        form = hidden(one.get(link).text)
        assert 403 == other.post(link, data=form).status_code
        assert 403 == one.post(link, data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        assert 303 == one.post(link, data=form).status_code


def test_a_link_lasts_ten_minutes(pages: Pages) -> None:
    """After that it opens nothing."""

    async def old(runtime: Runtime) -> str:
        past = lambda: runtime.now() - PAGE_LINK_LASTS - timedelta(seconds=1)  # noqa: E731 - a clock
        sessions = runtime.page_sessions
        sessions._now = past
        made = await sessions.create(AppPerson("1", "Ann", None, TEAM, "member"), BACK, actor=ANA)
        return f"/page/open/{made.token}"

    with pages.visitor() as visitor:
        link = asyncio.run(_beside(pages, old))
        assert 410 == visitor.get(link).status_code


def test_links_of_one_kind_are_no_links_of_another(pages: Pages) -> None:
    """A link to the page signs nobody in to the console, and an invitation opens no page."""
    link = pages.link()
    token = link.rpartition("/")[2]

    async def invite(runtime: Runtime) -> str:
        made = await runtime.people.invite("bob@acme.example", team=TEAM, role="member", actor=ANA)
        return str(made.token)

    invitation = asyncio.run(_beside(pages, invite))
    with pages.visitor() as visitor:
        assert [410, 410] == [visitor.get(f"/{place}/{token}").status_code for place in ("invitation", "login/link")]
        assert 410 == visitor.get(f"/page/open/{invitation}").status_code
        assert 303 == visitor.send_form(link).status_code


def test_the_address_is_never_the_hosts(pages: Pages) -> None:
    """The link leads to [admin] url, or to where the server listens, whatever Host says."""
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert pages.ask(headers=forged).json()["url"].startswith(f"{pages.live.url}/page/open/")
    with running(pages.installation.with_admin(url="https://keys.example.com/admin")) as url:
        there = Pages(replace(pages.live, url=url))
        assert there.ask(headers=forged).json()["url"].startswith("https://keys.example.com/admin/page/open/")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"return_url": "https://evil.example/settings"}, 422, "validation_failed"),
        ({"return_url": "https://app.example.com@evil.example/settings"}, 422, "validation_failed"),
        ({"return_url": "//app.example.com/settings"}, 422, "validation_failed"),
        ({"return_url": None}, 422, "validation_failed"),
        ({"role": "chief"}, 422, "validation_failed"),
        ({"person": {"name": "Ann", "email": None}}, 422, "validation_failed"),
        ({"person": {**ANN, "team": TEAM}}, 422, "validation_failed"),
        ({"extra": 1}, 422, "validation_failed"),
        ({"team": "nowhere"}, 404, "not_found"),
    ],
)
def test_what_cannot_be_asked_for(pages: Pages, fields: dict[str, Any], status: int, code: str) -> None:
    """The answer is a problem, and nobody is made."""
    answer = pages.ask(**fields)
    assert (status, code) == (answer.status_code, answer.json()["code"])

    async def joined(runtime: Runtime) -> bool:
        return any(one.event.action == "person.joined" for one in await runtime.store.events(EventQuery(limit=100)))

    assert not asyncio.run(_beside(pages, joined))


def test_a_role_obeys_the_callers_ceiling(pages: Pages) -> None:
    """A key that lacks what a role holds opens no page with it, and in no team but its own."""
    _, weak = pages.live.make("weak", key_type="admin", permissions=("people:write", "keys:read"))
    answer = pages.ask(key=weak)
    assert (403, "exceeds_own_permissions") == (answer.status_code, answer.json()["code"])
    assert "keys:*" in answer.json()["missing_permissions"]
    assert 404 == pages.ask(key=weak, team=OTHER_TEAM).status_code
    _, reader = pages.live.make("reader", key_type="admin", permissions=("people:read", "keys:*"))
    assert 403 == pages.ask(key=reader).status_code


def test_the_audit_log_knows_who_asked_and_who_came(pages: Pages) -> None:
    """The person joined by the key's word, got a link, came in; no token and no address to lead back to is in it."""
    link = pages.link()
    with pages.visitor() as visitor:
        visitor.send_form(link)

    async def events(runtime: Runtime) -> tuple[list[Any], Any]:
        found = await runtime.store.events(EventQuery(limit=3))
        return [one.event for one in found], await runtime.store.people.of_subject(Source.APP, f"{TEAM}/1")

    (came, asked, joined), person = asyncio.run(_beside(pages, events))
    assert ["console.signed_in", "page_session.created", "person.joined"] == [
        event.action for event in (came, asked, joined)
    ]
    assert pages.installation.admin.id == asked.actor_id == joined.actor_id
    assert person.id == came.actor_id == asked.person_id
    assert link.rpartition("/")[2] not in repr((came, asked, joined))
    assert BACK not in repr((came, asked, joined))
    assert person.last_sign_in_at is not None


async def _beside(pages: Pages, work: Any) -> Any:
    """Do *work* on the installation from beside the server."""
    async with pages.installation.opened() as runtime:
        return await work(runtime)
