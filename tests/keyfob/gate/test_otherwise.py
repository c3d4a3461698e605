"""Routes that take a key of ours or the application's own login: `otherwise = "app"`."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import APIKeyMiddleware, ConfigError
from keyfob.rules.compiler import compile_rules
from tests.keyfob.conftest import Echo, ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard, Headers

SHARED = {
    "GET /items": {"permission": "items:read", "otherwise": "app"},
    "WS /items": {"permission": "items:read", "otherwise": "app"},
    "GET /items/export": "items:export",
    "GET /items/{id}": {"permission": "items:read", "otherwise": "app"},
    "GET /{kind}/first": "items:read",
    "GET /files/{path:path}": {"public": True},
    "GET /files/{name}": {"otherwise": "app"},
}
JWT = "eyJhbGciOiJIUzI1NiJ9.e30.kf_api_ish-_x"
FOREIGN: list[Headers] = [
    [],
    [("Authorization", f"Bearer {JWT}")],
    [("Authorization", f"bearer   {JWT} ")],
    [("Authorization", "Basic dXNlcjpwYXNz")],
    [("Authorization", "Negotiate abc==")],
    [("Authorization", "")],
    [("Cookie", "session=abc; kf=kf_api_x")],
    [("X-API-Key", "somebody-elses")],
    [("X-API-Key", "somebody-elses"), ("Authorization", f"Bearer {JWT}")],
    [("Authorization", "Bearer KF_API_7Qx2mB9tKd03LpWz_x")],
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/items", "/items/7", "/files/a"])
async def test_what_is_no_key_of_ours_passes_to_the_application(
    guard: Guard, echo: Echo, headers: list[tuple[str, str]], path: str
) -> None:
    """The request passes without a grant, and its headers are untouched but for ours, which nobody may send."""
    app = guard(rules=SHARED)

    assert 200 == (await ask(app, path, [*headers, ("X-Keyfob-Team", "forged")])).status

    [scope] = echo.scopes
    assert scope["keyfob"] is None
    assert "user" not in scope
    assert [(name.lower().encode(), value.encode()) for name, value in headers] == scope["headers"]


def judged(key: str) -> list[tuple[int, list[tuple[str, str]]]]:
    unknown = "kf_api_" + "0" * 16 + "_" + "0" * 64
    return [
        (401, [("Authorization", "Bearer kf_")]),
        (401, [("Authorization", "Bearer kf_api_junk")]),
        (401, [("X-API-Key", "kf_api_junk")]),
        (401, [("X-API-Key", " kf_api_junk")]),
        (401, [("Authorization", f"Bearer {unknown}")]),
        (401, [("Authorization", f"Token {key}")]),
        (401, [("Authorization", key)]),
        (401, [("Authorization", f'Bearer "{key}"')]),
        (401, [("Authorization", f'Digest username="{key}"')]),
        (400, [("Authorization", f"Bearer {key}"), ("X-API-Key", key)]),
        (400, [("Authorization", f"Bearer {JWT}"), ("Authorization", f"Bearer {key}")]),
        (400, [("Authorization", f"Bearer {JWT}"), ("Authorization", f"Bearer {JWT}")]),
        (400, [("Authorization", f"Bearer {key}"), ("X-API-Key", "somebody-elses")]),
        (400, [("Authorization", f"Bearer {JWT}, Bearer {key}")]),
        (400, [("X-API-Key", f"junk, {key}")]),
        (400, [("X-API-Key", "")]),
        (400, [("Authorization", "Bearer")]),
        (400, [("Authorization", "Bearer a b")]),
        (200, [("Authorization", f"Bearer {key}")]),
        (200, [("Authorization", f"Bearer {JWT}"), ("X-API-Key", key)]),
        (200, [("Cookie", "session=abc"), ("Authorization", f"Bearer {key}")]),
    ]


@pytest.mark.parametrize("case", range(len(judged(""))))
async def test_what_begins_as_our_keys_do_is_judged_as_always(
    guard: Guard, here: Installation, echo: Echo, case: int
) -> None:
    """A key of ours, what pretends to be one, and what can be read in two ways never passes as the application's."""
    app = guard(rules=SHARED)
    issued = await here.issue("items:read")
    status, headers = judged(issued.text)[case]

    for _ in range(2):
        assert status == (await ask(app, "/items", headers)).status
    assert all(scope["keyfob"] is not None for scope in echo.scopes)


