"""A real demo in a process of its own, shared by the tests of one file."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "keyfob_admin.cli", "demo", "--port", "0"]


@dataclass(frozen=True)
class Running:
    """A demo that answers, what it said when it was ready, and a client to ask it with."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    client: httpx.Client

    def ask(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Ask the Teams API with one of the demo's keys, by its name."""
        headers = {} if key is None else {"Authorization": f"Bearer {self.told['keys'][key]}"}
        return self.client.request(method, self.told["app_url"] + path, headers=headers, **options)

    def ask_team(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """The same below the team's address."""
        return self.ask(method, f"/v1/teams/{self.told['team']}{path}", key, **options)

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the admin API with the admin key."""
        headers = {"Authorization": f"Bearer {self.told['admin_key']}"}
        return self.client.request(method, self.told["admin_url"] + path, headers=headers, **options)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """Stop the demo as a service manager would; what it had to say meanwhile."""
    process.terminate()
    _, words = process.communicate(timeout=30)
    return words


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    process = start("--json")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=30)[1]
        with httpx.Client(timeout=10) as client:
            yield Running(process, json.loads(line), client)
    finally:
        end(process)
