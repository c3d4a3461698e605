"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Router

from keyfob.asgi.wrapped import is_starlette
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard


def answering(*headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


class Wraps:
    def __init__(self, app: object) -> None:
        self.app = app

    def __call__(self) -> None:
        """It is an application, as far as can be seen."""


def closure(app: Any) -> ASGIApp:
    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return around


SEEN: list[Callable[[Any], object]] = [lambda app: app, Wraps, closure, partial, lambda app: Wraps(closure(Wraps(app)))]


@pytest.mark.parametrize("around", SEEN, ids=["bare", "attribute", "closure", "partial", "all"])
def test_ff_64_a_starlette_application_is_seen_through_what_is_around_it(around: Callable[[Any], object]) -> None:
    """Middleware that shows what is inside does not hide that it is Starlette or FastAPI."""
    assert is_starlette(around(Starlette()))
    assert is_starlette(around(Router()))
    assert not is_starlette(around(answering()))


class Slotted:
    __slots__ = ("app",)

    def __init__(self, app: object) -> None:
        self.app = app


class Trap:
    @property
    def app(self) -> object:
        raise RuntimeError("not to be asked")


def test_ff_64_looking_runs_nothing_of_the_application() -> None:
    """Attributes are read where they are stored; a variable that is not assigned yet holds nothing."""

    def early() -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await later(scope, receive, send)

        assert not is_starlette(app)
        later = Starlette()
        assert is_starlette(app)
        return app

    early()
    assert is_starlette(Slotted(Starlette()))
    assert is_starlette(Wraps(Starlette()).app)
    assert not is_starlette(Trap())
    assert is_starlette(Starlette().__call__)


def test_ff_64_a_cycle_of_applications_is_left() -> None:
    """What contains itself is not followed for ever."""
    cycle = Wraps(None)
    cycle.app = Wraps(cycle)
    assert not is_starlette(cycle)


@pytest.mark.parametrize(("setting", "expected"), [("auto", False), (True, True), (False, False)])
async def test_ff_64_others_keep_their_own_user(
    here: Installation, guard: Guard, echo: Echo, setting: object, *, expected: bool
) -> None:
    """User and auth are left to applications that may bring their own, unless the setting says otherwise."""
    issued = await here.issue("items:read")

    for _ in range(2):
        await ask(guard(starlette_user=setting), "/items", issued.headers)

    assert [expected] * 4 == [name in scope for scope in echo.scopes for name in ("user", "auth")]
    assert issued.record.id == echo.scopes[0]["keyfob"].key_id


@pytest.mark.parametrize(("setting", "expected"), [("auto", True), (True, True), (False, False)])
async def test_ff_64_starlette_finds_the_key_as_its_user(
    here: Installation, guard: Guard, setting: object, *, expected: bool
) -> None:
    """A Starlette application gets user and auth by itself."""
    seen: list[bool] = []

    class App(Starlette):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append("user" in scope)
            await answering()(scope, receive, send)

    issued = await here.issue("items:read")
    await ask(guard(App(), starlette_user=setting), "/items", issued.headers)

    assert [expected] == seen


async def test_ff_65_two_keys_of_one_name_are_two_users(here: Installation, guard: Guard, echo: Echo) -> None:
    """Libraries take display_name for who somebody is, so it tells keys apart; the bare name is in the grant."""
    for team in ("red", "blue"):
        issued = await here.issue("items:read", name="my script", team=team)
        await ask(guard(starlette_user=True), "/items", issued.headers)
        assert f"my script ({issued.record.id})" == echo.scopes[-1]["user"].display_name

    assert ["my script"] * 2 == [scope["keyfob"].name for scope in echo.scopes]
    assert 2 == len({scope["user"].display_name for scope in echo.scopes})
