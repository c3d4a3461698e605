"""Where the browser is: over https, on this machine, beyond it, and below a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob.runtime.runtime import Runtime
from keyfob_admin import sessions as sign_in
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages
from tests.keyfob_admin.console.conftest import Installation, Visitor, hidden, installed, running, words
from tests.keyfob_admin.console.sessions import SESSION

if TYPE_CHECKING:
    from pathlib import Path


def client_at(installation: Installation, address: str, host: str) -> tuple[Runtime, httpx.AsyncClient]:
    """A client that sees the console at *address*, while the server sees the Host header *host*."""
    runtime = Runtime(installation.settings)
    app = build_admin(runtime, pages=console_pages(runtime))
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Host": host}
    transport = httpx.ASGITransport(app)
    return runtime, httpx.AsyncClient(transport=transport, base_url=address, headers=headers)


PLACES = [
    ("https://keys.example.com", "keys.example.com", {}, "__Host-keyfob_session="),
    ("http://keys.example.com", "keys.example.com", {"url": "https://keys.example.com"}, "__Host-keyfob_session="),
    ("http://localhost:8700", "localhost:8700", {}, "keyfob_session="),
    ("http://127.0.0.1:8700", "127.0.0.1:8700", {"url": "https://keys.example.com"}, "keyfob_session="),
    ("http://[::1]:8700", "[::1]:8700", {}, "keyfob_session="),
    ("http://10.0.0.5", "10.0.0.5", {"insecure_cookies": True}, "keyfob_session="),
]


@pytest.mark.parametrize(("address", "host", "admin", "cookie"), PLACES)
async def test_the_cookie_is_as_safe_as_the_place(
    installation: Installation, address: str, host: str, admin: dict[str, Any], cookie: str
) -> None:
    """Over https the cookie is Secure and of this host alone; on this machine it is plain; both are Strict."""
    runtime, client = client_at(installation.with_admin(**admin), address, host)
    async with client:
        page = await client.get("/login")
        browser = page.headers["set-cookie"].partition(";")[0]
        form = {**hidden(page.text), "key": installation.admin_key}
        answer = await client.post("/login", data=form, headers={"Cookie": browser})
        (sent,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(cookie)]
        assert ("Secure" in sent) is cookie.startswith("__Host-")
        assert all(mark in sent for mark in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Domain" not in sent
    await runtime.stop()


@pytest.mark.parametrize(
    ("host", "admin"),
    [
        ("10.0.0.5", {}),
        ("keys.example.com", {}),
        ("127.0.0.1.evil.example", {}),
        ("10.0.0.5:8700", {"url": "https://keys.example.com"}),
    ],
)
async def test_plain_http_beyond_this_machine_is_refused(
    installation: Installation, host: str, admin: dict[str, Any]
) -> None:
    """Where an admin key could be read on its way there is no field for it, but the reason, and nothing signs in."""
    runtime, client = client_at(installation.with_admin(**admin), f"http://{host}", host)
    async with client:
        page = await client.get("/login")
        assert 403 == page.status_code
        assert "Sign-in is refused here, because this page came over plain http." in words(page.text)
        assert "<input" not in page.text
        answer = await client.post("/login", data={"key": installation.admin_key})
        assert 403 == answer.status_code
        assert "set-cookie" not in answer.headers
    await runtime.stop()


async def test_a_session_of_elsewhere_is_no_good_over_plain_http(installation: Installation) -> None:
    """A session's cookie that arrives over plain http from beyond is not looked at."""
    runtime = Runtime(installation.settings)
    token = await sign_in.SignIn(runtime).with_key(installation.admin_key, None)
    other, client = client_at(installation, "http://10.0.0.5", "10.0.0.5")
    async with client:
        answer = await client.get("/keys", headers={"Cookie": f"{SESSION}={token}"})
        assert 303 == answer.status_code
    await runtime.stop()
    await other.stop()


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://keys.lan", 303), ("http://127.0.0.1:8700", 303), ("http://keys.lan:81", 403), ("https://keys.lan", 403)],
)
async def test_forms_come_from_here_or_from_the_configured_url(
    installation: Installation, origin: str, status: int
) -> None:
    """A proxy may change Host, and browsers say nothing but Origin over plain http: `[admin] url` is believed, too."""
    runtime, client = client_at(
        installation.with_admin(url="http://keys.lan:80"), "http://127.0.0.1:8700", "127.0.0.1:8700"
    )
    async with client:
        page = await client.get("/login")
        del client.headers["Sec-Fetch-Site"]
        headers = {"Cookie": page.headers["set-cookie"].partition(";")[0], "Origin": origin}
        form = {**hidden(page.text), "key": installation.admin_key}
        assert status == (await client.post("/login", data=form, headers=headers)).status_code
    await runtime.stop()


def test_the_console_works_below_a_prefix(installation: Installation) -> None:
    """Mounted under /keyfob every link, form and file stays below it."""
    with running(installation, "/keyfob") as url, Visitor(url) as visitor:
        assert "/keyfob/login" == visitor.get("/keyfob").headers["location"]
        assert "/keyfob/keys" == visitor.send_form("/keyfob/login", key=installation.admin_key).headers["location"]
        page = visitor.get("/keyfob/keys").text
        addresses = [
            part.partition('"')[0] for mark in ('href="', 'action="', 'src="') for part in page.split(mark)[1:]
        ]
        assert [] == [address for address in addresses if not address.startswith(("/keyfob/", "#"))]
        assert 200 == visitor.get(next(a for a in addresses if a.endswith(".css"))).status_code


async def test_each_installation_has_its_own_console(tmp_path: Path) -> None:
    """A session of one installation is none in another."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = await installed(tmp_path / "a"), await installed(tmp_path / "b")
    first, second = Runtime(a.settings), Runtime(b.settings)
    token = await sign_in.SignIn(first).with_key(a.admin_key, None)
    assert await sign_in.SignIn(second).who(token or "", None) is None
    await first.stop()
    await second.stop()
