"""Keys pages inside real applications under uvicorn, with a login of their own."""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from keyfob_admin import Person, keys_page
from tests.keyfob_admin.api.conftest import serving
from tests.keyfob_admin.console.conftest import CATALOGUE, CHEAP, Installation, Visitor, browser, installed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

__all__ = ["browser"]  # a fixture of these tests

PREFIX = "/settings/api-keys"
EXAMPLE = Path(__file__).parents[3] / "examples" / "keys_page_fastapi.py"
ANN = Person("1", "Ann Smith", "ann@acme.example", team="acme", role="team_admin", team_name="Acme Ltd")
BOB = Person("2", "Bob Brown", "bob@acme.example", team="acme")
EVE = Person("1", "Eve Green", "eve@globex.example", team="globex", role="owner", plan="enterprise")
CONFIG = """
[store]
url = "{url}"
keyring = "keyfob.keyring"
[permissions]
{permissions}
[middleware]
argon2 = {{ memory_kib = {memory_kib}, time = {time} }}
"""


@dataclass
class Application:
    """A served application whose users are who the header ``X-User`` names; *users* may also hold what to raise."""

    url: str
    installation: Installation
    users: dict[str, Any] = field(default_factory=dict)

    def visitor(self, name: str, **headers: str) -> Visitor:
        """A browser in which *name* is signed in to the application."""
        return Visitor(self.url, headers={"X-User": name, **headers})


@pytest.fixture
def installation(tmp_path: Path, store_setting: dict[str, str]) -> Installation:
    permissions = "\n".join(f'"{name}" = "{label}"' for name, label in CATALOGUE.items())
    url = store_setting.get("store", "sqlite:///keyfob.db")
    (tmp_path / "keyfob.toml").write_text(CONFIG.format(url=url, permissions=permissions, **CHEAP))
    return asyncio.run(installed(tmp_path, **store_setting))


@pytest.fixture
def options() -> dict[str, Any]:
    """What `keys_page` is given besides; tests take others by parameter."""
    return {}


@pytest.fixture
def application(installation: Installation, tmp_path: Path, options: dict[str, Any]) -> Iterator[Application]:
    """An application with the page below a path."""
    users: dict[str, Any] = {"ann": ANN, "bob": BOB, "eve": EVE}

    def who(request: Request) -> Any:
        found = users.get(request.headers.get("x-user", ""))
        if isinstance(found, Exception):
            raise found
        return found

    page = keys_page(config=tmp_path / "keyfob.toml", who=who, **options)

    async def login(_: Request) -> PlainTextResponse:
        return PlainTextResponse("Sign in")

    app = Starlette(routes=[Route("/login", login), Mount(PREFIX, page)], lifespan=stopping(page))
    with serving(app) as url:
        yield Application(url, installation, users)


def stopping(page: Starlette) -> Any:
    """The lifespan that stops *page* at the end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await page.state.runtime.stop()

    return lifespan


@pytest.fixture
def example(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the application in ``examples``."""
    assert installation.admin_key
    monkeypatch.setenv("KEYFOB_CONFIG", str(tmp_path / "keyfob.toml"))
    spec = importlib.util.spec_from_file_location("keys_page_fastapi", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with serving(module.app) as url:
        yield url
