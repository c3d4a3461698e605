"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Router

from keyfob import APIKeyMiddleware, ConfigError
from keyfob.asgi.wrapped import is_starlette
from keyfob.keyring.keyring import Keyring
from keyfob.keys.format import compose
from keyfob.keys.redaction import redact
from tests.keyfob.conftest import RULES, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob import Denied
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard


def answering(*headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


# What the application says → Vary and Cache-Control as they go out.
CACHED: list[tuple[list[tuple[bytes, bytes]], str, str]] = [
    ([], "x-api-key", "private"),
    ([(b"cache-control", b"public, max-age=60")], "x-api-key", "public, max-age=60"),
    ([(b"Cache-Control", b"no-cache")], "x-api-key", "no-cache"),
    ([(b"vary", b"X-API-Key")], "X-API-Key", "private"),
    ([(b"vary", b"accept, *")], "accept, *", "private"),
]


@pytest.mark.parametrize(("said", "vary", "cache_control"), CACHED)
async def test_ff_07_a_shared_cache_keeps_no_answer_to_a_key_in_another_header(
    here: Installation, guard: Guard, said: list[tuple[bytes, bytes]], vary: str, cache_control: str
) -> None:
    """Vary names the header that carried the key, and the answer is private unless the application says otherwise."""
    issued = await here.issue("items:read")
    app = guard(answering(*said))

    for headers in ({"X-API-Key": issued.text}, {"X-API-Key": issued.text, "Authorization": "Bearer eyJ.a.b"}):
        answer = await ask(app, "/items", headers)
        shown = {name.lower(): value for name, value in answer.headers.items()}
        assert (200, vary, cache_control) == (answer.status, shown["vary"], shown["cache-control"])


async def test_ff_07_several_vary_lines_are_kept(here: Installation, guard: Guard) -> None:
    """What the application varies by is not replaced, and nothing that it sent is changed in place."""
    issued = await here.issue("items:read")
    own = [(b"vary", b"accept")]
    sent: list[Any] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/items", "headers": [(b"x-api-key", issued.text.encode())]}
    await guard(app)(scope, ask, send)  # type: ignore[arg-type]

    assert [(b"vary", b"accept"), (b"vary", b"x-api-key"), (b"cache-control", b"private")] == sent[0]["headers"]
    assert [(b"vary", b"accept")] == own


async def test_ff_07_answers_to_authorization_and_on_public_paths_stay_as_they_are(
    here: Installation, guard: Guard
) -> None:
    """Caches know Authorization, and a public path is the same for everybody."""
    issued = await here.issue("items:read")
    app = guard(answering())

    assert {} == (await ask(app, "/items", issued.headers)).headers
    assert {} == (await ask(app, "/open", {"X-API-Key": issued.text})).headers


FORWARDED = [
    ("https", "https"),
    ("HTTPS", "https"),
    ("http, https", "https"),
    ("https,http", "http"),
    (" https ", "https"),
    ("wss", "https"),
    ("ftp", "http"),
    ("", "http"),
    ("https\x00", "http"),
]


@pytest.mark.parametrize(("told", "scheme"), FORWARDED)
@pytest.mark.parametrize("path", ["/items", "/open"])
async def test_ff_25_a_trusted_proxy_tells_the_scheme(
    here: Installation, guard: Guard, echo: Echo, told: str, scheme: str, path: str
) -> None:
    """The application builds its redirects from the scheme under which the client reached the proxy."""
    issued = await here.issue("items:read")
    app = guard(trusted_proxies=["10.0.0.0/8"])

    await ask(app, path, {**issued.headers, "X-Forwarded-Proto": told}, ip="10.0.0.1", scheme="http")
    await ask(app, path, {**issued.headers, "X-Forwarded-Proto": told}, ip="11.0.0.1", scheme="http")

    assert [scheme, "http"] == [scope["scheme"] for scope in echo.scopes]


HOSTS = [
    ("shop.example", b"shop.example"),
    ("a.example, shop.example:8443", b"shop.example:8443"),
    ("[2001:db8::1]:80", b"[2001:db8::1]:80"),
    ("shop.example/../x", b"inner"),
    ("a b", b"inner"),
    ("", b"inner"),
    ("user@shop.example", b"inner"),
    ("x" * 300, b"inner"),
]


@pytest.mark.parametrize(("told", "host"), HOSTS)
async def test_ff_25_a_trusted_proxy_tells_the_host(
    here: Installation, guard: Guard, echo: Echo, told: str, host: bytes
) -> None:
    """X-Forwarded-Host takes the place of Host, if it is one host."""
    issued = await here.issue("items:read")
    headers = {"Host": "inner", **issued.headers, "X-Forwarded-Host": told}

    await ask(guard(trusted_proxies=["10.0.0.0/8"]), "/items", headers, ip="10.0.0.1", scheme="http")

    assert [host] == [value for name, value in echo.scopes[0]["headers"] if name == b"host"]


async def test_ff_25_a_websocket_keeps_its_own_schemes(here: Installation, guard: Guard) -> None:
    """Https of the proxy is wss of a WebSocket."""
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["scheme"])

    issued = await here.issue("ws:connect")
    headers = [(b"authorization", f"Bearer {issued.text}".encode()), (b"x-forwarded-proto", b"https")]
    scope = {"type": "websocket", "path": "/ws", "headers": headers, "client": ("10.0.0.1", 1), "scheme": "ws"}
    await guard(app, trusted_proxies=["10.0.0.0/8"])(scope, ask, ask)  # type: ignore[arg-type]

    assert ["wss"] == seen


