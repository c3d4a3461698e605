"""Sends random requests through Keyfob into real routers, and asks the oracle about every handler that runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.routing import Mount

from keyfob import APIKeyMiddleware
from keyfob.asgi.application import router_of
from keyfob.errors import ConfigError
from tests.differential import oracle, world
from tests.differential.applications import FRAMEWORKS, Framework, Ran, Way, ways

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.runtime.runtime import Runtime
    from tests.differential.world import Asked, Holder, Written

PER_WORLD = 50
SERVERS = ["uvicorn", "uvicorn", "hypercorn", "no raw_path"]
PREFIXES = ["", "", "", "/auth", "/a", "/auth/"]


@dataclass
class Findings:
    """What came out: what must not be, and how many requests there were of each kind."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Setting:
    """How Keyfob and the application stand to each other, and to the server."""

    framework: Framework
    rules: list[Written]
    templates: list[str]  # of all routes, those included that no rule names
    root_path: str  # the server's
    own_prefix: str  # the application's
    in_routes: str  # the prefix that is written into the routes
    place: str  # "around", "in a mount", "around a mount", "stripped by hand"
    app: ASGIApp
    ran: Ran


def below(prefix: str, template: str) -> str:
    """*template* below *prefix*."""
    return prefix + template if template != "/" else prefix or "/"


def prefixed(rules: Sequence[Written], prefix: str) -> dict[str, Any]:
    """The rules as a program writes them, below *prefix*."""
    texts = {}
    for rule in rules:
        template = below(prefix, rule.template)
        texts[f"{','.join(rule.methods)} {template}" if rule.methods else template] = rule.needs
    return texts


def build(random: Random, framework: Framework, runtime: Runtime) -> Setting | None:
    """Make a world; None where its rules cannot be meant."""
    rules, ran = world.rules(random), Ran()
    routes = ways([*((rule.template, rule.methods) for rule in rules), *world.unnamed(random, rules)])
    templates = [way.template for way in routes]
    random.shuffle(routes)
    place = random.choice(["around", "around", "in a mount", "around a mount", "stripped by hand"])
    own = random.choice(["", "/auth", "/a"]) if framework.sets_prefix and place == "around" else ""
    root_path = random.choice(PREFIXES) if place in {"around", "in a mount"} and not own else ""
    mounted = "/m" if place == "around a mount" else ""
    whole = root_path.rstrip("/") + ("/m" if "mount" in place else "")
    if framework.ignores_root:  # its routes, and so the rules, have the prefix in them
        mounted = whole
        routes = [Way(below(whole, way.template), way.methods) for way in routes]
    try:
        inner = framework.make(routes, ran, own)
    except Exception:  # noqa: BLE001 - the framework cannot tell these routes apart
        return None
    app: Any = inner
    if place == "around a mount":
        app = Starlette(routes=[Mount("/m", inner)])
    if place == "stripped by hand":
        app, own = Stripping(inner, "/auth"), "/auth"
    try:
        guarded: Any = APIKeyMiddleware(app, runtime=runtime, rules=prefixed(rules, mounted))
    except ConfigError:
        return None
    if place == "stripped by hand":
        guarded.gate.use(router_of(app, "/auth"))
    if place == "in a mount":
        guarded = Starlette(routes=[Mount("/m", guarded)])
    in_routes = whole if framework.ignores_root else ""
    return Setting(framework, rules, templates, root_path, own, in_routes, place, guarded, ran)


