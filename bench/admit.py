"""The cost of judging one request, in process: no network, no server, only the ASGI call."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware

from bench.table import Measured
from keyfob import APIKeyMiddleware
from keyfob.keys.format import compose, new_key_id, new_secret
from keyfob.testing import installation

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.testing import Installation, Issued

ROUNDS = 40
CALLS = 500  # in each round
ONE = {"GET /items": "items:read"}
MANY = {f"GET /api/v1/things{number}/{{id}}": "items:read" for number in range(500)}
RULES: dict[str, object] = {"GET /items": "items:read", "GET /items/{id}": "items:read", "POST /items": "items:write"}


async def bare(_: Scope, __: Receive, send: Send) -> None:
    """Answer as little as ASGI allows: the baseline."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class PassThrough:
    """A middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call what is inside."""
        await self.app(scope, receive, send)


class DictBackend(AuthenticationBackend):
    """What one writes by hand: Starlette's authentication with the keys, in the clear, in a dictionary."""

    def __init__(self, keys: dict[str, tuple[str, list[str]]]) -> None:
        self.keys = keys

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """Look the key up."""
        header = conn.headers.get("authorization")
        if header is None:
            return None
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or key not in self.keys:
            raise AuthenticationError("invalid key")
        name, permissions = self.keys[key]
        return AuthCredentials(permissions), SimpleUser(name)


@dataclass(slots=True)
class KeptByHand:
    """What one keeps of a key by hand."""

    name: str
    permissions: list[str]
    expires_at: float  # seconds since the epoch
    last_used_at: float = 0.0
    last_used_ip: str | None = None


class CarefulBackend(AuthenticationBackend):
    """The same with what one adds before it goes live: hashes of keys, expiry, a permission, the last use."""

    def __init__(self, keys: dict[str, KeptByHand], needed: dict[tuple[str, str], str]) -> None:
        self.keys = keys
        self.needed = needed

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """Look the key up by its SHA-256, and judge it."""
        header = conn.headers.get("authorization")
        if header is None:
            return None
        scheme, _, key = header.partition(" ")
        kept, now = self.keys.get(hashlib.sha256(key.encode()).hexdigest()), time.time()
        if scheme.lower() != "bearer" or kept is None or kept.expires_at <= now:
            raise AuthenticationError("invalid key")
        if self.needed.get((conn.scope["method"], conn.scope["path"])) not in kept.permissions:
            raise AuthenticationError("not allowed")
        kept.last_used_at, kept.last_used_ip = now, conn.client.host if conn.client else None
        return AuthCredentials(kept.permissions), SimpleUser(kept.name)


def request(path: str, key: str | None = None) -> Scope:
    """A request as uvicorn hands it on, with the headers of an ordinary client."""
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"connection", b"keep-alive"),
        (b"user-agent", b"python-httpx/0.28.1"),
    ]
    if key is not None:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
        "state": {},
    }


async def calls(app: ASGIApp, scope: Scope, status: int) -> float:
    """The mean time of one call, in microseconds; an answer with another *status* must not be measured."""
    seen: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def check(message: Message) -> None:
        seen.append(message.get("status", 0))

    async def send(message: Message) -> None:
        pass

    await app(dict(scope), receive, check)
    assert status == seen[0], (status, seen)
    began = time.perf_counter()
    for _ in range(CALLS):
        await app(dict(scope), receive, send)
    return (time.perf_counter() - began) / CALLS * 1e6


def presented(here: Installation, good: Issued, disabled: Issued) -> dict[str, tuple[str | None, int]]:
    """What a request can carry, and what it is answered."""
    forged = compose(
        key_type="api",
        key_id=new_key_id(),
        secret=new_secret(),
        key_char=here.signing.char,
        tag=lambda _: "0" * 14,
    )
    return {
        "admitted": (good.text, 200),
        "missing key": (None, 401),
        "malformed key": ("junk", 401),
        "forged key": (forged.text, 401),
        "disabled key": (disabled.text, 401),
        "forbidden": (good.text, 403),
    }


def by_hand(key: str) -> tuple[ASGIApp, ASGIApp]:
    """The two checks that one writes by hand, both knowing *key*: the plain one, and the careful one."""
    kept = KeptByHand("key", ["items:read"], time.time() + 3600)
    careful = CarefulBackend({hashlib.sha256(key.encode()).hexdigest(): kept}, {("GET", "/items"): "items:read"})
    plain = DictBackend({key: ("key", ["items:read"])})
    return AuthenticationMiddleware(bare, plain), AuthenticationMiddleware(bare, careful)


async def measure() -> Measured:
    """Measure admitted and refused requests, on one rule and on 500, beside what one writes by hand."""
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            good = await here.issue("items:read")
            disabled = await here.issue("items:read", disabled_at=datetime.now(UTC))
            one = APIKeyMiddleware(bare, **here.options, rules=ONE)
            many = APIKeyMiddleware(bare, **here.options, rules=MANY)
            plain, careful = by_hand(good.text)
            usual = request("/items", good.text)
            rows: dict[str, tuple[Any, Scope, int]] = {
                "bare app": (bare, usual, 200),
                "pass-through middleware": (PassThrough(bare), usual, 200),
                "AuthenticationMiddleware with a dict": (plain, usual, 200),
                "the same, with hashes, expiry, last use": (careful, usual, 200),
            }
            for app, path, rules in ((one, "/items", ""), (many, "/api/v1/things77/42", ", 500 rules")):
                for what, (key, status) in presented(here, good, disabled).items():
                    asked = request("/unknown" if what == "forbidden" else path, key)
                    rows[f"Keyfob, {what}{rules}"] = (app, asked, status)
            rounds: dict[str, list[float]] = {row: [] for row in rows}
            for _ in range(ROUNDS):
                for row, (app, scope, status) in rows.items():
                    rounds[row].append(await calls(app, scope, status))
            await one.runtime.stop()
            await many.runtime.stop()
    return Measured("One request, in process", "µs", rounds, "bare app", "AuthenticationMiddleware with a dict")
