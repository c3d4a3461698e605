"""People sign in to the console at an OpenID Connect provider."""

from __future__ import annotations

import asyncio
import html
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from keyfob.config.people import OidcSettings, PeopleSettings
from keyfob.people.record import Source
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob_admin.console.conftest import (
    TEAM,
    Installation,
    LiveConsole,
    Visitor,
    hidden,
    installed,
    running,
    words,
)
from tests.keyfob_admin.console.people import PASSPHRASE, beside, invited
from tests.keyfob_admin.console.sessions import SESSION, is_in
from tests.keyfob_admin.sign_in.hostile import CLIENT, SECRET, HostileProvider, hostile_provider
from tests.keyfob_admin.sign_in.sign_ins import DISCOVERY, claims_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime

BEGIN, CALLBACK, ATTEMPT = "/sign-in/oidc", "/sign-in/oidc/callback", "keyfob_attempt"
pytestmark = pytest.mark.both_engines
FROM_AWAY = {"Sec-Fetch-Site": "cross-site"}  # the provider leads there


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with hostile_provider() as provider:
        yield provider


@contextmanager
def console_at(server: HostileProvider, folder: Path, *ways: str, **store: str) -> Iterator[LiveConsole]:
    """A console where the group acme-dev are members of the team."""
    rules = ({"group": "acme-dev", "team": TEAM, "role": "member"},)
    made = asyncio.run(installed(folder, **store))
    provider = OidcSettings(issuer=server.issuer, client_id=CLIENT, client_secret=SECRET, label="Sign in with Example")
    people = PeopleSettings(sign_in=ways or ("oidc", "local"), oidc=provider)
    installation = Installation(replace(made.settings, people=people, memberships=rules), made.admin_key, made.admin)
    with running(installation) as url:
        yield LiveConsole(url, installation)


@pytest.fixture
def live(server: HostileProvider, tmp_path: Path, store_setting: dict[str, str]) -> Iterator[LiveConsole]:
    with console_at(server, tmp_path, **store_setting) as console:
        yield console


def come_back(
    server: HostileProvider, visitor: Visitor, begin: str = BEGIN, *, state: str | None = None, **claims: object
) -> httpx.Response:
    """Begin, be signed in by the provider with *claims*, and follow it back."""
    asked = dict(parse_qsl(urlsplit(visitor.get(begin).headers["location"]).query))
    assert asked["redirect_uri"] == f"{str(visitor.base_url).rstrip('/')}{CALLBACK}"
    now = int(time.time())
    server.issue(claims_of(server, nonce=asked["nonce"], iat=now, exp=now + 300, **claims))
    return visitor.get(CALLBACK, params={"code": "c", "state": state or asked["state"]}, headers=FROM_AWAY)


def people_of(live: LiveConsole) -> list[Person]:
    """The people whom the provider has signed in."""

    async def work(runtime: Runtime) -> list[Person]:
        events = await runtime.store.events(EventQuery(action="person.joined"))
        found = [await runtime.store.people.one(one.event.actor_id or "") for one in events]
        return [one for one in found if one is not None and one.source is Source.OIDC]

    return beside(live, work)


def test_a_group_signs_somebody_in(live: LiveConsole, server: HostileProvider) -> None:
    """The page that the provider leads to goes on by itself, since the session's Strict cookie is not sent to it."""
    with Visitor(live.url) as cleo:
        assert words(cleo.get("/login").text).index("Sign in with Example") < words(cleo.get("/login").text).index(
            "Pass"
        )
        page = come_back(server, cleo)
        assert 200 == page.status_code
        assert '<meta http-equiv="refresh" content="0; url=/keys">' in page.text
        assert any(SESSION in one and "SameSite=strict" in one for one in page.headers.get_list("set-cookie"))
        assert ATTEMPT not in cleo.cookies
        assert is_in(cleo)
        assert "Cleo" in words(cleo.get("/keys").text)
    (person,) = people_of(live)
    assert [(TEAM, "member", "group")] == [(one.team, one.role, one.by.value) for one in person.memberships]
    assert person.last_sign_in_at is not None


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/keys?q=a%20b&sort=name", "/keys?q=a%20b&amp;sort=name"),
        ("//evil.example/", "/keys"),
        ("https://evil.example/", "/keys"),
        ('/"><script>', "/&#34;&gt;&lt;script&gt;"),
        ("/keys?q=" + "x" * 2000, "/keys"),
    ],
    ids=["a page", "two slashes", "an address", "marks", "too long"],
)
def test_the_page_that_was_wanted_comes_next(live: LiveConsole, server: HostileProvider, wanted: str, led: str) -> None:
    """It survives the way to the provider and back, and leads to no other site."""
    with Visitor(live.url) as cleo:
        page = cleo.get("/login", params={"next": wanted})
        (begin,) = re.findall(r'href="(/sign-in/oidc[^"]*)"', page.text)
        assert f'content="0; url={led}"' in come_back(server, cleo, html.unescape(begin)).text


