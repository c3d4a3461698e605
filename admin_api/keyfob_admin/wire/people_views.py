"""What responses about people hold."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from keyfob_admin.wire.fields import Count, Email, Grants, Moment, Name, NextPageToken, PersonId, RoleName, Slug
from keyfob_admin.wire.views import Key

PersonSource = Literal["local", "oidc", "header", "app"]
StateOfPerson = Literal["invited", "active", "left"]


class Membership(Struct, frozen=True):
    """A role in a team, and who gave it: a person (or key), a group of the identity provider, or the application."""

    team: Slug
    role: RoleName
    by: Literal["person", "group", "app"]


class Person(Struct, frozen=True, kw_only=True):
    """A person, with the memberships that the caller can see."""

    id: PersonId
    email: Email | None
    name: Name
    source: PersonSource
    state: StateOfPerson
    memberships: list[Membership]
    last_sign_in_at: Moment | None


class PersonPage(Struct, frozen=True):
    """Some of the people, by name."""

    people: list[Person]
    next_page_token: NextPageToken


class Invitation(Struct, frozen=True):
    """A person who was invited, and the one-time link; null for somebody who was there already."""

    person: Person
    invitation_url: Annotated[str | None, Meta(description="Send it to that person alone: whoever opens it joins.")]
    expires_at: Moment | None

    def __repr__(self) -> str:
        return f"Invitation(person={self.person!r})"


class PageSession(Struct, frozen=True):
    """A one-time link that opens the Keys page."""

    url: Annotated[str, Meta(description="Lead that person's browser there, at once: whoever opens it is that person.")]
    expires_at: Moment

    def __repr__(self) -> str:
        return f"PageSession(expires_at={self.expires_at!r})"


class Offboarding(Struct, frozen=True):
    """What ended, or with `dry_run` would end. `keys` are all that the person owned, as they are then."""

    keys: list[Key]
    sessions_ended: Count
    admin_keys_ended: Count


class Role(Struct, frozen=True):
    """A role: what it holds, and whether it may hand on the whole catalogue and sees only its own keys."""

    name: RoleName
    label: str
    permissions: Grants
    grant_all: bool
    own_keys_only: bool


class RoleList(Struct, frozen=True):
    """The roles that are configured."""

    roles: list[Role]
