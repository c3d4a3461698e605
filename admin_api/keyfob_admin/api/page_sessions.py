"""Links to the Keys page for the users of an application that is not Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob import errors
from keyfob.people.app_person import AppPerson
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire.links import link_base, page_address
from keyfob_admin.wire.people_requests import OpenPage
from keyfob_admin.wire.people_views import PageSession

if TYPE_CHECKING:
    from starlette.responses import Response


_OF_PERSON: Final = frozenset({"/id", "/name", "/email"})


async def create(call: Call) -> Response:
    """Make a one-time link for a person, and show it this once."""
    sent = call.sent(OpenPage)
    given = AppPerson(sent.person.id, sent.person.name, sent.person.email, sent.team, sent.role)
    try:
        made = await call.runtime.page_sessions.create(given, sent.return_url, actor=call.actor)
    except errors.Invalid as wrong:
        raise errors.Invalid(
            *((f"/person{pointer}" if pointer in _OF_PERSON else pointer, why) for pointer, why in wrong.errors)
        ) from None
    base = link_base(call.runtime.settings.admin.url, call.request.scope)
    return answer(PageSession(page_address(base, made.token), made.expires_at), 201)


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path="/v1/page-sessions",
        name="create_page_session",
        summary="Make a link that opens the Keys page for a user of your application",
        handler=create,
        tag="People",
        any_of=("people:write",),
        body=OpenPage,
        status=201,
        answer=PageSession,
        refusals=(
            errors.NotFound,
            errors.Invalid,
            errors.ExceedsOwnPermissions,
            errors.ExceedsOwnLimits,
            errors.LastAdmin,
            errors.PersonLeft,
            errors.Tampered,
        ),
    ),
)
