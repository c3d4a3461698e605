"""The sign-in page, the one-time link's page, signing out, and the choice of a theme."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.place import BROWSER, SESSION, THEME, safe_next
from keyfob_admin.console.visit import THEMES
from keyfob_admin.sign_in import PAUSE

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.visit import Visit

WRONG_KEY: Final = "That admin key isn't valid."
USED_LINK: Final = "This link has already been used. Run `keyfob console login` for a new one."
TOO_MANY: Final = f"Too many attempts. Try again in {PAUSE.seconds} seconds."
_A_YEAR: Final = 31_536_000  # seconds


async def front(visit: Visit) -> Response:
    """Lead to the keys, or to the sign-in."""
    return visit.goes_to(visit.place.url("/keys" if visit.signed_in else "/login"))


async def show_sign_in(visit: Visit) -> Response:
    """Ask for an admin key."""
    if visit.signed_in is not None:
        return visit.goes_to(visit.place.url(safe_next(visit.asked("next") or "")))
    return _sign_in_page(visit)


async def sign_in(visit: Visit) -> Response:
    """Try the admin key. Raises Problem for a form that is not this browser's."""
    if not visit.place.may_sign_in:
        return _sign_in_page(visit)
    if wait := await visit.console.sign_in.must_wait(visit.ip):
        return _held_back(visit, wait)
    token = await visit.console.sign_in.with_key(visit.form.get("key").strip(), visit.ip)
    if token is None:
        await visit.console.sign_in.failed(visit.ip)
        return _sign_in_page(visit, 401, error=WRONG_KEY)
    return await _welcome(visit, token, safe_next(visit.form.get("next")))


async def show_link(visit: Visit) -> Response:
    """Show the button that uses the link up; looking uses nothing, since mail programs and chats look, too."""
    if not visit.place.may_sign_in:
        return _sign_in_page(visit)
    good = await visit.console.sign_in.link(_link_token(visit)) is not None
    return _with_browser_token(visit, "link.html", 200) if good else _sign_in_page(visit, 410, error=USED_LINK)


async def use_link(visit: Visit) -> Response:
    """Use the link up."""
    if not visit.place.may_sign_in:
        return _sign_in_page(visit)
    if wait := await visit.console.sign_in.must_wait(visit.ip):
        return _held_back(visit, wait)
    token = await visit.console.sign_in.with_link(_link_token(visit), visit.ip)
    if token is None:
        await visit.console.sign_in.failed(visit.ip)
        return _sign_in_page(visit, 410, error=USED_LINK)
    return await _welcome(visit, token, "/keys")


async def sign_out(visit: Visit) -> Response:
    """End the session, here and in the database."""
    await visit.console.sign_in.sign_out(visit.who)
    response = visit.goes_to(visit.place.url("/login"))
    visit.place.set_cookie(response, SESSION, "")
    return response


async def choose_theme(visit: Visit) -> Response:
    """Remember light, dark or the system's choice in this browser."""
    response = visit.goes_to(visit.place.url(safe_next(visit.form.get("next"))))
    theme = visit.form.get("theme")
    visit.place.set_cookie(response, THEME, theme if theme in THEMES[1:] else "", seconds=_A_YEAR)
    return response


async def _welcome(visit: Visit, token: str, inside: str) -> Response:
    """Begin the new session and end the one that this browser had: a token from before signing in opens nothing."""
    await visit.console.sign_in.forget(visit.session_token)
    await visit.console.sign_in.succeeded(visit.ip)
    response = visit.goes_to(visit.place.url(inside))
    hours = visit.runtime.settings.admin.session_hours
    visit.place.set_cookie(response, SESSION, token, seconds=round(hours * 3600))
    visit.place.set_cookie(response, BROWSER, "")
    return response


def _held_back(visit: Visit, wait: int) -> Response:
    page = _sign_in_page(visit, 429, error=TOO_MANY)
    page.headers["Retry-After"] = str(wait)
    return page


def _sign_in_page(visit: Visit, status: int = 200, *, error: str | None = None) -> Response:
    wanted = safe_next(visit.form.get("next") or visit.asked("next") or "")
    if not visit.place.may_sign_in:
        status = 403
    return _with_browser_token(visit, "login.html", status, error=error, next=wanted)


def _with_browser_token(visit: Visit, template: str, status: int, **context: object) -> Response:
    """Write a page whose form only this browser can send."""
    browser = visit.place.cookie(visit.request, BROWSER) or secrets.token_urlsafe(16)
    page = visit.page(template, status, token=visit.browser_token(browser), **context)
    if visit.place.may_sign_in:
        visit.place.set_cookie(page, BROWSER, browser)
    return page


def _link_token(visit: Visit) -> str:
    return str(visit.request.path_params["token"])
