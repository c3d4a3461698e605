"""From people and roles of the management layer to the bodies of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob_admin.wire import people_views as views

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from keyfob.policy.roles import Role


def shown_person(person: Person) -> views.Person:
    """Show a person, with the memberships that it has here."""
    return views.Person(
        id=person.id,
        email=person.email,
        name=person.name,
        source=person.source.value,
        state=person.state.value,
        memberships=[views.Membership(one.team, one.role, one.by.value) for one in person.memberships],
        last_sign_in_at=person.last_sign_in_at,
    )


def shown_role(role: Role) -> views.Role:
    """Show a role."""
    return views.Role(role.name, role.label, list(role.permissions), role.grant_all, role.own_keys_only)
