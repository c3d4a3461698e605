"""The sign-in page, the one-time link's page, signing out, and the choice of a theme."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.form_recovery import KEPT, form_to_keep, resumed, way_back
from keyfob_admin.console.kept_form import fits_cookie
from keyfob_admin.console.origin import BROWSER, SESSION, THEME, safe_next
from keyfob_admin.console.page_request import THEMES
from keyfob_admin.sessions import PAUSE, SLOW

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest

WRONG_KEY: Final = "That admin key isn't valid."
WRONG_PERSON: Final = "That e-mail address or passphrase isn't valid."
USED_LINK: Final = "This link has already been used. Run `keyfob console login` for a new one."
NOT_SIGNED_IN: Final = "You couldn't be signed in. Try again, or ask an administrator: the log says why."
TOO_MANY: Final = f"Too many attempts. Try again in {PAUSE.seconds} seconds."
ENDED: Final = "Your session has ended. Sign in again."
NOTHING_CHANGED: Final = "Your session has ended. Nothing was changed. Sign in again."
KEPT_FOR_YOU: Final = "Your session has ended. Nothing was changed. What you entered is kept: sign in to go on."
_A_YEAR: Final = 31_536_000  # seconds


def without_session(page_request: PageRequest) -> Response:
    """Ask who has no session to sign in. Who had one is told that it ended, and what they entered is kept."""
    if page_request.request.method != "POST" or not page_request.place.is_from_here(page_request.request):
        ended = "1" if page_request.session_token else None
        there = page_request.here if page_request.request.method != "POST" else None
        return page_request.goes_to(page_request.url("/login", next=there, ended=ended))
    kept = form_to_keep(page_request)
    said = KEPT_FOR_YOU if kept else NOTHING_CHANGED
    return _sign_in_page(page_request, 401, said=said, wanted=way_back(page_request), kept=kept)


async def front(page_request: PageRequest) -> Response:
    """Lead to the keys, or to the sign-in."""
    return page_request.goes_to(page_request.place.url("/keys" if page_request.signed_in else "/login"))


async def show_sign_in(page_request: PageRequest) -> Response:
    """Ask for an admin key."""
    if page_request.signed_in is not None:
        return page_request.goes_to(page_request.place.url(safe_next(page_request.asked("next") or "")))
    return _sign_in_page(page_request)


async def sign_in(page_request: PageRequest) -> Response:
    """Try the admin key. Raises Problem for a form that is not this browser's."""
    if not page_request.place.may_sign_in:
        return _sign_in_page(page_request)
    wait = await page_request.console.sign_in.slow_down(page_request.ip)
    if page_request.form.has("email"):
        return await _sign_in_person(page_request, wait)
    token = await page_request.console.sign_in.with_key(
        page_request.form.get("key").strip(), page_request.ip, page_request.user_agent
    )
    if token is None and wait:
        return held_back(page_request, wait)
    if token is None:
        await page_request.console.sign_in.failed(page_request.ip)
        return _sign_in_page(page_request, 401, error=WRONG_KEY)
    return await welcome(page_request, token, safe_next(page_request.form.get("next")))


async def _sign_in_person(page_request: PageRequest, wait: int) -> Response:
    """Try the e-mail address and passphrase. Nothing in the response tells whether the address is known.

    Passphrases can be guessed. So where too many attempts failed, no further one is tried for *wait* seconds; but
    whoever fails elsewhere for an e-mail address does not lock its owner out.
    """
    people, form = page_request.console.people, page_request.form
    if wait:
        return held_back(page_request, wait)
    email = form.get("email")
    if await people.is_slowed_down(email):
        wait = PAUSE.seconds
        await asyncio.sleep(SLOW)
    token = await people.with_passphrase(email, form.get("passphrase"), page_request.ip, page_request.user_agent)
    if token is not None:
        return await welcome(page_request, token, safe_next(form.get("next")))
    await page_request.console.sign_in.failed(page_request.ip)
    if wait:
        return held_back(page_request, wait)
    await people.failed(email)
    return _sign_in_page(page_request, 401, error=WRONG_PERSON)


def plain_http(page_request: PageRequest) -> Response:
    """Say why nobody signs in over plain http."""
    return _sign_in_page(page_request)


