"""Signing in by the headers of a proxy: the button of the sign-in page, and that of an invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.config.people import HEADER
from keyfob.errors import NotFound, SignInFailed
from keyfob_admin.console.invitation_pages import void
from keyfob_admin.console.origin import safe_next
from keyfob_admin.console.sign_in_pages import NOT_SIGNED_IN, not_signed_in, plain_http, welcome
from keyfob_admin.sign_in.people import REFUSALS, log_refusal

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest


async def sign_in(page_request: PageRequest) -> Response:
    """Sign in whom the proxy names, who may redeem an invitation by it."""
    people = page_request.console.people
    if HEADER not in people.ways:
        raise NotFound("people do not sign in by a header here")
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    invitation = page_request.request.path_params.get("token")
    if invitation is not None and not await people.takes(HEADER, invitation):
        return void(page_request)
    try:
        token = await _token(page_request, invitation)
    except NotFound:
        return void(page_request)
    except REFUSALS as error:
        log_refusal("proxy", page_request.ip, error)
        return not_signed_in(page_request, 403, NOT_SIGNED_IN)
    return await welcome(page_request, token, safe_next(page_request.form.get("next")))


async def _token(page_request: PageRequest, invitation: str | None) -> str:
    people = page_request.console.people
    claims = people.named_by_proxy(page_request.request.scope)
    if claims is None:
        raise SignInFailed("no_header", "no trusted proxy names anybody in this request")
    token = await people.with_claims(claims, invitation, page_request.ip, page_request.user_agent)
    if token is None:
        raise SignInFailed("no_role", "no role of this person is there any more")
    return token
