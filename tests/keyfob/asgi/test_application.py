"""What is seen of the application behind the middleware: its prefix, and how its router reads a path."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import falcon.asgi
import pytest
from fastapi import FastAPI
from litestar import Litestar
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from keyfob import APIKeyMiddleware
from keyfob.asgi.application import layers_of, router_of
from keyfob.errors import ConfigError
from keyfob.rules.readings import Router
from tests.differential.applications import Ran, Way, django_app
from tests.differential.drive import plain_scope, send_to
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

RULES = {"/auth/{path:path}": {"public": True}, "GET /users": "users:read"}


@pytest.fixture(autouse=True)
def _root_path_is_deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*root_path.*")
        yield


def users_app(root_path: str = "/auth") -> FastAPI:
    app = FastAPI(root_path=root_path)
    app.add_api_route("/users", lambda: "users")
    return app


async def function(*_: object) -> None:
    """An application of which nothing can be seen."""


class Wrapping:
    """Middleware of the kind that keeps what it wraps under another name."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, *arguments: Any) -> None:
        await self._app(*arguments)


class Socket:
    """Middleware that keeps what it wraps as `socketio.ASGIApp` does."""

    def __init__(self, app: Any) -> None:
        self.other_asgi_app = app

    async def __call__(self, *arguments: Any) -> None:
        await self.other_asgi_app(*arguments)


def timed(app: Any) -> Any:
    """Middleware that is a function."""

    def note(*_: object) -> None:
        """Something else that the function holds."""

    async def around(*arguments: Any) -> None:
        note(*arguments)
        await app(*arguments)

    return around


async def hand_on(app: Any, *arguments: Any) -> None:
    await app(*arguments)


WRAPS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda app: app,
    "wrapped": GZipMiddleware,
    "twice": lambda app: GZipMiddleware(Wrapping(app)),
    "other name": Socket,
    "function": timed,
    "functions": lambda app: timed(Wrapping(timed(app))),
    "partial": lambda app: partial(hand_on, app),
}


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
async def test_the_prefix_that_fastapi_takes_off_is_taken_off(here: Installation, guard: Guard, wrap: Any) -> None:
    """Behind FastAPI(root_path="/auth"), /auth/users is the route /users, and is judged as that."""
    app, key = guard(wrap(users_app()), rules=RULES), await here.issue("users:read")

    assert 401 == (await ask(app, "/auth/users")).status
    assert 401 == (await ask(app, "/users")).status
    assert 200 == (await ask(app, "/auth/users", key.headers)).status
    assert 200 == (await ask(app, "/users", key.headers)).status


@pytest.mark.cases("FF-01")
async def test_a_prefix_that_comes_after_construction_is_seen_at_start(guard: Guard) -> None:
    """The application is looked at again when it has started."""
    inner = users_app("")
    app = guard(inner, rules=RULES)
    inner.root_path = "/auth"
    app._compare_with_routes()

    assert 401 == (await ask(app, "/auth/users")).status


@pytest.mark.cases("FF-01")
async def test_the_prefix_of_django_is_taken_off(here: Installation, guard: Guard) -> None:
    """FORCE_SCRIPT_NAME stands for root_path to Django, so it does to the rules."""
    ran = Ran()
    app = guard(django_app([Way("/users", ("GET",))], ran, "/auth"), rules=RULES)
    key = await here.issue("users:read")

    assert 401 == await send_to(app, plain_scope("GET", "/auth/users", None))
    assert [] == ran.handlers
    assert 200 == await send_to(app, plain_scope("GET", "/auth/users", key.text))
    assert [("/users", "GET", "/users")] == ran.handlers
    django_app([], ran, "")


@pytest.mark.cases("FF-01")
async def test_a_prefix_can_be_named_by_hand(here: Installation, guard: Guard) -> None:
    """app_prefix says what cannot be seen; what is not below it is judged as it is."""
    rules = {"/auth/{path:path}": {"public": True}, "GET /users": "users:read", "/open": {"public": True}}
    app, key = guard(rules=rules, app_prefix="/auth"), await here.issue("users:read")

    assert 401 == (await ask(app, "/auth/users")).status
    assert 200 == (await ask(app, "/auth/users", key.headers)).status
    assert 401 == (await ask(app, "/users")).status
    assert 200 == (await ask(app, "/open")).status
    assert 401 == (await ask(app, "/api/auth/users", root_path="/api")).status
    assert 200 == (await ask(app, "/api/open", root_path="/api")).status


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize("inside", [{"/": "users:read"}, {"/{name}": "users:read"}, {"WS /{name}": "users:read"}])
async def test_the_prefix_itself_is_judged_with_and_without_it(guard: Guard, inside: dict[str, Any]) -> None:
    """A middleware may take the prefix off only where a path goes on below it, so the router sees "/" or all of it."""
    app = guard(rules={"/{path:path}": {"public": True}, **inside}, app_prefix="/auth")

    assert 401 == (await ask(app, "/auth")).status
    assert 401 == (await ask(app, "/api/auth", root_path="/api")).status
    assert 200 == (await ask(app, "/auth/below/it")).status


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize(("rules", "status"), [({}, 403), ({"HEAD /{name}": []}, 403), ({"GET /auth": []}, 200)])
async def test_the_prefix_itself_needs_a_rule_with_and_without_it(
    here: Installation, guard: Guard, rules: dict[str, Any], status: int
) -> None:
    """A rule for "/" alone says nothing of a route at the prefix, which runs where the prefix is left on."""
    app, key = guard(rules={"GET /": [], **rules}, app_prefix="/auth"), await here.issue("items:read")

    assert status == (await ask(app, "/auth", key.headers)).status
    assert 200 == (await ask(app, "/auth/", key.headers)).status


