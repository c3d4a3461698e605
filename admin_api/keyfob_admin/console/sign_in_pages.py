"""The sign-in page, the one-time link's page, signing out, and the choice of a theme."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.form_recovery import KEPT, entries_to_keep, resumed, way_back
from keyfob_admin.console.origin import BROWSER, SESSION, THEME, safe_next
from keyfob_admin.console.page_request import THEMES
from keyfob_admin.sessions import PAUSE

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import Visit

WRONG_KEY: Final = "That admin key isn't valid."
USED_LINK: Final = "This link has already been used. Run `keyfob console login` for a new one."
TOO_MANY: Final = f"Too many attempts. Try again in {PAUSE.seconds} seconds."
ENDED: Final = "Your session has ended. Sign in again."
NOTHING_CHANGED: Final = "Your session has ended. Nothing was changed. Sign in again."
KEPT_FOR_YOU: Final = "Your session has ended. Nothing was changed. What you entered is kept: sign in to go on."
_A_YEAR: Final = 31_536_000  # seconds


def without_session(visit: Visit) -> Response:
    """Ask who has no session to sign in. Who had one is told that it ended, and what they entered is kept."""
    if visit.request.method != "POST" or not visit.place.is_from_here(visit.request):
        ended = "1" if visit.session_token else None
        there = visit.here if visit.request.method != "POST" else None
        return visit.goes_to(visit.url("/login", next=there, ended=ended))
    kept = entries_to_keep(visit)
    said = KEPT_FOR_YOU if kept else NOTHING_CHANGED
    return _sign_in_page(visit, 401, said=said, wanted=way_back(visit), kept=kept)


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
    response = await resumed(visit, token, inside)
    hours = visit.runtime.settings.admin.session_hours
    visit.place.set_cookie(response, SESSION, token, seconds=round(hours * 3600))
    visit.place.set_cookie(response, BROWSER, "")
    return response


def _held_back(visit: Visit, wait: int) -> Response:
    page = _sign_in_page(visit, 429, error=TOO_MANY)
    page.headers["Retry-After"] = str(wait)
    return page


def _sign_in_page(
    visit: Visit, status: int = 200, *, error: str | None = None, said: str | None = None, **going_on: str
) -> Response:
    """Write the page. *going_on* says what to do afterwards where that is not in the request itself."""
    wanted = going_on.get("wanted") or visit.form.get("next") or visit.asked("next") or ""
    kept = going_on.get("kept") or visit.form.get(KEPT)
    if not visit.place.may_sign_in:
        status = 403
    if said is None and error is None and visit.asked("ended"):
        said = ENDED
    return _with_browser_token(visit, "login.html", status, error=error, said=said, next=safe_next(wanted), kept=kept)


def _with_browser_token(visit: Visit, template: str, status: int, **context: object) -> Response:
    """Write a page whose form only this browser can send."""
    browser = visit.place.cookie(visit.request, BROWSER) or secrets.token_urlsafe(16)
    page = visit.page(template, status, token=visit.browser_token(browser), **context)
    if visit.place.may_sign_in:
        visit.place.set_cookie(page, BROWSER, browser)
    return page


def _link_token(visit: Visit) -> str:
    return str(visit.request.path_params["token"])
