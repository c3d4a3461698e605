"""What a person may do: their role in a team, as it is stored and configured now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.keyring.person_seal import is_sealed
from keyfob.management.actor import Actor
from keyfob.people.record import Source
from keyfob.policy.permissions import missing
from keyfob.policy.roles import best_role

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from keyfob.keyring.keyring import SigningKey
    from keyfob.people.record import Person
    from keyfob.policy.catalogue import Catalogue
    from keyfob.policy.roles import Role


class RoleAuthority:
    """The `keyfob.management.actor.Authority` of people with memberships."""

    def __init__(
        self,
        roles: Mapping[str, Role],
        catalogue: Catalogue,
        entries: Callable[[], Mapping[str, SigningKey]],
        sign_in: Collection[str] = (Source.LOCAL, Source.OIDC, Source.HEADER),
    ) -> None:
        """*entries* are the signing keys whose seals count; *sign_in* are the sources from which people come."""
        self.sign_in = sign_in
        self.roles = roles
        self.catalogue = catalogue
        self._permissions = frozenset(catalogue.permissions)
        self._entries = entries

    def is_genuine(self, person: Person) -> bool:
        """Whether Keyfob itself wrote the person's row."""
        return is_sealed(person, self._entries())

    def role(self, person: Person, team: str | None) -> Role | None:
        """The role that counts for *person* in *team*. A role that the configuration has lost counts for nothing."""
        known = {one.team: self.roles[one.role] for one in person.memberships if one.role in self.roles}
        own = known.pop(team, None) if team is not None else None
        return best_role(own, list(known.values()))

    def actor(self, person: Person | None, team: str | None, ip: str | None) -> Actor | None:
        """*person* as it acts in *team*; None if it may not act there."""
        if person is None or not person.is_active or not self.is_genuine(person):
            return None
        role = self.role(person, team)
        return None if role is None else self.acting(person, role, team, ip)

    def acting(self, person: Person, role: Role, team: str | None, ip: str | None) -> Actor:
        """*person* with *role*."""
        return Actor(
            kind="person",
            id=person.id,
            name=person.name,
            team=team,
            permissions=frozenset(role.permissions),
            ip=ip,
            email=person.email,
            own_keys_only=role.own_keys_only,
            hands_on=self.handed_on(role),
            authority=self,
        )

    def handed_on(self, role: Role) -> frozenset[str]:
        """What *role* may hand on beyond what it holds."""
        return self._permissions if role.grant_all else frozenset()

    def exceeds(self, actor: Actor, role: Role) -> tuple[str, ...]:
        """Which permissions *actor* would give with *role* without being able to grant them."""
        given = (*role.permissions, *sorted(self.handed_on(role)))
        return missing(actor.grants, given) or (
            role.permissions if actor.own_keys_only and not role.own_keys_only else ()
        )