class Stripping:
    """What people write around an application: it takes a prefix off, and Keyfob cannot see that."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(f"{self._prefix}/"):
            path = scope["path"][len(self._prefix) :]
            scope = {**scope, "path": path}
            if scope.get("raw_path", b"").startswith(self._prefix.encode()):
                scope["raw_path"] = scope["raw_path"][len(self._prefix) :]
        await self.app(scope, receive, send)


def scope_of(random: Random, setting: Setting, asked: Asked, holder: Holder) -> Scope:
    """The scope as a server makes it of the target."""
    alone = random.random() < 0.04  # nothing but the prefixes
    target = ("/m" if "mount" in setting.place else "") + ("/" if alone else asked.target)
    if setting.own_prefix and random.random() < 0.7:
        target = setting.own_prefix + target
    raw = target.partition("?")[0].encode()
    root_path, server = setting.root_path, random.choice(SERVERS)
    if root_path and server != "hypercorn":
        raw = root_path.encode() + raw
    elif root_path and random.random() < 0.7:
        raw = root_path.rstrip("/").encode() + raw  # a gateway that leaves the prefix on
    if alone:
        raw = raw.rstrip(b"/") or b"/"
    headers = [(b"host", b"example.com")]
    if holder.text is not None:
        headers.append((b"authorization", b"Bearer " + holder.text.encode()))
    scope: dict[str, Any] = {
        "type": "websocket" if asked.is_websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if asked.is_websocket else "http",
        "path": unquote(raw.decode()),
        "raw_path": raw,
        "root_path": root_path.rstrip("/") if server == "hypercorn" else root_path,
        "query_string": b"",
        "headers": headers,
        "client": ("203.0.113.9", 4711),
        "server": ("example.com", 80),
        "extensions": {},
    }
    if asked.is_websocket:
        scope["subprotocols"] = []
    else:
        scope["method"] = asked.method
    if server == "no raw_path":
        del scope["raw_path"]
    return scope


def plain_scope(method: str, target: str, key: str | None) -> Scope:
    """The scope of one ordinary request, as uvicorn makes it."""
    headers = [(b"host", b"example.com")] + ([(b"authorization", f"Bearer {key}".encode())] if key else [])
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": unquote(target),
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("203.0.113.9", 4711),
        "server": ("example.com", 80),
        "extensions": {},
    }


async def send_to(app: ASGIApp, scope: Scope) -> int:
    """Let *app* answer; return the status, 101 for a WebSocket that is let in, 0 for one that is not."""
    statuses: list[int] = []
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    if scope["type"] == "websocket":
        messages = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if "status" in message:
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0] if statuses else 0


async def ask(random: Random, setting: Setting, asked: Asked, holder: Holder, findings: Findings) -> None:
    """Send one request, and judge what ran."""
    setting.ran.handlers.clear()
    scope = scope_of(random, setting, asked, holder)
    shown = f"{setting.framework.name}, {setting.place}, own prefix {setting.own_prefix!r}: {dict(scope)}"
    try:
        status = await send_to(setting.app, scope)
    except Exception as error:  # noqa: BLE001 - what a framework does with an odd request is its own business
        status = 599
        findings.counts[f"raised {type(error).__name__}"] += 1
    findings.counts[str(status)] += 1
    judge_what_ran(setting, holder, shown, findings)


def judge_what_ran(setting: Setting, holder: Holder, shown: str, findings: Findings) -> None:
    """Ask the oracle about every handler that ran for the request of *holder* that is *shown*."""
    findings.counts["ran"] += bool(setting.ran.handlers)
    for whole_template, method, whole_path in setting.ran.handlers:
        template, path = (text.removeprefix(setting.in_routes) or "/" for text in (whole_template, whole_path))
        why = oracle.wrong(setting.rules, template, method, path, holder, setting.framework.eyes)
        if why is not None:
            rules = {rule.text: rule.needs for rule in setting.rules}
            findings.wrong.append(f"{template} ran at {path!r} for {holder}: {why}\n  {shown}\n  {rules}")


async def run(runtime: Runtime, holders: Sequence[Holder], *, seed: int, requests: int) -> Findings:
    """Send about *requests* random requests, the same for the same *seed*."""
    for name in ("keyfob", "django.request", "blacksheep.server", ""):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    findings = Findings()
    for framework in FRAMEWORKS:
        random = Random(f"{seed} {framework.name}")  # noqa: S311 - repeatable, no secret
        left = round(requests * framework.share)
        while left > 0:
            setting = build(random, framework, runtime)
            if setting is None:
                findings.counts["rules refused"] += 1
                continue
            for _ in range(min(left, PER_WORLD)):
                asked, holder = world.asked(random, setting.templates), random.choice(holders)
                if asked.is_websocket and not framework.has_sockets:
                    asked = world.Asked(asked.method, asked.target)
                await ask(random, setting, asked, holder, findings)
            left -= PER_WORLD
            findings.counts[framework.name] += PER_WORLD
            if len(findings.wrong) > 20:
                return findings
    return findings
