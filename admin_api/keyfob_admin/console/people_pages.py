"""The pages about people: the list, an invitation, one person, and what happens when somebody leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid, LastOwner, NotFound
from keyfob.management.key_listing import KeySearch
from keyfob.management.people.offboarding import KEEP, TRANSFER
from keyfob.management.people.people import PeopleSearch
from keyfob.people.record import Source
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import covers
from keyfob.store.contract.key_store import TEAM_OWNER
from keyfob_admin.console.consequences import admin_keys_ending
from keyfob_admin.console.humanize import counted
from keyfob_admin.console.owners import meant, owners
from keyfob_admin.console.reviews import reviews
from keyfob_admin.wire.links import invitation_address, link_base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from keyfob.management.people.person_links import Invitation
    from keyfob.policy.roles import Role
    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.console.review_counts import Review

_MOST_KEYS: Final = 100  # of a person, on their page


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """A role of the form. *is_offered* is whether the actor can give it."""

    role: Role
    is_offered: bool

    @property
    def meaning(self) -> str:
        """What it lets somebody do, in a few words."""
        held = self.role.permissions
        if "*" in held:
            return "everything, in every team"
        if all(permission.endswith(":read") for permission in held):
            return "reads, changes nothing"
        if self.role.own_keys_only:
            return "only keys they own"
        changed = [what for what in ("keys", "people") if covers(held, f"{what}:write")]
        where = "every team" if self.role.acts_everywhere else "this team"
        return f"{' and '.join(changed)} of {where}" if changed else ", ".join(held)


async def show_people(page_request: PageRequest) -> Response:
    """List the team's people by name."""
    filters = {name: page_request.asked(name) for name in ("q", "role", "state")}
    page_token = page_request.asked("page_token")
    search = PeopleSearch(
        team=page_request.team.id,
        q=filters["q"],
        role=filters["role"],
        state=filters["state"],
        page_token=page_token,
    )
    try:
        page = await page_request.runtime.people.list(search, actor=page_request.actor)
    except Invalid:  # a page of a listing that there is no more, or a choice that never was
        return page_request.goes_to(page_request.url("/people"))
    context: dict[str, Any] = {
        "people": page.items,
        "filters": filters,
        "owned": await page_request.runtime.store.people.keys_owned(
            page_request.team.id, [person.id for person in page.items]
        ),
        "following": page.next_token and page_request.url("/people", **filters, page_token=page.next_token),
        "is_whole": page_token is None and page.next_token is None,
        "left": None if page_request.lacks("keys:read") else await _left(page_request),
        "labels": _labels(page_request),
        "roles": _roles(page_request),
        "mistakes": {},
    }
    return page_request.page("people.html", **context)


async def show_invite(page_request: PageRequest) -> Response:
    """Ask whom to invite."""
    page_request.actor.demand("people:write")
    return _invite_form(page_request)


async def invite(page_request: PageRequest) -> Response:
    """Give somebody a role, and show the link this once."""
    form = page_request.form
    name = form.get("name").strip() or None
    for known in await page_request.runtime.store.people.of_email(form.get("email").strip()):
        is_meant = known.source is not Source.APP and not page_request.lacks("people:write")
        is_here = known.role_in(page_request.team.id) is not None
        if is_meant and is_here and (ending := await admin_keys_ending(page_request, known.id, form.get("role"))):
            stop = f"would end {counted(ending, 'admin key')} of {known.name}, who is in this team already"
            return _invite_form(page_request, {"role": f"This role {stop}. Change it on their page"})
    try:
        made = await page_request.runtime.people.invite(
            form.get("email").strip(),
            team=page_request.team.id,
            role=form.get("role"),
            name=name,
            actor=page_request.actor,
        )
    except Invalid as invalid:
        return _invite_form(page_request, _mistakes(invalid))
    return _link_page(page_request, made)


async def show_person(page_request: PageRequest) -> Response:
    """Show one person with their keys."""
    return await _person_page(page_request)


async def set_role(page_request: PageRequest) -> Response:
    """Give the person another role in the team. Which admin keys that ends is said first."""
    page_request.actor.demand("people:write")
    people, person_id, role = page_request.runtime.people, _id(page_request), page_request.form.get("role")
    ending = await admin_keys_ending(page_request, person_id, role)
    if ending and page_request.form.get("confirmed") != role:
        person, label = await people.get(person_id, actor=page_request.actor), people.roles[role].label
        return page_request.page("role.html", person=person, role=role, label=label, ending=ending)
    try:
        await people.set_role(page_request.team.id, person_id, role, actor=page_request.actor)
    except (Invalid, LastOwner) as refused:
        return await _person_page(page_request, _mistakes(refused))
    return page_request.goes_to(page_request.url(_path(page_request), done="role"))


async def confirm_removal(page_request: PageRequest) -> Response:
    """Say what ends with the membership, before it does. Raises NotFound for no member of the team."""
    page_request.actor.demand("people:write")
    person = await page_request.runtime.people.get(_id(page_request), actor=page_request.actor)
    role = person.role_in(page_request.team.id)
    if role is None:
        raise NotFound("this person is no member of the team")
    if any(choice.role.name == role and not choice.is_offered for choice in _roles(page_request)):
        return page_request.goes_to(page_request.url(_path(page_request)))  # which says why
    types = page_request.runtime.catalogue.key_types
    ending = [name for name, key_type in types.items() if key_type.ends_with_owner]
    return page_request.page(
        "remove.html",
        person=person,
        role=_labels(page_request).get(role, role),
        stopping=sum([await _owned(page_request, person.id, name) for name in ending]),
        admin_keys=await _owned(page_request, person.id, ADMIN),
        owned=await _owned(page_request, person.id),
    )


