"""The page's cookies, origins and links, and its handover links."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from keyfob_admin import keys_page
from tests.keyfob_admin.console.conftest import SECRET, hidden, words
from tests.keyfob_admin.embedding.conftest import ANN, PREFIX, Application
from tests.keyfob_admin.embedding.test_page import KEYS, NEW, made

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.keyfob_admin.console.conftest import Installation, Visitor

_LINK = re.compile(r'href="([^"#]+)')


@pytest.fixture
async def over_tls(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of Ann's that reaches the application by https."""
    assert installation.admin_key
    monkeypatch.setenv("KEYFOB_ADMIN_URL", "https://keys.example")
    page = keys_page(config=tmp_path / "keyfob.toml", who=lambda _: ANN)
    transport: Any = httpx.ASGITransport(Starlette(routes=[Mount(PREFIX, page)]))
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client:
        yield client
    await page.state.runtime.stop()


async def test_the_cookie_is_of_the_page_alone(over_tls: httpx.AsyncClient) -> None:
    """It has the safe name, the mount's path, and is out of reach for scripts and other sites."""
    cookie = (await over_tls.get(KEYS)).headers["set-cookie"]

    assert cookie.startswith("__Secure-keyfob_browser=")
    for part in (f"Path={PREFIX}", "Secure", "HttpOnly", "SameSite=strict"):
        assert part in cookie.split("; "), cookie


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example", 303),
        ("https://evil.example", 403),
        ("https://keys.example", 403),
        ("http://shop.example", 403),
        (None, 303),
    ],
)
async def test_the_origin_is_the_pages_own(over_tls: httpx.AsyncClient, origin: str | None, status: int) -> None:
    """A form of another host or scheme is refused, the console's included, whatever token it carries."""
    form = hidden((await over_tls.get(KEYS)).text)
    headers = {} if origin is None else {"Origin": origin}

    assert (
        status == (await over_tls.post(f"{PREFIX}/theme", data={**form, "theme": "dark"}, headers=headers)).status_code
    )


def links_of(visitor: Visitor, address: str) -> set[str]:
    """The addresses that a page leads to, or leads on to."""
    answer = visitor.get(address, headers={"Accept": "text/html"})
    assert answer.status_code in {200, 303}, address
    return {html.unescape(found) for found in _LINK.findall(answer.text) if "<!doctype" in answer.text}


def test_every_link_leads_somewhere(application: Application) -> None:
    """From the list on, no page links to anything that is not served."""
    with application.visitor("ann") as ann:
        key = made(ann, "Ann's")
        seen: set[str] = set()
        waiting = {KEYS, f"{KEYS}/{key}", f"{KEYS}/{key}/permissions"}
        while waiting:
            address = waiting.pop()
            seen.add(address.partition("?")[0])
            inside = {link for link in links_of(ann, address) if "/static/" not in link}
            assert all(link.startswith(f"{PREFIX}/") for link in inside), (address, inside)
            forms = {f"{PREFIX}/theme", f"{KEYS}/{key}/enable"}  # these have no page of their own
            waiting |= {link for link in inside if link.partition("?")[0] not in seen | forms | {f"{PREFIX}/find"}}
        assert f"{PREFIX}/activity" in seen
        assert f"{KEYS}/{key}/replace" in seen


def test_a_handover_link_needs_no_sign_in(application: Application) -> None:
    """Whoever holds the link of a key that was made on the page collects its secret there, once."""
    with application.visitor("ann") as ann, application.visitor("") as holder:
        page = ann.send_form(NEW, name="for Joe", permission="items:read", handover="yes")
        assert 201 == page.status_code, words(page.text)
        assert SECRET.search(page.text) is None
        found = re.search(rf"{PREFIX}/handover/[^\s<\"]+", page.text)
        assert found is not None
        assert 200 == holder.get(found[0]).status_code
        collected = holder.send_form(found[0])
        assert 201 == collected.status_code
        assert SECRET.search(collected.text) is not None
        assert 410 == holder.get(found[0]).status_code
