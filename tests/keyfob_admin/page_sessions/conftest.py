"""Links to the Keys page, asked for with an admin key as an application's server does, on both stores."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob.config.settings import PageSettings
from tests.keyfob_admin.console.conftest import TEAM, Installation, LiveConsole, Visitor, browser, installed, running
from tests.postgres_server import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["browser"]  # a fixture of these tests

BACK = "https://app.example.com/settings"
ANN = {"id": "1", "name": "Ann Smith", "email": "ann@acme.example"}


@dataclass(frozen=True)
class Pages:
    """A served installation whose pages may lead back to `BACK`."""

    live: LiveConsole

    @property
    def installation(self) -> Installation:
        return self.live.installation

    def ask(self, *, headers: dict[str, str] | None = None, key: str | None = None, **fields: Any) -> httpx.Response:
        """Ask for a link for Ann, unless told otherwise, with the root key."""
        body = {"person": ANN, "team": TEAM, "role": "team_admin", "return_url": BACK, **fields}
        bearer = {"Authorization": f"Bearer {key or self.installation.admin_key}", **(headers or {})}
        return httpx.post(f"{self.live.url}/v1/page-sessions", json=body, headers=bearer, timeout=60)

    def link(self, **fields: Any) -> str:
        """The path of a link."""
        answer = self.ask(**fields)
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["url"].removeprefix(self.live.url))

    def visitor(self, **headers: str) -> Visitor:
        """A browser."""
        return Visitor(self.live.url, headers=headers)

    @contextmanager
    def entered(self, **fields: Any) -> Iterator[Visitor]:
        """A browser in which somebody has followed a link."""
        with self.visitor() as visitor:
            assert 303 == visitor.send_form(self.link(**fields)).status_code
            yield visitor


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with store_of(request.param) as store:
        made = asyncio.run(installed(tmp_path, **store))
        yield replace(made, settings=replace(made.settings, page=PageSettings(return_urls=(BACK,))))


@pytest.fixture
def pages(installation: Installation) -> Iterator[Pages]:
    with running(installation) as url:
        yield Pages(LiveConsole(url, installation))
