"""A page inside somebody's own application: the application says at every request who is there."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.embedded_session import signed_in_by
from keyfob_admin.console.endpoint import Page, message_page
from keyfob_admin.console.origin import BROWSER

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest

NOBODY: Final = "Sign in to the application first."
_BROWSER: Final = re.compile(r"[0-9A-Za-z_-]{20,64}")


class EmbeddedPage(Page):
    """One page, for whom the application's ``who`` names."""

    async def _answer(self, page_request: PageRequest) -> Response:
        """Answer, and give a browser without one the cookie that its forms are bound to."""
        page_request = replace(page_request, place=replace(page_request.place, public=None))  # the console's, not ours
        if not self._signed_in:
            return await super()._answer(page_request)
        known = page_request.place.cookie(page_request.request, BROWSER)
        browser = known if _BROWSER.fullmatch(known) else secrets.token_urlsafe(16)
        response = await super()._answer(replace(page_request, browser=browser))
        if browser != known:
            page_request.place.set_cookie(response, BROWSER, browser)
        return response

    async def _with_session(self, page_request: PageRequest) -> PageRequest:
        embedding = page_request.console.embedding
        if embedding is None or not self._signed_in:
            return page_request
        return replace(page_request, signed_in=await signed_in_by(page_request, embedding))

    def _without_session(self, page_request: PageRequest) -> Response:
        embedding = page_request.console.embedding
        if embedding is not None and embedding.login_url is not None:
            return page_request.goes_to(embedding.login_url)
        return message_page(page_request, 401, NOBODY)
