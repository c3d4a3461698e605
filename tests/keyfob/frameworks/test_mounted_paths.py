"""What frameworks do to a path before they hand it on to what is mounted in them, or to their own middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from hypercorn.middleware.dispatcher import AsyncioDispatcherMiddleware
from litestar import Litestar, Request, Response, asgi, get
from litestar.middleware import DefineMiddleware
from quart import Quart
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from keyfob import APIKeyMiddleware
from keyfob.asgi.routes import ways_of
from keyfob.asgi.unused_rules import unused_rules
from keyfob.rules.compiler import compile_rules
from tests.differential.drive import plain_scope, send_to
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

QUIET: dict[str, Any] = {"logging_config": None, "openapi_config": None}
PUBLIC = {"public": True}
RULES: dict[str, Any] = {
    "/private/{p:path}": "private:read",
    "/docs/{p:path}": PUBLIC,
    "/{p:path}": PUBLIC,
    "GET /items": "items:read",
    "/api/docs/secret": "private:read",
}


@asgi("/private", is_mount=True, copy_scope=True)
async def private(scope: Scope, receive: Receive, send: Send) -> None:
    answer = Response(scope["path"]).to_asgi_response(app=None, request=None)  # type: ignore[arg-type]
    await answer(scope, receive, send)


@get(["/docs/{p:path}", "/{p:path}"])
async def anything(request: Request[Any, Any, Any]) -> str:
    return request.url.path


@get(["/items", "/private-notes", "/api/docs/secret"])
async def plain() -> str:
    return "plain"


def inside(here: Installation) -> Any:
    keyfob: Any = APIKeyMiddleware
    rules = RULES | {"/private-notes": PUBLIC}
    return Litestar(
        [private, anything, plain], middleware=[DefineMiddleware(keyfob, rules=rules, **here.options)], **QUIET
    )


def around(guard: Guard) -> Any:
    return guard(Litestar([private, anything, plain], **QUIET), RULES | {"/private-notes": PUBLIC})


@pytest.mark.cases("FF-42", "FF-67")
@pytest.mark.parametrize(
    "path", ["/private", "/private/", "/private/a", "/private/docs/a", "/privatea", "/privatedocs/a"]
)
async def test_what_is_mounted_in_litestar_has_its_path_in_the_application(
    here: Installation, guard: Guard, path: str
) -> None:
    """Litestar hands /private/docs/a on as /docs/a, and /privatea as if there was a slash: the rule is of /private."""
    key = await here.issue("private:read")

    for app in (inside(here), around(guard)):
        assert 401 == (await ask(app, path)).status
        assert 200 == (await ask(app, path, key.headers)).status


@pytest.mark.cases("FF-42", "FF-67")
async def test_a_route_beside_a_mount_is_its_own(here: Installation, guard: Guard) -> None:
    """What Litestar compares before its mounts stays what it is, however its path begins."""
    for app in (inside(here), around(guard)):
        assert 200 == (await ask(app, "/private-notes")).status
        assert 200 == (await ask(app, "/docs/a")).status


@pytest.mark.cases("FF-30", "FF-42", "FF-67")
@pytest.mark.parametrize("root_path", ["/api", "/api/"])
async def test_litestars_middleware_stands_behind_root_path(here: Installation, root_path: str) -> None:
    """Litestar has taken root_path off when its middleware is asked, so nothing is taken off once more."""
    app, key = inside(here), await here.issue("items:read")

    for path, headers, expected in (
        ("/items", key.headers, 200),
        ("/items", None, 401),
        ("/docs/a", None, 200),
        ("/api/docs/secret", None, 401),
    ):
        whole = root_path + path
        assert expected == (await ask(app, whole, headers, root_path=root_path)).status, path


async def ran(_: Any) -> PlainTextResponse:
    return PlainTextResponse("ran")


@pytest.mark.cases("FF-30")
@pytest.mark.parametrize("root_path", ["", "/api", "/api/", "//api//"])
async def test_a_final_slash_of_root_path_is_none_below_a_mount(
    here: Installation, guard: Guard, root_path: str
) -> None:
    """A mount puts its own path behind it, so that the slash stands in the middle: everything was refused."""
    inner = guard(Starlette(routes=[Route("/", ran), Route("/items", ran)]), {"GET /items": [], "GET /": PUBLIC})
    app, key = Starlette(routes=[Mount("/m", inner)]), await here.issue("items:read")

    assert 200 == (await ask(app, f"{root_path}/m/items", key.headers, root_path=root_path)).status
    assert 401 == (await ask(app, f"{root_path}/m/items", root_path=root_path)).status
    assert 200 == (await ask(app, f"{root_path}/m/", root_path=root_path)).status
    assert 400 == (await ask(app, f"{root_path}/m//items", key.headers, root_path=root_path)).status


@pytest.mark.cases("FF-30")
async def test_the_application_sees_one_root_path_however_often_it_is_asked(guard: Guard) -> None:
    """What is remembered of a request is no reason to hand on the next one as it came."""
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["root_path"])
        await PlainTextResponse("ran")(scope, receive, send)  # type: ignore[arg-type] # Litestar's types of the same

    app = guard(inner, {"GET /items": PUBLIC})
    for root_path in ("/a//b", "/a/b/"):
        for _ in range(3):
            assert 200 == (await ask(app, f"{root_path}/items", root_path=root_path)).status

    assert ["/a/b"] * 6 == seen


@pytest.mark.cases("FF-30")
async def test_a_final_slash_of_fastapis_own_root_path_is_none(here: Installation) -> None:
    """FastAPI puts it into the scope before its middleware is asked: /items was refused, and /api/items was not."""
    app = FastAPI(openapi_url=None)
    app.root_path = "/api/"  # the argument of that name is deprecated
    app.get("/items")(lambda: "items")
    app.add_middleware(APIKeyMiddleware, **here.options, rules={"GET /items": []})
    key = await here.issue("items:read")

    for path in ("/items", "/api/items"):
        assert 200 == (await ask(app, path, key.headers)).status
        assert 401 == (await ask(app, path)).status


@pytest.mark.cases("FF-67")
async def test_a_dispatcher_may_take_a_prefix_off_without_a_slash(here: Installation, guard: Guard) -> None:
    """Behind Hypercorn's dispatcher, Quart takes /privateusers for /private/users."""
    quart = Quart("app", static_folder=None)
    quart.add_url_rule("/users", view_func=lambda: "users")
    app, key = guard(AsyncioDispatcherMiddleware({"/private": quart}), RULES), await here.issue("private:read")

    for path in ("/private/users", "/privateusers"):
        assert 401 == await send_to(app, plain_scope("GET", path, None))
        assert 200 == await send_to(app, plain_scope("GET", path, key.text))


