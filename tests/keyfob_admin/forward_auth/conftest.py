"""Policies over a real installation, and a gateway that asks in process."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob.testing import Installation, installation
from keyfob_admin.app import build_admin
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from keyfob.testing import Issued

GATEWAY = "127.0.0.1"
CLIENT = "203.0.113.9"
POLICIES = """
[forward_auth.billing]
headers = "x-forwarded"
trusted_proxies = ["127.0.0.1/32"]
[forward_auth.billing.rules]
"GET /invoices" = "invoices:read"
"GET /invoices/{id}" = "invoices:read"
"POST /invoices" = "invoices:write"
"/open" = { public = true }
"GET /teams/{team}" = { permission = "invoices:read", team = "{team}" }
"/scim/{rest:path}" = { permission = "scim:provision", key_types = ["scim"] }

[forward_auth.shop]
headers = "x-original"
status_map = "nginx"
trusted_proxies = ["127.0.0.1/32", "10.1.0.0/16"]
[forward_auth.shop.rules]
"GET /orders" = "orders:read"
"/open" = { public = true }
"""
TOLD = ("x-keyfob-key-id", "x-keyfob-key-name", "x-keyfob-key-type", "x-keyfob-team", "x-keyfob-permissions")


@dataclass(frozen=True)
class Gateway:
    """Holds a client's request back, and asks whether it may pass."""

    app: ASGIApp
    runtime: Runtime
    here: Installation

    async def ask(
        self,
        target: str,
        key: Issued | str | None = None,
        *,
        method: str = "GET",
        policy: str = "billing",
        peer: str = GATEWAY,
        client: str | None = CLIENT,
        headers: list[tuple[str, str]] | None = None,
    ) -> httpx.Response:
        """Ask as a gateway does that was asked for *target*; *headers* are the client's own."""
        family = "Forwarded" if policy == "billing" else "Original"
        sent = [(f"X-{family}-Method", method), (f"X-{family}-Uri", target), *(headers or [])]
        if client is not None:
            sent.append(("X-Forwarded-For", client))
        if key is not None:
            sent.append(("Authorization", f"Bearer {key if isinstance(key, str) else key.text}"))
        return await self.send(f"/v1/forward-auth/{policy}", sent, peer=peer)

    async def send(
        self, path: str, headers: list[tuple[str, str]], *, peer: str = GATEWAY, method: str = "GET"
    ) -> httpx.Response:
        """Send what is not necessarily a good question."""
        transport = httpx.ASGITransport(self.app, client=(peer, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://keyfob.example") as browser:
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            return await browser.request(method, path, headers=raw)


def told(answer: httpx.Response) -> dict[str, str]:
    """What the application may be told of the key."""
    return {name: answer.headers[name] for name in TOLD}


def configured(here: Installation, policies: str = POLICIES, **overrides: Any) -> Runtime:
    """A process with *policies* over *here*."""
    path = here.folder / "keyfob.toml"
    path.write_text(policies, encoding="utf-8")
    return Runtime(load_settings(path, environ={}, overrides={**here.options, **overrides}))


@pytest.fixture
async def here(tmp_path: Path, engine: str) -> AsyncIterator[Installation]:
    async with AsyncExitStack() as stack:
        url = None if engine == "sqlite" else await stack.enter_async_context(fresh_database())
        yield await stack.enter_async_context(installation(tmp_path, url=url))


@pytest.fixture
async def gateway(here: Installation) -> AsyncIterator[Gateway]:
    runtime = configured(here, max_staleness=0.5)
    yield Gateway(build_admin(runtime), runtime, here)
    await runtime.stop()