@pytest.mark.cases("FF-01")
async def test_fastapi_may_have_keyfob_among_its_middleware(here: Installation, guard: Guard) -> None:
    """A gateway that strips the prefix sends /users, and FastAPI says root_path: its router takes both paths."""
    inner = users_app()
    inner.add_middleware(APIKeyMiddleware, **here.options, rules={"GET /users": "users:read"})
    key = await here.issue("users:read")

    for path in ("/users", "/auth/users", "/users"):
        assert 200 == (await ask(inner, path, key.headers)).status
        assert 401 == (await ask(inner, path)).status
    middleware = next(layer for layer in layers_of(inner.middleware_stack) if isinstance(layer, APIKeyMiddleware))
    await middleware.runtime.stop()


MOUNTED: list[Callable[[], Any]] = [
    lambda: Starlette(routes=[Mount("/sub", users_app())]),
    lambda: GZipMiddleware(Starlette(routes=[Host("a.example", users_app())])),
    lambda: Starlette(routes=[Mount("/sub", Starlette(routes=[Mount("/deep", GZipMiddleware(users_app()))]))]),
]


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize("make", MOUNTED, ids=["mounted", "by host", "deep"])
def test_a_prefix_that_cannot_be_judged_is_a_mistake(make: Any) -> None:
    """What is mounted and takes off another prefix than where it is mounted is named, with the fix."""
    with pytest.raises(ConfigError, match=r'FastAPI\(root_path="/auth"\).*leave that out'):
        router_of(make())


def test_a_prefix_that_is_the_mount_is_none() -> None:
    """An application that says where it is mounted changes nothing, and app_prefix has the last word."""
    assert "" == router_of(Starlette(routes=[Mount("/auth", users_app())])).prefix
    assert "/x" == router_of(MOUNTED[0](), "/x").prefix


@pytest.mark.parametrize(("root_path", "app_prefix", "fix"), [("/auth", "/x", "agree"), ("/auth/", "", "slash")])
def test_prefixes_that_cannot_be_meant_are_mistakes(root_path: str, app_prefix: str, fix: str) -> None:
    """app_prefix must be the one that is seen, and a prefix has no slash at its end: routers disagree about it."""
    with pytest.raises(ConfigError, match=fix):
        router_of(users_app(root_path), app_prefix)


SEEN = [
    (users_app(""), Router(decodes=True)),
    (falcon.asgi.App(), Router(decodes=True, ignores_root=True, may_be_empty=True)),
    (Litestar([], logging_config=None), Router(decodes=True, drops_slash=True)),
    (Starlette(routes=[Route("/", PlainTextResponse("")), Mount("/a", Starlette())]), Router(decodes=True)),
    (Starlette(routes=[Mount("/a", function)]), Router()),
    (GZipMiddleware(function), Router()),
    (function, Router()),
]


@pytest.mark.parametrize(("app", "expected"), SEEN, ids=range(len(SEEN)))
def test_what_is_known_of_a_router(app: Any, expected: Router) -> None:
    """Of what cannot be seen, everything is thought possible."""
    assert expected == router_of(app)


def test_layers_are_found_under_the_usual_names_and_only_once() -> None:
    """Middleware that wraps a method of itself, or that is chosen by the kind of connection, does not hide the rest."""

    class Chooser:
        def __init__(self) -> None:
            self.application_mapping = {"http": users_app()}

    class Circle:
        def __init__(self) -> None:
            self.asgi_app = self.run

        async def run(self, *_: object) -> None:
            pass

        async def __call__(self, *_: object) -> None:
            pass

    assert "/auth" == router_of(Chooser()).prefix
    assert 2 == len(list(layers_of(Circle())))