@pytest.mark.cases("FF-67")
async def test_a_mount_in_a_mount_has_both_prefixes(guard: Guard) -> None:
    """Litestar below Starlette cuts at its own mount, which lies below the outer one."""
    inner: Any = Litestar([private, anything], **QUIET)
    rules = {"/m/private/{p:path}": "private:read", "/{p:path}": PUBLIC}
    app = guard(Starlette(routes=[Mount("/m", inner)]), rules)

    assert 401 == (await ask(app, "/m/privatea")).status
    assert 200 == (await ask(app, "/m/elsewhere")).status


def test_a_rule_below_a_mount_of_litestars_is_used() -> None:
    """All that is below the mount may be a route of what is mounted."""
    app = Litestar([private, plain], **QUIET)
    rules = compile_rules({"/private/users": [], "/privat": []}, known=None, key_types=("api",)).rules

    assert ["/privat"] == [rule.text for rule in unused_rules(app, rules)]
    assert "/private/{anything:path}" in [way.text for way in ways_of(app) or ()]


def tenants() -> tuple[Quart, list[str]]:
    """Quart with a route for its root and one for every segment, and what has run."""
    app, ran = Quart("inner", static_folder=None), []

    @app.get("/")
    async def home() -> str:
        return "home"

    @app.get("/<tenant>")
    async def one(tenant: str) -> str:
        ran.append(tenant)
        return tenant

    return app, ran


@pytest.mark.cases("FF-70")
@pytest.mark.parametrize(("root_path", "mount"), [("/auth", ""), ("", "/auth"), ("", "/auth/"), ("", "/")])
async def test_what_quart_takes_its_prefix_alone_for_is_guarded(
    here: Installation, guard: Guard, root_path: str, mount: str
) -> None:
    """Quart reads the prefix without more as a segment " ", so a public root must not open the route for segments."""
    inner, ran = tenants()
    at = mount.rstrip("/")
    rules: dict[str, Any] = {at or "/": PUBLIC, f"{at}/{{tenant}}": "items:read"}
    app: Any = guard(AsyncioDispatcherMiddleware({mount: inner}) if mount else inner, rules=rules)
    key = await here.issue("items:read")

    async def asked(key: str | None) -> int:
        return await send_to(app, {**plain_scope("GET", mount or root_path, key), "root_path": root_path})

    assert 401 == await asked(None)
    assert [] == ran
    assert 200 == await asked(key.text)
    assert [" "] == ran


@pytest.mark.cases("FF-70")
@pytest.mark.parametrize("root_path", ["", "/auth"])
async def test_quarts_root_stays_public(guard: Guard, root_path: str) -> None:
    """With its slash, the prefix leads to the root, which its own rule opens."""
    app = guard(tenants()[0], rules={"/": PUBLIC, "/{tenant}": "items:read"})

    assert 200 == await send_to(app, {**plain_scope("GET", f"{root_path}/", None), "root_path": root_path})
