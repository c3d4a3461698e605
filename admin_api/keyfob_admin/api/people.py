"""People: list, invite, read, change, give roles, remove, offboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from msgspec import UNSET
from starlette.responses import Response

from keyfob import errors
from keyfob.management.people.people import PeopleSearch
from keyfob.store.contract.key_store import KeyView
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import given, or_none
from keyfob_admin.wire import people_views as views
from keyfob_admin.wire.links import invitation_address, link_base
from keyfob_admin.wire.people_presenters import shown_person, shown_role
from keyfob_admin.wire.people_requests import (
    Invite,
    ListPeopleQuery,
    OffboardPerson,
    PatchPerson,
    PersonTarget,
    SetRole,
)

if TYPE_CHECKING:
    from keyfob.management.people.person_links import Invitation

_PEOPLE: Final = "/v1/people"
_PERSON: Final = _PEOPLE + "/{person}"
_MEMBER: Final = "/v1/teams/{team}/people/{person}"
_READ: Final = ("people:read",)
_WRITE: Final = ("people:write",)
_CEILING: Final = (errors.ExceedsOwnPermissions, errors.ExceedsOwnLimits, errors.Tampered)
_ENDING: Final = (*_CEILING, errors.LastOwner, errors.LastAdmin)


def _person(call: Call) -> str:
    return cast("str", call.request.path_params["person"])


async def list_people(call: Call) -> Response:
    """Show one page of the people in the teams that the caller can see."""
    asked = call.asked(ListPeopleQuery)
    search = PeopleSearch(
        team=or_none(asked.team),
        q=asked.q or None,
        state=or_none(asked.state),
        page_size=asked.page_size,
        page_token=asked.page_token or None,
    )
    page = await call.runtime.people.list(search, actor=call.actor)
    return answer(views.PersonPage([shown_person(person) for person in page.items], page.next_token))


async def invite(call: Call) -> Response:
    """Give somebody a role, and show the one-time link this once."""
    made = await _invited(call, call.sent(Invite))
    base = link_base(call.runtime.settings.admin.url, call.request.scope)
    url = None if made.token is None else invitation_address(base, made.token)
    body = views.Invitation(shown_person(made.person), url, made.expires_at)
    return answer(body, 201, {"Location": call.address_of(f"{_PEOPLE}/{made.person.id}")})


async def _invited(call: Call, sent: Invite) -> Invitation:
    people, where = call.runtime.people, {"team": sent.team, "role": sent.role}
    if (sent.id is UNSET) == (sent.email is UNSET):
        raise errors.Invalid(("/email", "Name whom to invite, by email or by id"))
    if sent.id is UNSET:
        return await people.invite(or_none(sent.email), name=or_none(sent.name), **where, actor=call.actor)
    if sent.name is not UNSET:
        raise errors.Invalid(("/name", "Somebody who is known by id has a name"))
    return await people.invite_again(sent.id, **where, actor=call.actor)


async def get(call: Call) -> Response:
    """Show one person."""
    return answer(shown_person(await call.runtime.people.get(_person(call), actor=call.actor)))


async def patch(call: Call) -> Response:
    """Change what the caller sent and leave the rest."""
    changes = given(call.sent(PatchPerson))
    return answer(shown_person(await call.runtime.people.update(_person(call), changes, actor=call.actor)))


async def set_role(call: Call) -> Response:
    """Give a person a role in the team."""
    role = call.sent(SetRole).role
    person = await call.runtime.people.set_role(call.team, _person(call), role, actor=call.actor)
    return answer(shown_person(person))


async def remove(call: Call) -> Response:
    """End a person's membership in the team."""
    await call.runtime.people.remove(call.team, _person(call), actor=call.actor)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def offboard(call: Call) -> Response:
    """Let a person leave, or say what that would do."""
    sent = call.sent(OffboardPerson)
    to = None if sent.to is UNSET else sent.to
    result = await call.runtime.offboarding.run(
        _person(call),
        keys=sent.keys,
        to=to.person if isinstance(to, PersonTarget) else to,
        dry_run=sent.dry_run,
        reason=or_none(sent.reason),
        actor=call.actor,
    )
    found = [await call.runtime.store.view(key.id) for key in result.keys]
    used = {view.record.id: view.last_used for view in found if view is not None}
    shown = [call.shown.key(KeyView(key, used.get(key.id))) for key in result.keys]
    return answer(views.Offboarding(shown, result.sessions_ended, result.admin_keys_ended))


async def roles(call: Call) -> Response:
    """Show the roles."""
    return answer(views.RoleList([shown_role(role) for role in call.runtime.people.roles.values()]))


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="GET",
        path=_PEOPLE,
        name="list_people",
        summary="List the people of the teams that you can see",
        handler=list_people,
        tag="People",
        any_of=_READ,
        query=ListPeopleQuery,
        answer=views.PersonPage,
        refusals=(errors.NotFound, errors.Invalid),
    ),
    Route(
        method="POST",
        path=_PEOPLE,
        name="invite_person",
        summary="Invite somebody to a team",
        handler=invite,
        tag="People",
        any_of=_WRITE,
        body=Invite,
        status=201,
        answer=views.Invitation,
        refusals=(errors.NotFound, errors.Invalid, *_ENDING),
    ),
    Route(
        method="GET",
        path=_PERSON,
        name="get_person",
        summary="Read a person",
        handler=get,
        tag="People",
        any_of=_READ,
        answer=views.Person,
    ),
    Route(
        method="PATCH",
        path=_PERSON,
        name="update_person",
        summary="Change a person's name or e-mail address",
        handler=patch,
        tag="People",
        any_of=_WRITE,
        body=PatchPerson,
        answer=views.Person,
        refusals=(errors.Invalid, *_CEILING),
    ),
    Route(
        method="POST",
        path=_PERSON + "/offboard",
        name="offboard_person",
        summary="Let a person leave",
        handler=offboard,
        tag="People",
        any_of=_WRITE,
        body=OffboardPerson,
        answer=views.Offboarding,
        refusals=(errors.Invalid, errors.PersonLeft, *_ENDING),
    ),
    Route(
        method="PUT",
        path=_MEMBER,
        name="set_role",
        summary="Give a person a role in the team",
        handler=set_role,
        tag="People",
        any_of=_WRITE,
        body=SetRole,
        answer=views.Person,
        refusals=(errors.Invalid, errors.PersonLeft, *_ENDING),
    ),
    Route(
        method="DELETE",
        path=_MEMBER,
        name="remove_person",
        summary="End a person's membership in the team",
        handler=remove,
        tag="People",
        any_of=_WRITE,
        status=204,
        refusals=_ENDING,
    ),
    Route(
        method="GET",
        path="/v1/roles",
        name="list_roles",
        summary="List the roles",
        handler=roles,
        tag="People",
        answer=views.RoleList,
    ),
)
