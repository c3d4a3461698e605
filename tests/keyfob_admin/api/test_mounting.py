"""The console and the admin API inside somebody's own application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from keyfob_admin import admin_app
from tests.keyfob_admin.api.conftest import CHEAP, KEYS, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest
    from starlette.requests import Request

CONFIG = f"""
[store]
url = "sqlite:///keyfob.db"
keyring = "keyfob.keyring"
[permissions]
"items:read" = "Read items"
[middleware]
argon2 = {{ memory_kib = {CHEAP["memory_kib"]}, time = {CHEAP["time"]} }}
"""


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def mounted(config: str | None) -> Starlette:
    """An application with the admin API below a path, as the documentation shows it."""
    admin = admin_app(config=config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await admin.state.runtime.stop()

    return Starlette(routes=[Route("/hello", hello), Mount("/keys-admin", admin)], lifespan=lifespan)


def test_the_admin_app_is_mounted_below_a_path(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`admin_app` brings pages and API under the mount's path, named by an argument or by the environment."""
    file = tmp_path / "keyfob.toml"
    file.write_text(CONFIG)
    monkeypatch.setenv("KEYFOB_CONFIG", str(file))
    bearer = {"Authorization": f"Bearer {root}"}
    for config in (str(file), None):
        with serving(mounted(config)) as url, httpx.Client(base_url=url) as client:
            assert "hello" == client.get("/hello").text
            assert 401 == client.get("/keys-admin/v1/whoami").status_code
            made = client.post(f"/keys-admin{KEYS}", json={"name": "a"}, headers=bearer)
            assert 201 == made.status_code
            assert made.headers["location"].startswith(f"/keys-admin{KEYS}/")
            assert 200 == client.get(made.headers["location"], headers=bearer).status_code
            assert "/keys-admin/login" == client.get("/keys-admin/").headers["location"]
            assert 200 == client.get("/keys-admin/login").status_code
