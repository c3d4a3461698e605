"""People of a served console: invited, joined and signed in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from keyfob.management.actor import Actor
from tests.keyfob_admin.console.conftest import TEAM, Visitor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import httpx

    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime
    from tests.keyfob_admin.console.conftest import LiveConsole

T = TypeVar("T")
PASSPHRASE = "dry moss under nine lamps"
_OPEN: list[Visitor] = []
CLI = Actor.command_line("operator")


def beside(live: LiveConsole, work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Do *work* on the installation from beside the server."""

    async def run() -> T:
        async with live.installation.opened() as runtime:
            return await work(runtime)

    return asyncio.run(run())


def make_team(live: LiveConsole, team: str, name: str) -> None:
    """Make a team as the operator."""

    async def work(runtime: Runtime) -> None:
        await runtime.teams.create(team, name=name, actor=CLI)

    beside(live, work)


def opened(live: LiveConsole) -> Visitor:
    """A browser, which `closing` closes."""
    visitor = Visitor(live.url)
    _OPEN.append(visitor)
    return visitor


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what `opened` and `joined` opened."""
    yield
    while _OPEN:
        _OPEN.pop().close()


def invited(live: LiveConsole, email: str, role: str = "member", team: str = TEAM) -> tuple[Person, str]:
    """Invite somebody as the operator; the person and the path of the link."""

    async def work(runtime: Runtime) -> tuple[Person, str]:
        made = await runtime.people.invite(email, team=team, role=role, actor=CLI)
        return made.person, f"/invitation/{made.token}"

    return beside(live, work)


def join(visitor: Visitor, path: str, passphrase: str = PASSPHRASE) -> httpx.Response:
    """Open the link, and set a passphrase."""
    return visitor.send_form(path, passphrase=passphrase, again=passphrase)


def joined(live: LiveConsole, email: str, role: str = "member", team: str = TEAM) -> tuple[Person, Visitor]:
    """Somebody who has just joined, with their browser."""
    person, path = invited(live, email, role, team)
    visitor = opened(live)
    assert 303 == join(visitor, path).status_code
    return person, visitor


def sign_in(visitor: Visitor, email: str, passphrase: str = PASSPHRASE) -> httpx.Response:
    """Fill in the form for people."""
    return visitor.send_form("/login", email=email, passphrase=passphrase)
