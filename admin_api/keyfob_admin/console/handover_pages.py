"""The page on which a person collects a key that was made for them, and the one with the link to send."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from keyfob.errors import HandoverVoid
from keyfob_admin.console.origin import BROWSER
from keyfob_admin.wire.links import handover_address, link_base

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob.management.handover import Collection
    from keyfob.management.key_creation import CreatedKey
    from keyfob_admin.console.page_request import PageRequest

VOID: Final = "This link doesn't work any more. Ask whoever sent it for a new one."


async def show(page_request: PageRequest) -> Response:
    """Show the button that makes the secret; looking makes none, since mail programs and chats look, too."""
    try:
        found = await page_request.runtime.lifecycle.handovers.find(_token(page_request), page_request.runtime.keyring)
    except HandoverVoid:
        return _page(page_request, 410)
    return _page(page_request, 410 if found.is_over else 200, found)


async def collect(page_request: PageRequest) -> Response:
    """Make the secret and show it, this once."""
    if not page_request.place.may_sign_in:
        return await show(page_request)
    handovers = page_request.runtime.lifecycle.handovers
    try:
        found = await handovers.collect(_token(page_request), page_request.runtime.keyring, ip=page_request.ip)
    except HandoverVoid:
        return _page(page_request, 410)
    return _page(page_request, 410 if found.secret is None else 201, found)


async def renew(page_request: PageRequest) -> Response:
    """Make a new link to a pending key, and show it, this once."""
    made = await page_request.runtime.lifecycle.handovers.renew(
        page_request.team.id, page_request.key_id, actor=page_request.actor
    )
    return link_page(page_request, made)


def link_page(page_request: PageRequest, made: CreatedKey) -> Response:
    """Show the link to send, this once."""
    base = link_base(page_request.runtime.settings.admin.url, page_request.request.scope)
    address = "" if made.link is None else handover_address(base, made.link.token)
    return page_request.page("handover_link.html", 201, key=made.key, address=address)


def _page(page_request: PageRequest, status: int, found: Collection | None = None) -> Response:
    """Write the page, whose form only this browser can send."""
    if page_request.signed_in is not None:
        return page_request.page("handover.html", status, found=found, void=VOID, token=page_request.form_token)
    browser = page_request.place.cookie(page_request.request, BROWSER) or secrets.token_urlsafe(16)
    token = page_request.browser_token(browser)
    page = page_request.page("handover.html", status, found=found, void=VOID, token=token)
    if page_request.place.may_sign_in:
        page_request.place.set_cookie(page, BROWSER, browser)
    return page


def _token(page_request: PageRequest) -> str:
    return str(page_request.request.path_params["token"])
