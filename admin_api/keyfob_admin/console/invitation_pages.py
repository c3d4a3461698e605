"""The page of an invitation, where somebody sets a passphrase and is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid, NotFound
from keyfob.people.passphrase import LONGEST, SHORTEST
from keyfob_admin.console.sign_in_pages import held_back, plain_http, welcome, with_browser_token

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob.people.record import Person
    from keyfob_admin.console.page_request import PageRequest

VOID_LINK: Final = (
    "This link doesn't work any more: it was used, it has expired, or another one took its place. "
    "Ask whoever sent it for a new one."
)


async def show(page_request: PageRequest) -> Response:
    """Ask for a passphrase. Looking uses nothing: mail programs and chats look, too."""
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    person = await page_request.console.people.invited(_token(page_request))
    if person is None:
        return void(page_request)
    return _form(page_request, person)


async def join(page_request: PageRequest) -> Response:
    """Use the link up, and sign in."""
    if not page_request.place.may_sign_in:
        return plain_http(page_request)
    sign_in = page_request.console.people
    wait = await page_request.console.sign_in.slow_down(page_request.ip)
    person = await sign_in.invited(_token(page_request))
    if person is None:
        await page_request.console.sign_in.failed(page_request.ip)
        return held_back(page_request, wait) if wait else void(page_request)
    passphrase = page_request.form.get("passphrase")
    if passphrase != page_request.form.get("again"):
        return _form(page_request, person, "The two entries differ")
    try:
        token = await sign_in.with_invitation(
            _token(page_request), passphrase, page_request.ip, page_request.user_agent
        )
    except Invalid as invalid:
        return _form(page_request, person, invalid.errors[0][1])
    except NotFound:
        return void(page_request)
    return void(page_request) if token is None else await welcome(page_request, token, "/keys")


def _form(page_request: PageRequest, person: Person, mistake: str | None = None) -> Response:
    return with_browser_token(
        page_request,
        "invitation.html",
        422 if mistake else 200,
        email=person.email,
        ways=page_request.console.people.ways_for(person),
        mistake=mistake,
        shortest=SHORTEST,
        longest=LONGEST,
    )


def void(page_request: PageRequest) -> Response:
    """Say that the link is of no use any more."""
    return with_browser_token(page_request, "invitation.html", 410, email=None, ways=(), mistake=VOID_LINK)


def _token(page_request: PageRequest) -> str:
    return str(page_request.request.path_params["token"])