@pytest.mark.parametrize("options", [{}, {"trusted_proxies": ["10.0.0.0/8"], "forwarded_scheme": False}])
async def test_ff_25_nobody_else_tells_the_scheme(
    here: Installation, guard: Guard, echo: Echo, options: dict[str, Any]
) -> None:
    """Without trusted proxies, or with forwarded_scheme off, scope and headers stay as the server made them."""
    issued = await here.issue("items:read")
    headers = {**issued.headers, "Host": "inner", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}

    await ask(guard(**options), "/items", headers, ip="10.0.0.1", scheme="http")

    assert ("http", (b"host", b"inner")) == (echo.scopes[0]["scheme"], echo.scopes[0]["headers"][0])


async def test_ff_29_on_denied_may_be_a_coroutine_function(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """It is awaited in the background; what it raises is logged, and the refusal stands."""
    heard = []
    done = asyncio.Event()

    async def on_denied(denied: Denied) -> None:
        await asyncio.sleep(0)
        heard.append(denied.reason)
        if len(heard) == 2:
            done.set()
        raise RuntimeError("not me")

    app = guard(on_denied=on_denied)
    for _ in range(2):
        assert 401 == (await ask(app, "/items")).status
    async with asyncio.timeout(10):
        await done.wait()

    assert ["missing", "missing"] == heard
    assert "on_denied raised" in caplog.text


class Callback:
    """An object whose call is a coroutine."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def __call__(self, _: Denied) -> None:
        self.calls += 1
        await self.go_on.wait()


async def test_ff_29_a_flood_of_denials_does_not_pile_up_calls(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that hangs is called a thousand times at once and no more, which is said once."""
    callback = Callback()
    app = guard(on_denied=partial(callback))

    for _ in range(1_100):
        await ask(app, "/items")
    await asyncio.sleep(0)

    assert 1_000 == callback.calls
    assert 1 == caplog.text.count("on_denied takes too long")
    callback.go_on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await ask(app, "/items")
    await asyncio.sleep(0)
    assert 1_001 == callback.calls


async def test_ff_50_a_whole_key_reaches_no_line_of_ours(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """A key in a path, percent-encoded too, or in a traceback is cut to the form that may be shown."""
    issued = await here.issue("items:read")
    secret = issued.text.rpartition("_")[2]

    def on_denied(_: Denied) -> None:
        raise ValueError(issued.text)

    app = guard(on_denied=on_denied)
    with caplog.at_level(logging.INFO, "keyfob"):
        for path in (issued.text, issued.text.replace("_", "%5f"), issued.text.replace("_", "%255F"), issued.text[:-9]):
            await ask(app, f"/nowhere/{path}")
            await ask(app, "/" + "x" * 450 + path)
    logging.getLogger("keyfob.admin").warning("%s and %s", issued.text, 1)

    assert secret[:20] not in caplog.text
    assert issued.record.id in caplog.text
    assert 17 == caplog.text.count("…")


def test_ff_50_what_may_be_shown_stays() -> None:
    """The displayed form, ids and other texts are not touched."""
    for text in ("kf_api_7Qx2mB9tKd03LpWz", "7Qx2mB9tKd03LpWz", "GET /items/kf_api", "a_b_c", ""):
        assert text == redact(text)


async def test_ff_50_a_log_line_is_no_longer_than_it_needs(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """A path of 50 KB does not become a line of 50 KB."""
    with caplog.at_level(logging.INFO, "keyfob"):
        await ask(guard(), "/" + "é" * 50_000, method="X" * 32)
        await ask(guard(), "/", method="X" * 50_000)

    assert max(map(len, caplog.messages)) < 4_000


@pytest.mark.parametrize(
    "options",
    [{"unknown": 1, "rules": RULES}, {"mode": "observe", "rules": RULES}, {"config": "x.toml", "rules": RULES}, {}],
)
def test_ff_58_beside_a_runtime_only_rules_are_taken(guard: Guard, options: dict[str, Any]) -> None:
    """Whatever else is given beside a runtime would be ignored, so it is a ConfigError; so are no rules at all."""
    with pytest.raises(ConfigError, match="runtime"):
        APIKeyMiddleware(answering(), runtime=guard().runtime, **options)


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


def without_asyncio(app: ASGIApp, scope: dict[str, Any]) -> list[Any]:
    """Call *app* where no asyncio event loop runs, as under Trio; what it sent, or what it raised."""
    sent: list[Any] = []
    incoming = [{"type": "lifespan.startup"}]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):
        app(scope, receive, send).send(None)  # type: ignore[attr-defined]
    return sent


async def knows_no_lifespan(scope: Scope, _: Receive, __: Send) -> None:
    raise ValueError(scope["type"])


def test_ff_71_another_event_loop_is_one_error_at_start(tmp_path: Any) -> None:
    """Under Trio the server is told at start, whether the application knows lifespan or not."""
    keyring = tmp_path / "keyfob.keyring"
    keyring.write_text(Keyring.new(datetime.now(UTC)).dump())
    keyring.chmod(0o600)

    for inner in (knows_no_lifespan, Starlette()):
        app = APIKeyMiddleware(inner, store=f"sqlite:///{tmp_path}/keyfob.db", keyring=keyring, rules=RULES)
        told = without_asyncio(app, {"type": "lifespan"})

        assert ["lifespan.startup.failed"] == [message["type"] for message in told]
        assert "asyncio" in told[0]["message"]
        scope = {"type": "http", "method": "GET", "path": "/items", "headers": [(b"authorization", b"Bearer x")]}
        assert 401 == without_asyncio(app, scope)[0]["status"]
        text = compose(key_type="api", key_id="0" * 16, secret="0" * 43, key_char="a", tag=lambda _: "0" * 14).text
        with pytest.raises(ConfigError, match="asyncio"):
            without_asyncio(app, {**scope, "headers": [(b"x-api-key", text.encode())]})
