"""Signing in at an OpenID Connect provider: the link that leads there, and the page to which it sends back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from keyfob.config.people import OIDC
from keyfob.errors import NotFound, ProviderUnavailable, SignInFailed
from keyfob_admin.console.form_recovery import KEPT, resumed
from keyfob_admin.console.invitation_pages import void
from keyfob_admin.console.kept_form import fits_cookie, read_kept, write_kept
from keyfob_admin.console.origin import ATTEMPT, KEPT_FORM, safe_next
from keyfob_admin.console.sign_in_pages import NOT_SIGNED_IN, begin_session, not_signed_in, plain_http
from keyfob_admin.sign_in.attempt import LASTS, Attempt, read_attempt, write_attempt
from keyfob_admin.sign_in.people import REFUSALS, log_refusal
from keyfob_admin.wire.links import link_base

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.sign_in.oidc import Provider

log = logging.getLogger("keyfob.console")

CALLBACK: Final = "/sign-in/oidc/callback"
PROVIDER_DOWN: Final = "The identity provider can't be asked at the moment. Try again in a minute."


async def begin(page_request: PageRequest) -> Response:
    """Lead to the provider. Nothing is used up: with an invitation, it is by coming back."""
    provider = _provider(page_request)
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    invitation = page_request.request.path_params.get("token")
    if invitation is None and page_request.signed_in is not None:
        return page_request.goes_to(page_request.place.url("/keys"))
    if invitation is not None and not await page_request.console.people.takes(OIDC, invitation):
        return void(page_request)
    attempt = Attempt.new(invitation, safe_next(page_request.asked("next") or ""))
    try:
        address = await provider.address(attempt, _redirect_uri(page_request))
    except ProviderUnavailable as error:
        return _down(page_request, error)
    return _with_cookies(page_request, attempt, page_request.goes_to(address))


async def begin_with_form(page_request: PageRequest) -> Response:
    """Lead to the provider from a sign-in page that keeps a form, which waits in a cookie meanwhile.

    Browsers hold back a form that a redirect would take to another site (CSP, ``form-action``): so a page leads on.
    """
    provider = _provider(page_request)
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    attempt = Attempt.new(None, safe_next(page_request.form.get("next")))
    try:
        address = await provider.address(attempt, _redirect_uri(page_request))
    except ProviderUnavailable as error:
        return _down(page_request, error)
    page = page_request.page("leading_on.html", path=address, heading="Signing in")
    kept = page_request.form.get(KEPT)
    return _with_cookies(page_request, attempt, page, kept if fits_cookie(kept) else "")


def _with_cookies(page_request: PageRequest, attempt: Attempt, response: Response, kept: str = "") -> Response:
    """Have the browser remember the *attempt* and the form that was *kept* until the provider sends it back."""
    entry = page_request.runtime.keyring.signing()
    cookies = {ATTEMPT: write_attempt(attempt, entry, page_request.now)}
    if kept:
        cookies[KEPT_FORM] = write_kept(kept, attempt.state, entry)
    for name, value in cookies.items():
        page_request.place.set_cookie(response, name, value, seconds=LASTS.seconds, same_site="lax")
    return response


async def come_back(page_request: PageRequest) -> Response:
    """Sign in whom the provider names. The attempt counts once, however it ends."""
    provider = _provider(page_request)
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    try:
        response = await _finish(page_request, provider)
    except ProviderUnavailable as error:
        response = _down(page_request, error)
    except NotFound:
        response = void(page_request)
    except REFUSALS as error:
        log_refusal("provider", page_request.ip, error)
        response = not_signed_in(page_request, 403, NOT_SIGNED_IN)
    for name in (ATTEMPT, KEPT_FORM):
        page_request.place.set_cookie(response, name, "", same_site="lax")
    return response


async def _finish(page_request: PageRequest, provider: Provider) -> Response:
    given = page_request.request.query_params.multi_items()
    answer = dict(given)
    if len(answer) != len(given):
        raise SignInFailed("repeated", "the answer has a parameter twice")
    cookie = page_request.place.cookie(page_request.request, ATTEMPT)
    attempt = read_attempt(cookie, page_request.runtime.keyring, page_request.now)
    if attempt is None:
        raise SignInFailed("attempt", "this browser has begun no sign-in within the last ten minutes")
    claims = await provider.finish(attempt, _redirect_uri(page_request), answer)
    token = await page_request.console.people.with_claims(
        claims, attempt.invitation, page_request.ip, page_request.user_agent
    )
    if token is None:
        raise SignInFailed("no_role", "no role of this person is there any more")
    # The session's cookie is Strict: browsers send it to no page to which another site has led. So this one goes on.
    wanted, cookie = safe_next(attempt.wanted), page_request.place.cookie(page_request.request, KEPT_FORM)
    kept = read_kept(cookie, attempt.state, page_request.runtime.keyring)
    page = await resumed(page_request, token, wanted, kept) or page_request.page(
        "leading_on.html", path=page_request.place.url(wanted), heading="You are signed in"
    )
    return await begin_session(page_request, token, page)


def _provider(page_request: PageRequest) -> Provider:
    if page_request.console.provider is None:
        raise NotFound("people do not sign in by a provider here")
    return page_request.console.provider


def _redirect_uri(page_request: PageRequest) -> str:
    return link_base(page_request.runtime.settings.admin.url, page_request.request.scope) + CALLBACK


def _down(page_request: PageRequest, error: ProviderUnavailable) -> Response:
    log.error("nobody can sign in by the provider: %s", error, extra={"event": "provider_unavailable"})
    return not_signed_in(page_request, 503, PROVIDER_DOWN)