def test_the_attempts_cookie_comes_along_from_the_provider(live: LiveConsole) -> None:
    """It is Lax, not readable by scripts, and lasts ten minutes."""
    with Visitor(live.url) as cleo:
        cookie = cleo.get(BEGIN).headers["set-cookie"]
    assert cookie.startswith(f"{ATTEMPT}=")
    assert all(part in cookie for part in ("SameSite=lax", "HttpOnly", "Max-Age=600"))


def test_an_invitation_is_redeemed_at_the_provider(live: LiveConsole, server: HostileProvider) -> None:
    """Whoever was invited becomes the provider's person with the role given; the link counts once."""
    _, path = invited(live, "cleo@example.com", "team_admin")
    with Visitor(live.url) as cleo, Visitor(live.url) as late:
        page = cleo.get(path)
        assert f'href="{path}/oidc"' in page.text
        assert 200 == come_back(server, cleo, f"{path}/oidc", groups=[]).status_code
        assert is_in(cleo)
        assert 410 == late.get(f"{path}/oidc").status_code
    (person,) = people_of(live)
    assert ["team_admin"] == [one.role for one in person.memberships]


@pytest.mark.parametrize("claims", [{"email": "eve@example.com"}, {"email_verified": False}])
def test_another_address_redeems_no_invitation(
    live: LiveConsole, server: HostileProvider, claims: dict[str, Any]
) -> None:
    """The provider must have verified the invited address; the link stays good for whoever was invited."""
    _, path = invited(live, "cleo@example.com")
    with Visitor(live.url) as eve:
        assert 403 == come_back(server, eve, f"{path}/oidc", **claims).status_code
        assert not is_in(eve)
        assert 200 == eve.get(path).status_code


def test_a_stranger_gets_no_role(live: LiveConsole, server: HostileProvider) -> None:
    """Somebody without group and invitation is refused by a page that says nothing of why."""
    with Visitor(live.url) as eve:
        page = come_back(server, eve, sub="1", email="eve@example.com", groups=["others"])
        assert (403, True) == (page.status_code, "You couldn't be signed in." in words(page.text))
        assert not is_in(eve)
    assert [] == people_of(live)


def test_a_forged_or_missing_state_is_refused(live: LiveConsole, server: HostileProvider) -> None:
    """An answer counts only in the browser that went, once, and with each parameter once."""
    with Visitor(live.url) as cleo:
        assert 403 == cleo.get(CALLBACK, params={"code": "c", "state": "s"}).status_code
        assert 403 == come_back(server, cleo, state="forged").status_code
        assert ATTEMPT not in cleo.cookies
        cleo.get(BEGIN)
        cleo.cookies.set(ATTEMPT, cleo.cookies[ATTEMPT][:-1] + "x", domain="127.0.0.1", path="/")
        assert 403 == cleo.get(CALLBACK, params={"code": "c", "state": "s"}).status_code
        state = dict(parse_qsl(urlsplit(cleo.get(BEGIN).headers["location"]).query))["state"]
        assert 403 == cleo.get(f"{CALLBACK}?code=c&state={state}&state={state}").status_code
        assert not is_in(cleo)
    assert not [path for path, _, _ in server.asked if path == "/token"]


def test_a_provider_that_is_down_is_503(live: LiveConsole, server: HostileProvider) -> None:
    """Nobody is signed in, and the page offers the other ways."""
    del server.paths[DISCOVERY]
    with Visitor(live.url) as cleo:
        page = cleo.get(BEGIN)
        assert (503, True) == (page.status_code, "The identity provider can't be asked" in words(page.text))
        assert "Admin key" in words(page.text)
        assert ATTEMPT not in cleo.cookies


def test_without_local_sign_in_an_invitation_leads_to_the_provider_alone(
    server: HostileProvider, tmp_path: Path
) -> None:
    """The page of an invitation offers the configured ways; a passphrase sent all the same is not taken."""
    with console_at(server, tmp_path, "oidc") as live, Visitor(live.url) as ben:
        _, path = invited(live, "ben@example.com")
        page = ben.get(path)
        assert (200, False) == (page.status_code, "Passphrase" in words(page.text))
        assert "Passphrase" not in words(ben.get("/login").text)
        token = hidden(ben.get("/login").text)["csrf"]
        assert 410 == ben.post(path, data={"csrf": token, "passphrase": PASSPHRASE, "again": PASSPHRASE}).status_code
        assert not is_in(ben)


def test_without_a_provider_there_are_no_such_pages(tmp_path: Path) -> None:
    """Where people do not sign in by a provider, its pages are not found."""
    installation = asyncio.run(installed(tmp_path))
    with running(installation) as url, Visitor(url) as visitor:
        assert [404, 404] == [visitor.get(path).status_code for path in (BEGIN, CALLBACK)]
