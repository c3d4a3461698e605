"""What callers may send about people."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob.policy.return_urls import LONGEST as RETURN_URL_LENGTH
from keyfob_admin.wire.fields import AppPersonId, Email, Name, PageSize, PageToken, PersonId, Reason, RoleName, Slug


class Invite(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whom to invite to which team, with which role: somebody with this address, or with this id who has left."""

    email: UnsetType | Email = UNSET
    id: UnsetType | PersonId = UNSET
    team: Slug
    role: RoleName
    name: UnsetType | Name = UNSET


class PatchPerson(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396). Only local people have an address that can be changed here."""

    name: UnsetType | Name = UNSET
    email: UnsetType | Email = UNSET


class SetRole(Struct, forbid_unknown_fields=True, kw_only=True):
    """The role, in place of the one that the person has in the team."""

    role: RoleName


class PersonTarget(Struct, forbid_unknown_fields=True):
    """A person, by id."""

    person: PersonId


class OffboardPerson(Struct, forbid_unknown_fields=True, kw_only=True):
    """What becomes of the person's keys; `to` names the new owner with `transfer`. Admin keys end in any case."""

    keys: Literal["keep", "disable", "transfer"]
    to: Annotated[
        UnsetType | PersonTarget | str, Meta(description='The id of a person, `{"person": ID}`, or `team`.')
    ] = UNSET
    dry_run: bool = False
    reason: UnsetType | Reason = UNSET


class PagePerson(Struct, forbid_unknown_fields=True, kw_only=True):
    """A user of your application, who is known by the team and this id, never by the e-mail address."""

    id: AppPersonId
    name: Name
    email: Email | None


class OpenPage(Struct, forbid_unknown_fields=True, kw_only=True):
    """Who sees the keys of which team, with which role, and where the page leads back to."""

    person: PagePerson
    team: Slug
    role: Annotated[RoleName, Meta(description="`owner` acts as `team_admin`.")]
    return_url: Annotated[
        str,
        Meta(
            description="An address below one of `[page] return_urls`.",
            extra_json_schema={"minLength": 1, "maxLength": RETURN_URL_LENGTH},
        ),
    ]


class ListPeopleQuery(Struct, kw_only=True):
    """Which people. All conditions must hold."""

    team: Annotated[str, Meta(description="A team's id.")] | UnsetType = UNSET
    q: Annotated[str, Meta(description="Part of the name or e-mail address, literally, or the id.")] = ""
    state: Literal["invited", "active", "left"] | UnsetType = UNSET
    page_size: PageSize = 50
    page_token: PageToken = ""