async def _owned(page_request: PageRequest, person_id: str, key_type: str | None = None) -> int:
    """How many keys of the team that could be used belong to the person, as far as the visitor may see keys."""
    if page_request.lacks("keys:read"):
        return 0
    search = KeySearch(page_request.team.id, owner=person_id, key_type=key_type, state="active", page_size=1)
    return (await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)).total or 0


async def remove(page_request: PageRequest) -> Response:
    """End the person's membership in the team."""
    try:
        await page_request.runtime.people.remove(page_request.team.id, _id(page_request), actor=page_request.actor)
    except LastOwner as refused:
        return await _person_page(page_request, _mistakes(refused))
    return page_request.goes_to(page_request.url("/people", done="removed"))


async def invite_again(page_request: PageRequest) -> Response:
    """Let somebody who has left come back, with a role in the team."""
    try:
        made = await page_request.runtime.people.invite_again(
            _id(page_request),
            team=page_request.team.id,
            role=page_request.form.get("role"),
            actor=page_request.actor,
        )
    except Invalid as invalid:
        return await _person_page(page_request, _mistakes(invalid))
    return _link_page(page_request, made)


async def new_link(page_request: PageRequest) -> Response:
    """Show a link by which the person sets a new passphrase, this once."""
    made = await page_request.runtime.person_links.way_back(_id(page_request), actor=page_request.actor)
    return _link_page(page_request, made)


async def confirm_offboarding(page_request: PageRequest) -> Response:
    """Say what happens when the person leaves, before it does."""
    try:
        return await _offboard_form(page_request)
    except LastOwner as refused:
        return await _person_page(page_request, _mistakes(refused))


async def offboard(page_request: PageRequest) -> Response:
    """Let the person leave."""
    form = page_request.form
    keys = form.get("keys")
    try:
        heir = await meant(page_request, form.get("to"), "to") if keys == TRANSFER else None
        await page_request.runtime.offboarding.run(
            _id(page_request),
            keys=keys,
            to=(heir or TEAM_OWNER) if keys == TRANSFER else None,
            reason=form.get("reason").strip() or None,
            actor=page_request.actor,
        )
    except Invalid as invalid:
        return await _offboard_form(page_request, _mistakes(invalid))
    return page_request.goes_to(page_request.url("/people", done="left"))


async def _left(page_request: PageRequest) -> Review | None:
    return next((review for review in await reviews(page_request) if review.name == "left"), None)


async def _person_page(page_request: PageRequest, mistakes: Mapping[str, str] | None = None) -> Response:
    person = await page_request.runtime.people.get(_id(page_request), actor=page_request.actor)
    keys: tuple[KeyView, ...] = ()
    total = 0
    if covers(page_request.actor.permissions, "keys:read"):
        search = KeySearch(page_request.team.id, owner=person.id, order_by="-created_at", page_size=_MOST_KEYS)
        page = await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)
        keys, total = page.items, page.total or len(page.items)
    runtime = page_request.runtime
    context = {
        "person": person,
        "types": {name: key_type.label for name, key_type in runtime.catalogue.key_types.items()},
        "role": person.role_in(page_request.team.id),
        "keys": keys,
        "total": total,
        "roles": _roles(page_request),
        "labels": _labels(page_request),
        "is_local": person.source is Source.LOCAL,
        "mistakes": mistakes or {},
    }
    status = 200 if not mistakes else 409 if "" in mistakes else 422
    return page_request.page("person.html", status, **context)


async def _offboard_form(page_request: PageRequest, mistakes: Mapping[str, str] | None = None) -> Response:
    runtime, actor = page_request.runtime, page_request.actor
    person = await runtime.people.get(_id(page_request), actor=actor)
    would = await runtime.offboarding.run(person.id, keys=KEEP, dry_run=True, actor=actor)
    return page_request.page(
        "offboard.html",
        422 if mistakes else 200,
        person=person,
        would=would,
        heirs=await owners(page_request),
        mistakes=mistakes or {},
    )


def _invite_form(page_request: PageRequest, mistakes: Mapping[str, str] | None = None) -> Response:
    status = 422 if mistakes else 200
    return page_request.page("invite.html", status, roles=_roles(page_request), mistakes=mistakes or {})


def _link_page(page_request: PageRequest, made: Invitation) -> Response:
    base = link_base(page_request.runtime.settings.admin.url, page_request.request.scope)
    link = None if made.token is None else invitation_address(base, made.token)
    return page_request.page("invited.html", 201, person=made.person, link=link, expires_at=made.expires_at)


def _roles(page_request: PageRequest) -> list[RoleChoice]:
    runtime = page_request.runtime
    return [
        RoleChoice(role, not runtime.authority.exceeds(page_request.actor, role))
        for role in runtime.people.roles.values()
    ]


def _labels(page_request: PageRequest) -> dict[str, str]:
    return {name: role.label for name, role in page_request.runtime.people.roles.items()}


def _id(page_request: PageRequest) -> str:
    return str(page_request.request.path_params["person"])


def _path(page_request: PageRequest) -> str:
    return f"/people/{_id(page_request)}"


def _mistakes(refused: Invalid | LastOwner) -> dict[str, str]:
    if isinstance(refused, LastOwner):
        said = str(refused)
        return {"": f"{said[0].upper()}{said[1:]}."}
    return {pointer.strip("/"): said for pointer, said in refused.errors}
