"""The verbs for people."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid
from keyfob.management.people.people import PeopleSearch
from keyfob.runtime.in_process.arguments import actor_of, known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.management.pagination import Page
    from keyfob.management.people.offboarding import Offboarding
    from keyfob.management.people.person_links import Invitation
    from keyfob.people.record import Person
    from keyfob.policy.roles import Role
    from keyfob.runtime.in_process.arguments import By
    from keyfob.runtime.runtime import Runtime

_SEARCH_FIELDS: Final = frozenset(field.name for field in fields(PeopleSearch))


class PeopleVerbs:
    """What can be done with people. *person* is the id of one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def roles(self) -> Mapping[str, Role]:
        """The roles of the configuration, by name."""
        return self._runtime.people.roles

    async def list(self, *, actor: By, **filters: Any) -> Page[Person]:  # noqa: ANN401
        """Give one page of the people in the teams that *actor* can see. *filters* are those of the API."""
        search = PeopleSearch(**known(filters, _SEARCH_FIELDS))
        await self._runtime.ready()
        return await self._runtime.people.list(search, actor=actor_of(actor))

    async def get(self, *, person: str, actor: By) -> Person:
        """Look at one person. Raises NotFound."""
        await self._runtime.ready()
        return await self._runtime.people.get(person, actor=actor_of(actor))

    async def invite(
        self,
        *,
        team: str,
        role: str,
        actor: By,
        email: str | None = None,
        person: str | None = None,
        name: str | None = None,
    ) -> Invitation:
        """Give somebody a role, by e-mail address or by id; ``token`` of what is returned belongs into the link.

        Raises:
            Invalid: not one of *email* and *person* is given, the role is none, or *person* is given a name.
            Forbidden, NotFound, ExceedsOwnPermissions, LastOwner, LastAdmin
        """
        if (email is None) == (person is None):
            raise Invalid(("/email", "Name whom to invite, by email or by id"))
        await self._runtime.ready()
        people, doer = self._runtime.people, actor_of(actor)
        if person is None:
            return await people.invite(email, name=name, team=team, role=role, actor=doer)
        if name is not None:
            raise Invalid(("/name", "Somebody who is known by id has a name"))
        return await people.invite_again(person, team=team, role=role, actor=doer)

    async def update(self, *, person: str, actor: By, **changes: Any) -> Person:  # noqa: ANN401
        """Change the name or the e-mail address."""
        await self._runtime.ready()
        return await self._runtime.people.update(person, changes, actor=actor_of(actor))

    async def set_role(self, *, team: str, person: str, role: str, actor: By) -> Person:
        """Give a person a role in the team. Raises LastOwner, PersonLeft."""
        await self._runtime.ready()
        return await self._runtime.people.set_role(team, person, role, actor=actor_of(actor))

    async def remove(self, *, team: str, person: str, actor: By) -> None:
        """End a person's membership in the team. Raises LastOwner."""
        await self._runtime.ready()
        await self._runtime.people.remove(team, person, actor=actor_of(actor))

    async def offboard(
        self,
        *,
        person: str,
        keys: str,
        actor: By,
        to: str | None = None,
        dry_run: bool = False,
        reason: str | None = None,
    ) -> Offboarding:
        """Let a person leave; *keys* says what becomes of theirs: ``keep``, ``disable``, or ``transfer`` *to* an heir.

        An heir is the id of a person, or ``team``. With *dry_run* nothing is changed. Raises PersonLeft, LastOwner.
        """
        await self._runtime.ready()
        return await self._runtime.offboarding.run(
            person, keys=keys, to=to, dry_run=dry_run, reason=reason, actor=actor_of(actor)
        )
