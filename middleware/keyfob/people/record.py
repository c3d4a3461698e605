"""People as the store keeps them. A person is known by what signs them in, never by an e-mail address alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Source(StrEnum):
    """What signs a person in."""

    LOCAL = "local"  # a passphrase
    OIDC = "oidc"  # an OpenID Connect provider
    HEADER = "header"  # a proxy in front of Keyfob
    APP = "app"  # the application that shows the Keys page to its own users


class PersonState(StrEnum):
    """Where a person stands."""

    INVITED = "invited"  # has not signed in yet
    ACTIVE = "active"
    LEFT = "left"  # refused from every source until somebody invites them again


class GivenBy(StrEnum):
    """Who gave a role. What a person gave stands; the others are looked at anew at every sign-in."""

    PERSON = "person"
    GROUP = "group"
    APP = "app"


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """A role in a team."""

    team: str
    role: str
    by: GivenBy = GivenBy.PERSON


@dataclass(frozen=True, slots=True)
class Person:
    """One person. *subject* is what the source knows them by, and unique there."""

    id: str
    source: Source
    subject: str
    email: str | None
    name: str
    state: PersonState
    created_at: datetime
    memberships: tuple[Membership, ...] = ()  # by team, at most one in each
    passphrase: str | None = field(default=None, repr=False)  # its Argon2id hash
    last_sign_in_at: datetime | None = None
    sealed_by: str = field(default="", compare=False)
    seal: str = field(default="", repr=False, compare=False)

    @property
    def is_active(self) -> bool:
        """Whether the person may sign in and act."""
        return self.state is PersonState.ACTIVE

    @property
    def has_left(self) -> bool:
        """Whether the person is refused from every source."""
        return self.state is PersonState.LEFT

    def role_in(self, team: str) -> str | None:
        """The name of the role that the person has in *team* itself; None if it is no member."""
        return next((one.role for one in self.memberships if one.team == team), None)

    def with_membership(self, membership: Membership) -> tuple[Membership, ...]:
        """The memberships with *membership* in place of the one in its team."""
        return tuple(sorted((*self.without_team(membership.team), membership)))

    def without_team(self, team: str) -> tuple[Membership, ...]:
        """The memberships in other teams."""
        return tuple(one for one in self.memberships if one.team != team)


def folded_email(email: str | None) -> str:
    """*email* in the form for comparison; "" for none.

    A letter is its other case, and nothing else: case folding would make one of ``straße@`` and ``strasse@``, which can
    be two people's, and an ``s`` of the long s (U+017F).
    """
    return "".join(map(_lower, unicodedata.normalize("NFC", email or "")))


def _lower(character: str) -> str:
    lower = character.lower()
    return lower if lower.upper() == character else character