async def test_a_key_that_may_not_is_no_login(guard: Guard, here: Installation, echo: Echo) -> None:
    """A key without the permission is 403, and a disabled one is 401; the application is not asked then."""
    app = guard(rules=SHARED)
    issued = await here.issue("items:write")

    assert 403 == (await ask(app, "/items", issued.headers)).status
    await here.disable(issued)
    assert 401 == (await ask(app, "/items", issued.headers)).status
    assert [] == echo.scopes


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/items/export", 401),
        ("/items/export/", 401),
        ("/Items/export", 401),
        ("/items/EXPORT", 401),
        ("/items/first", 401),
        ("/nowhere", 401),
        ("/items/../x", 400),
        ("/files/a/b", 200),
    ],
)
async def test_it_stands_only_where_every_rule_that_counts_has_it(guard: Guard, path: str, status: int) -> None:
    """Where one reading of the path needs a key, a request without one is refused."""
    assert status == (await ask(guard(rules=SHARED), path)).status


PAIRS = ["user:{}", "{}:", ":{}", "{}:secret", "{}", " {}:", "user: {}"]


@pytest.mark.parametrize("pair", PAIRS)
async def test_a_pair_of_basic_with_our_key_in_it_is_judged(
    guard: Guard, here: Installation, echo: Echo, pair: str
) -> None:
    """Where Basic may carry a key, one anywhere in the pair keeps the request from passing as a login."""
    app = guard(rules=SHARED, authorization_schemes=["bearer", "basic"])
    issued = await here.issue("items:read")

    for text, foreign in [(issued.text, False), ("kf_api_junk", False), ("anything, at all", True)]:
        header = "Basic " + b64encode(pair.format(text).encode()).decode()
        status = (await ask(app, "/items", {"Authorization": header})).status
        assert (status == 200 and echo.scopes.pop()["keyfob"] is None) is foreign
        echo.scopes.clear()


async def test_a_login_by_websocket_passes(guard: Guard) -> None:
    """A handshake without a key reaches the application, which may close it."""
    seen: list[Any] = []

    async def app(scope: Any, _: Any, __: Any) -> None:
        seen.append(scope["keyfob"])

    async def quiet(*_: Any) -> Any:
        """Neither receive nor send is used."""

    scope = {"type": "websocket", "path": "/items", "raw_path": b"/items", "headers": [(b"cookie", b"session=abc")]}
    await guard(app, rules=SHARED)(scope, quiet, quiet)

    assert [None] == seen


@pytest.mark.parametrize("value", ["App", "", None, True, ["app"], "public"])
def test_otherwise_has_one_value(value: object) -> None:
    """Whatever is not exactly "app" is a mistake, which names the rule."""
    with pytest.raises(ConfigError, match=r'rule "GET /items": otherwise must be "app"'):
        compile_rules({"GET /items": {"permission": "a:b", "otherwise": value}}, known=None, key_types=["api"])


def test_a_public_rule_has_no_otherwise() -> None:
    """Public lets everything in, so that there is nothing else to ask."""
    with pytest.raises(ConfigError, match="a public rule can need nothing: take out public, or otherwise"):
        compile_rules({"/a": {"public": True, "otherwise": "app"}}, known=None, key_types=["api"])


def test_the_rules_are_named_at_start(here: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """The log of the start lists every such rule, because each is a promise that the application asks who it is."""
    APIKeyMiddleware(Echo(), **here.options, rules=SHARED)

    [record] = [one for one in caplog.records if getattr(one, "event", "") == "otherwise_app"]
    assert '"GET /items", "WS /items", "GET /items/{id}", "GET /files/{name}"' in record.getMessage()
