"""The console and the API below the path of ``[admin] url``, behind a proxy that strips it and without one."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import require
from tests.keyfob_admin.console.conftest import TEAM, Installation, Visitor, hidden, running
from tests.keyfob_admin.console.test_origin import client_at

if TYPE_CHECKING:
    from collections.abc import Iterator

CADDY = """
{{
	admin off
	auto_https off
	persist_config off
}}
http://127.0.0.1:{port} {{
	redir {prefix} {prefix}/
	{directive} {prefix}/* {{
		reverse_proxy 127.0.0.1:{behind}
	}}
	respond "not ours" 418
}}
"""
STRIPS, KEEPS = "handle_path", "handle"


@contextmanager
def proxy(folder: Path, behind: str, prefix: str, directive: str) -> Iterator[str]:
    """A real Caddy that hands on what is below *prefix*; its address."""
    program = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        require("caddy", "it strips a prefix as people's proxies do")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = folder / "Caddyfile"
    file.write_text(CADDY.format(port=port, prefix=prefix, directive=directive, behind=urlsplit(behind).port))
    place = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    command = [program, "run", "--adapter", "caddyfile", "--config", str(file)]
    process = subprocess.Popen(command, env=os.environ | place, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "caddy ended instead of starting"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("caddy did not start")


def addresses(page: str) -> set[str]:
    """Whatever a page leads to, sends to or loads, but for places on itself."""
    found = re.findall(r'\b(?:href|action|src|data-[a-z]+)="(/[^"]*)"', page)
    return {address.replace("&amp;", "&").partition("#")[0] for address in found}


def walk(visitor: Visitor, start: str, prefix: str) -> set[str]:
    """Follow every link from *start*, and give all that was seen; each must be there, and below *prefix*.

    Of addresses that differ in the values of their query alone, one is followed.
    """
    seen: set[str] = set()
    followed: set[tuple[str, frozenset[str]]] = set()
    waiting = {start}
    while waiting:
        address = waiting.pop()
        seen.add(address)
        assert address.startswith(f"{prefix}/"), address
        parts = urlsplit(address)
        kind = parts.path, frozenset(parse_qs(parts.query, keep_blank_values=True))
        if kind in followed:
            continue
        followed.add(kind)
        answer = visitor.get(address)
        status = answer.status_code if answer.status_code != 404 else visitor.post(address).status_code
        assert status in {200, 303, 403}, (address, status)  # 403: it is there, and takes a form with its token
        assert answer.headers.get("location", prefix).startswith(prefix)
        if "html" in answer.headers.get("content-type", ""):
            waiting |= addresses(answer.text) - seen
        waiting |= {answer.headers["location"]} - seen if "location" in answer.headers else set()
    return seen


@pytest.mark.parametrize("directive", [STRIPS, KEEPS, "none"])
@pytest.mark.parametrize("prefix", ["/keys-admin", "/tools/keyfob"])
def test_ff_26_everything_stays_under_the_prefix(
    installation: Installation, tmp_path: Path, prefix: str, directive: str
) -> None:
    """Pages, redirects, forms, files, cookies and the API's addresses keep the prefix, whoever strips it or not."""
    named = installation.with_admin(url=f"https://keys.example.com{prefix}")
    with running(named) as behind:
        if directive == "none":
            _lives_below(behind, prefix, installation.admin_key)
            with Visitor(behind) as visitor:  # and somebody on the machine who does not know the prefix gets there
                assert f"{prefix}/login" == visitor.get("/").headers["location"]
        else:
            with proxy(tmp_path, behind, prefix, directive) as url:
                _lives_below(url, prefix, installation.admin_key)


def test_ff_26_a_prefix_like_a_page_of_ours_is_stripped_once(installation: Installation, tmp_path: Path) -> None:
    """Behind a proxy that strips ``/keys``, the page of keys is ``/keys/keys``."""
    named = installation.with_admin(url="https://example.com/keys")
    with running(named) as behind, proxy(tmp_path, behind, "/keys", STRIPS) as url:
        _lives_below(url, "/keys", installation.admin_key)


def _lives_below(url: str, prefix: str, admin_key: str) -> None:
    with Visitor(url) as visitor:
        assert f"{prefix}/login" == visitor.get(f"{prefix}/").headers["location"]
        page = visitor.get(f"{prefix}/login")
        answer = visitor.post(f"{prefix}/login", data={**hidden(page.text), "key": admin_key})
        assert f"{prefix}/keys" == answer.headers["location"]
        cookies = [*page.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
        assert {prefix} == {re.search(r"Path=([^;]*)", cookie, re.IGNORECASE)[1] for cookie in cookies}  # type: ignore[index]

        seen = walk(visitor, f"{prefix}/keys", prefix)
        assert {f"{prefix}/{page}" for page in ("keys/new", "activity", "settings", "theme")} <= seen
        assert any(address.endswith(".css") for address in seen)

        bearer = {"Authorization": f"Bearer {admin_key}"}
        made = visitor.post(f"{prefix}/v1/teams/{TEAM}/keys", json={"name": "a"}, headers=bearer)
        assert made.headers["location"].startswith(f"{prefix}/v1/teams/{TEAM}/keys/")
        assert 200 == visitor.get(made.headers["location"], headers=bearer).status_code
        assert [{"url": prefix}] == visitor.get(f"{prefix}/openapi.json").json()["servers"]
        assert 200 == visitor.get(f"{prefix}/healthz").status_code


@pytest.mark.parametrize("path", ["/keys-admin/v1/whoami", "/v1/whoami", "/keys-admin/v1/../v1/whoami"])
async def test_ff_26_the_guard_stands_under_the_prefix_too(installation: Installation, path: str) -> None:
    """Whether the prefix was stripped or not, nothing under /v1 answers without a key."""
    named = installation.with_admin(url="https://keys.example.com/keys-admin")
    runtime, client = client_at(named, "https://keys.example.com", "keys.example.com")
    async with client:
        assert (await client.get(path)).status_code in {400, 401}
    await runtime.stop()


async def test_ff_26_over_https_the_cookie_of_a_prefix_is_secure(installation: Installation) -> None:
    """`__Host-` is for whole hosts; below a prefix the cookie is `__Secure-` and of that path alone."""
    named = installation.with_admin(url="https://keys.example.com/keys-admin")
    runtime, client = client_at(named, "http://keys.example.com", "keys.example.com")
    async with client:
        sent = (await client.get("/login")).headers["set-cookie"]
    await runtime.stop()

    assert sent.startswith("__Secure-keyfob_browser=")
    assert all(mark in sent for mark in ("Path=/keys-admin", "Secure", "HttpOnly", "SameSite=strict"))
