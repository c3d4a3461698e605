"""The Keys page for users of an application that is not Python: how they come in by a link, and go back."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.endpoint import Page
from keyfob_admin.console.origin import BROWSER, PAGE_SESSION
from keyfob_admin.sessions import PAUSE
from keyfob_admin.sign_in.page import LONGEST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.sign_in.page import PageSignIn

    Row = tuple[str, str, Callable[[PageRequest], Awaitable[Response]]]

VOID: Final = "This link has already been used, or it has expired. Go back to your application and open API keys again."
ENDED: Final = "Your session has ended. Go back to your application and open API keys again."
TOO_MANY: Final = f"Too many attempts. Try again in {PAUSE.seconds} seconds."
PLAIN_HTTP: Final = "API keys are only shown over https, so that nobody on the way can read them."
LEFT: Final = "You have left API keys."


class PageSessionPage(Page):
    """One page, for who came by a link."""

    async def _with_session(self, page_request: PageRequest) -> PageRequest:
        sign_in = page_request.console.page_sign_in
        if sign_in is None or not page_request.page_token or not page_request.place.may_sign_in:
            return page_request
        return replace(page_request, signed_in=await sign_in.who(page_request.page_token, page_request.ip))

    def _without_session(self, page_request: PageRequest) -> Response:
        return _message(page_request, 401, ENDED)


def nobody(_: Request) -> None:
    """Name nobody: people come by a link alone."""


async def show(page_request: PageRequest) -> Response:
    """Show the button that uses the link up; browsers that run scripts press it. Looking uses nothing."""
    if not page_request.place.may_sign_in:
        return _message(page_request, 403, PLAIN_HTTP)
    if await _sign_in(page_request).link(_token(page_request)) is None:
        return _message(page_request, 410, VOID)
    if page_request.signed_in is not None:
        return page_request.page("page_link.html", 200, token=page_request.form_token)
    browser = page_request.place.cookie(page_request.request, BROWSER) or secrets.token_urlsafe(16)
    page = page_request.page("page_link.html", 200, token=page_request.browser_token(browser))
    page_request.place.set_cookie(page, BROWSER, browser)
    return page


async def enter(page_request: PageRequest) -> Response:
    """Use the link up, and begin a session in place of the one that this browser had."""
    if not page_request.place.may_sign_in:
        return _message(page_request, 403, PLAIN_HTTP)
    wait = await page_request.console.sign_in.slow_down(page_request.ip)
    token = await _sign_in(page_request).open(_token(page_request), page_request.ip)
    if token is None and wait:
        page = _message(page_request, 429, TOO_MANY)
        page.headers["Retry-After"] = str(wait)
        return page
    if token is None:
        await page_request.console.sign_in.failed(page_request.ip)
        return _message(page_request, 410, VOID)
    await page_request.console.sign_in.forget(page_request.page_token)
    response = page_request.goes_to(page_request.place.url("/keys"))
    page_request.place.set_cookie(response, PAGE_SESSION, token, seconds=LONGEST.seconds)
    page_request.place.set_cookie(response, BROWSER, "")
    return response


async def leave(page_request: PageRequest) -> Response:
    """End the session, and lead back to the application."""
    await _sign_in(page_request).sign_out(page_request.who)
    back = page_request.return_url
    response = _message(replace(page_request, signed_in=None, team_or_none=None), 200, LEFT, back)
    page_request.place.set_cookie(response, PAGE_SESSION, "")
    return response


def _message(page_request: PageRequest, status: int, said: str, back: str | None = None) -> Response:
    return page_request.page("page_message.html", status, said=said, back=back or page_request.return_url)


def _sign_in(page_request: PageRequest) -> PageSignIn:
    sign_in = page_request.console.page_sign_in
    if sign_in is None:
        raise TypeError("these pages are for people who come by a link")
    return sign_in


def _token(page_request: PageRequest) -> str:
    return str(page_request.request.path_params["token"])


LEAVE: Final[Row] = ("POST", "/leave", leave)
OPEN_BY_LINK: Final[tuple[Row, ...]] = (("GET", "/open/{token}", show), ("POST", "/open/{token}", enter))
