"""A console behind a proxy that signs people in, whose part the tests play."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import HeaderSettings, PeopleSettings
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob_admin.console.conftest import TEAM, Installation, LiveConsole, Visitor, hidden, installed, running
from tests.keyfob_admin.console.people import beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime

SIGN_IN = "/sign-in/header"
EMAIL, NAME, GROUPS = "X-Forwarded-Email", "X-Forwarded-User", "X-Forwarded-Groups"
CLEO = {EMAIL: "Cleo@example.com", NAME: "Cleo", GROUPS: "staff,acme-dev"}
RULES = (
    {"group": "acme-leads", "team": TEAM, "role": "team_admin"},
    {"group": "acme-dev", "team": TEAM, "role": "member"},
)


@contextmanager
def console_behind(proxy: str, folder: Path, *ways: str, **store: str) -> Iterator[LiveConsole]:
    """A console that believes the headers of *proxy*; the tests come from 127.0.0.1."""
    made = asyncio.run(installed(folder, **store))
    people = PeopleSettings(sign_in=ways or ("header", "local"), header=HeaderSettings(trusted_proxies=(proxy,)))
    settings = replace(made.settings, people=people, memberships=RULES)
    installation = Installation(settings, made.admin_key, made.admin)
    with running(installation) as url:
        yield LiveConsole(url, installation)


@pytest.fixture
def live(tmp_path: Path, store_setting: dict[str, str]) -> Iterator[LiveConsole]:
    """A console that believes the headers of every request of the tests."""
    with console_behind("127.0.0.1/32", tmp_path, **store_setting) as console:
        yield console


def through_proxy(live: LiveConsole, headers: dict[str, str] = CLEO) -> Visitor:
    """A browser whose every request the proxy passes on with *headers*."""
    return Visitor(live.url, headers=headers)


def press(visitor: Visitor, page: str = "/login", to: str = SIGN_IN, **options: object) -> httpx.Response:
    """Press the button of *page*, or send its form though there is no button."""
    return visitor.post(to, data=hidden(visitor.get(page).text), **options)  # type: ignore[arg-type]


def people_of(live: LiveConsole) -> list[Person]:
    """The people whom the proxy has signed in."""

    async def work(runtime: Runtime) -> list[Person]:
        events = await runtime.store.events(EventQuery(action="person.joined"))
        found = [await runtime.store.people.one(one.event.actor_id or "") for one in events]
        return [one for one in found if one is not None and one.source == "header"]

    return beside(live, work)