async def show_link(page_request: PageRequest) -> Response:
    """Show the button that uses the link up; looking uses nothing, since mail programs and chats look, too."""
    if not page_request.place.may_sign_in:
        return _sign_in_page(page_request)
    good = await page_request.console.sign_in.link(_link_token(page_request)) is not None
    return (
        with_browser_token(page_request, "link.html", 200)
        if good
        else _sign_in_page(page_request, 410, error=USED_LINK)
    )


async def use_link(page_request: PageRequest) -> Response:
    """Use the link up."""
    if not page_request.place.may_sign_in:
        return _sign_in_page(page_request)
    wait = await page_request.console.sign_in.slow_down(page_request.ip)
    token = await page_request.console.sign_in.with_link(
        _link_token(page_request), page_request.ip, page_request.user_agent
    )
    if token is None and wait:
        return held_back(page_request, wait)
    if token is None:
        await page_request.console.sign_in.failed(page_request.ip)
        return _sign_in_page(page_request, 410, error=USED_LINK)
    return await welcome(page_request, token, "/keys")


async def sign_out(page_request: PageRequest) -> Response:
    """End the session, here and in the database."""
    await page_request.console.sign_in.sign_out(page_request.who)
    response = page_request.goes_to(page_request.place.url("/login"))
    page_request.place.set_cookie(response, SESSION, "")
    return response


async def choose_theme(page_request: PageRequest) -> Response:
    """Remember light, dark or the system's choice in this browser."""
    response = page_request.goes_to(page_request.place.url(safe_next(page_request.form.get("next"))))
    theme = page_request.form.get("theme")
    page_request.place.set_cookie(response, THEME, theme if theme in THEMES[1:] else "", seconds=_A_YEAR)
    return response


async def welcome(page_request: PageRequest, token: str, inside: str) -> Response:
    """Begin the new session and end the one that this browser had: a token from before signing in opens nothing."""
    page = await resumed(page_request, token, inside, page_request.form.get(KEPT))
    return await begin_session(page_request, token, page or page_request.goes_to(page_request.place.url(inside)))


async def begin_session(page_request: PageRequest, token: str, response: Response) -> Response:
    """Give the browser the session of *token* with *response*, for the one that it had."""
    await page_request.console.sign_in.forget(page_request.session_token)
    hours = page_request.runtime.settings.admin.session_hours
    page_request.place.set_cookie(response, SESSION, token, seconds=round(hours * 3600))
    page_request.place.set_cookie(response, BROWSER, "")
    return response


def not_signed_in(page_request: PageRequest, status: int, trouble: str) -> Response:
    """Say that signing in elsewhere led to nothing, and show the ways to sign in."""
    return _sign_in_page(page_request, status, trouble=trouble)


def held_back(page_request: PageRequest, wait: int) -> Response:
    """Refuse an attempt for *wait* seconds more."""
    page = _sign_in_page(page_request, 429, error=TOO_MANY)
    page.headers["Retry-After"] = str(wait)
    return page


def _sign_in_page(
    page_request: PageRequest, status: int = 200, *, error: str | None = None, said: str | None = None, **going_on: str
) -> Response:
    """Write the page. *going_on* says what to do afterwards where that is not in the request itself."""
    wanted = going_on.get("wanted") or page_request.form.get("next") or page_request.asked("next") or ""
    kept = going_on.get("kept") or page_request.form.get(KEPT)
    if not page_request.place.may_sign_in:
        status = 403
    if said is None and error is None and page_request.asked("ended"):
        said = ENDED
    return with_browser_token(
        page_request,
        "login.html",
        status,
        error=error,
        said=said,
        trouble=going_on.get("trouble"),
        next=safe_next(wanted),
        kept=kept,
        kept_fits=fits_cookie(kept),
    )


def with_browser_token(page_request: PageRequest, template: str, status: int, **context: object) -> Response:
    """Write a page whose form only this browser can send, also where somebody is signed in already."""
    if page_request.signed_in is not None:
        return page_request.page(template, status, token=page_request.form_token, **context)
    browser = page_request.place.cookie(page_request.request, BROWSER) or secrets.token_urlsafe(16)
    page = page_request.page(template, status, token=page_request.browser_token(browser), **context)
    if page_request.place.may_sign_in:
        page_request.place.set_cookie(page, BROWSER, browser)
    return page


def _link_token(page_request: PageRequest) -> str:
    return str(page_request.request.path_params["token"])
