"""The MCP server of ``examples/mcp``, asked by the official SDK's client over real sockets."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob_admin.setup.presets import PRESETS
from tests.keyfob_admin.cli.conftest import run
from tests.own_environment import ROOT, python_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "mcp"
ACCEPTS = "application/json, text/event-stream"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@dataclass(frozen=True)
class Tickets:
    """The example, served, and keys for it."""

    url: str
    python: str
    keys: dict[str, str] = field(repr=False)

    def ask(self, key: str, mode: str) -> list[str]:
        """Run the example's client, and give the lines that it prints."""
        environ = {**os.environ, "KEY": self.keys[key], "MODE": mode}
        command = [self.python, str(EXAMPLE / "client.py"), self.url]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
        return done.stdout.splitlines()

    def post(self, key: str, message: dict[str, Any], **headers: str) -> httpx.Response:
        """Send one message as a client without the SDK does."""
        sent = {"Authorization": f"Bearer {self.keys[key]}", "Accept": ACCEPTS, **headers}
        return httpx.post(self.url, json=message, headers=sent, timeout=60)


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tickets]:
    """An installation as `keyfob init --for mcp` makes it, with a permission for each tool."""
    python = python_with("mcp", "the example needs the official SDK")
    folder = tmp_path_factory.mktemp("mcp")
    config = folder / "keyfob.toml"
    assert 0 == run("--config", str(config), "init", "--for", "mcp").code
    mark = '"mcp:use" = "Use the MCP server"'
    assert mark in config.read_text()
    config.write_text(config.read_text().replace(mark, f'{mark}\n"tickets:read" = "Read"\n"tickets:write" = "Close"'))
    keys = {name: made(config, name, *granted) for name, granted in GRANTED.items()}
    command = [python, "-m", "uvicorn", "server:app", "--app-dir", str(EXAMPLE), "--no-proxy-headers", "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "middleware"), "KEYFOB_CONFIG": str(config)}
    with (folder / "log").open("w+") as log, subprocess.Popen(command, env=environ, stderr=log, stdout=log) as server:
        try:
            yield Tickets(f"{address(folder / 'log', server)}/mcp", python, keys)
        finally:
            server.terminate()


GRANTED = {
    "reader": ("mcp:use", "tickets:read"),
    "writer": ("mcp:use", "tickets:*"),
    "stranger": (),
}


def made(config: Path, name: str, *permissions: str) -> str:
    granted = [part for permission in permissions for part in ("--permission", permission)]
    said = run("--config", str(config), "keys", "create", name, *granted)
    assert 0 == said.code, said.err
    return said.out.strip()


def address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Where the server answers, as soon as it says so."""
    while server.poll() is None:
        if found := re.search(r"running on (http://[\d.:]+)", log.read_text()):
            return found[1]
    pytest.fail(log.read_text())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_each_tool_asks_for_its_permission(tickets: Tickets, mode: str) -> None:
    """In the present version of the protocol, where headers name the tool, and in one that knows no such headers."""
    reader, writer = tickets.ask("reader", mode), tickets.ask("writer", mode)

    assert "tools ['close_ticket', 'list_tickets']" == reader[0] == writer[0]
    assert reader[1].startswith("list_tickets said ")
    assert reader[2].split()[1] in {"refused", "failed"}
    assert writer[2].startswith("close_ticket said closed")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_key_without_the_servers_permission_gets_nowhere(tickets: Tickets, mode: str) -> None:
    """The rule for `/mcp` refuses it before the server sees anything."""
    assert [] == tickets.ask("stranger", mode)
    assert 403 == tickets.post("stranger", HELLO).status_code
    assert 401 == httpx.post(tickets.url, json=HELLO, timeout=60).status_code


def test_a_session_belongs_to_the_key_that_opened_it(tickets: Tickets) -> None:
    """Another key that learns the session's id gets 404, as for a session that never was; its own goes on."""
    opened = tickets.post("writer", HELLO)
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    ask = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}

    assert 200 == opened.status_code
    assert 404 == tickets.post("reader", ask, **session).status_code
    assert 202 == tickets.post("writer", ready, **session).status_code
    assert 200 == tickets.post("writer", ask, **session).status_code


def test_a_header_that_lies_about_the_tool_gains_nothing(tickets: Tickets) -> None:
    """The body decides: a call that names another tool in its header than in its body closes no ticket."""
    call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call"}
    body = {**call, "params": {"name": "close_ticket", "arguments": {"number": 2}}}
    lie = {"Mcp-Method": "tools/call", "Mcp-Name": "list_tickets"}
    truth = {"Mcp-Method": "tools/call", "Mcp-Name": "close_ticket"}

    assert "closed" not in tickets.post("reader", body, **lie).text
    refused = tickets.post("reader", body, **truth)
    assert (403, 'Bearer error="insufficient_scope", scope="tickets:write"') == (
        refused.status_code,
        refused.headers["www-authenticate"],
    )


def test_the_preset_guards_the_servers_path() -> None:
    """`keyfob init --for mcp` writes the rule that the example relies on."""
    assert {"/mcp": "mcp:use"} == dict(PRESETS["mcp"].guarded)
