"""A form that is filled in when the session ends is kept over signing in at a provider, and by its header."""

from __future__ import annotations

import html
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.key_forms import NEW
from tests.keyfob_admin.console.proxied import CLEO, console_behind, press, through_proxy
from tests.keyfob_admin.console.sessions import SESSION, is_in
from tests.keyfob_admin.console.test_form_recovery import FILLED, hidden_many
from tests.keyfob_admin.console.test_provider_pages import BEGIN, CALLBACK, FROM_AWAY, come_back, live, server
from tests.keyfob_admin.sign_in.sign_ins import DISCOVERY, claims_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.keyfob_admin.sign_in.hostile import HostileProvider

__all__ = ["live", "server"]  # fixtures of these tests
pytestmark = pytest.mark.both_engines
COOKIE = "keyfob_form"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def cleo(live: LiveConsole, server: HostileProvider) -> Iterator[Visitor]:
    """A browser in which Cleo is signed in by the provider."""
    with Visitor(live.url) as visitor:
        assert 200 == come_back(server, visitor).status_code
        yield visitor


def send_late(visitor: Visitor, **more: str) -> dict[str, str]:
    """Fill in a form, lose the session, and send it; the fields of the provider's button on the page that answers."""
    form = {**hidden(visitor.get(NEW).text), **FILLED, **more}
    visitor.cookies.delete(SESSION)
    page = visitor.post(NEW, data=form)
    assert (401, True) == (page.status_code, "What you entered is kept" in words(page.text))
    button = page.text.partition(f'<form method="post" action="{BEGIN}">')[2].partition("</form>")[0]
    return hidden(button)


def led_on(page: httpx.Response) -> str:
    """Where a page goes on to by itself."""
    (address,) = re.findall(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', page.text)
    return html.unescape(address)


def back_from(server: HostileProvider, visitor: Visitor, address: str, **claims: object) -> httpx.Response:
    """Be signed in by the provider at *address* with *claims*, and follow it back."""
    asked = dict(parse_qsl(urlsplit(address).query))
    now = int(time.time())
    server.issue(claims_of(server, nonce=asked["nonce"], iat=now, exp=now + 300, **claims))
    return visitor.get(CALLBACK, params={"code": "c", "state": asked["state"]}, headers=FROM_AWAY)


def test_the_form_comes_back_from_the_provider(cleo: Visitor, server: HostileProvider) -> None:
    """It waits in a cookie of this attempt alone; it is shown to whoever had filled it in, and nothing was made."""
    page = cleo.post(BEGIN, data=send_late(cleo))
    cookie = next(one for one in page.headers.get_list("set-cookie") if one.startswith(COOKIE))
    assert all(part in cookie for part in ("SameSite=lax", "HttpOnly", "Max-Age=600"))

    back = back_from(server, cleo, led_on(page))
    assert (200, True) == (back.status_code, "You are signed in again." in words(back.text))
    assert COOKIE not in cleo.cookies
    assert is_in(cleo)
    shown = cleo.post(NEW, content=urlencode(hidden_many(back.text)), headers=FORM)
    assert (200, True) == (shown.status_code, 'value="billing-worker"' in shown.text)
    assert "Sends\ninvoices</textarea>" in shown.text
    assert "billing-worker" not in words(cleo.get("/keys").text)


def test_somebody_else_sees_nothing_of_it(cleo: Visitor, server: HostileProvider) -> None:
    """Whom the provider names now is who goes on; the cookie ends with the attempt."""
    page = cleo.post(BEGIN, data=send_late(cleo))
    back = back_from(server, cleo, led_on(page), sub="dora", email="dora@example.com")

    assert (200, NEW) == (back.status_code, led_on(back))
    assert "billing-worker" not in back.text
    assert (True, False) == (is_in(cleo), COOKIE in cleo.cookies)


def test_another_attempts_form_is_not_read(cleo: Visitor, server: HostileProvider) -> None:
    """A cookie that was changed, or is of an earlier attempt, shows nothing and hinders nobody."""
    cookies = []
    for _ in range(2):
        address = led_on(cleo.post(BEGIN, data=send_late(cleo)))
        cookies.append(cleo.cookies[COOKIE])
        changed = cookies[0] if len(cookies) > 1 else cookies[0].swapcase()
        cleo.cookies.set(COOKIE, changed, domain="127.0.0.1", path="/")
        assert NEW == led_on(back_from(server, cleo, address))


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_another_site_leads_nobody_to_the_provider_with_a_form(cleo: Visitor, headers: dict[str, str]) -> None:
    """The button's form is this browser's own, or nothing is kept and nobody is led anywhere."""
    fields = send_late(cleo)
    for wrong in ({**fields, "csrf": "0" * 64}, {name: value for name, value in fields.items() if name != "csrf"}):
        assert 403 == cleo.post(BEGIN, data=wrong).status_code
    refused = cleo.post(BEGIN, data=fields, headers={"Sec-Fetch-Site": "cross-site", **headers})
    assert (403, False) == (refused.status_code, COOKIE in cleo.cookies)


def test_what_is_too_long_for_a_cookie_is_said_beforehand(cleo: Visitor) -> None:
    """The page says that this way keeps nothing, and has the plain link; the other ways keep it."""
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(1400))
    form = {**hidden(cleo.get(NEW).text), **FILLED, "description": noise}
    cleo.cookies.delete(SESSION)
    page = cleo.post(NEW, data=form)

    assert "What you entered is too long to be kept on this way:" in words(page.text)
    assert f'href="{BEGIN}?next=' in page.text
    assert "kept" in hidden(page.text)
    led = cleo.post(BEGIN, data=hidden(page.text))
    assert (200, False) == (led.status_code, COOKIE in cleo.cookies)


def test_a_provider_that_is_down_keeps_it_on_the_page(live: LiveConsole, server: HostileProvider) -> None:
    """The page that says so still has what was entered, for another way or another try."""
    del server.paths[DISCOVERY]
    with Visitor(live.url) as visitor:
        visitor.sign_in(live.installation.admin_key)
        fields = send_late(visitor)
        page = visitor.post(BEGIN, data=fields)

        assert (503, False) == (page.status_code, COOKIE in visitor.cookies)
        assert "The identity provider can't be asked" in words(page.text)
        assert fields["kept"] == hidden(page.text)["kept"]


def test_the_form_comes_back_by_the_proxys_header(tmp_path: Path, store_setting: dict[str, str]) -> None:
    """The button of the sign-in page keeps it, and the new session is one by header from its first page on."""
    with console_behind("127.0.0.1/32", tmp_path, **store_setting) as live, through_proxy(live) as cleo:
        assert 303 == press(cleo).status_code
        form = {**hidden(cleo.get(NEW).text), **FILLED}
        cleo.cookies.delete(SESSION)
        fields = hidden(cleo.post(NEW, data=form).text)
        back = cleo.post("/sign-in/header", data=fields)
        assert (200, True) == (back.status_code, "You are signed in again." in words(back.text))
        assert is_in(cleo)
        shown = cleo.post(NEW, content=urlencode(hidden_many(back.text)), headers=FORM)
        assert 'value="billing-worker"' in shown.text
        with through_proxy(live, {**CLEO, "X-Forwarded-Email": "dora@example.com"}) as dora:
            dora.cookies.update(cleo.cookies)
            dora.cookies.delete(SESSION)
            fields["csrf"] = hidden(dora.get("/login").text)["csrf"]
            assert 303 == dora.post("/sign-in/header", data=fields).status_code
