"""Checking what a new key, a copy or a changed key will be. Nothing here needs a store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from keyfob.errors import FixedPermissions, Invalid, NotFound, PlanRequired
from keyfob.errors.suggestions import SUGGESTED, did_you_mean, nearest
from keyfob.keys.format import key_id_of
from keyfob.keys.record import NO_METADATA
from keyfob.management.key_limits import known_limits
from keyfob.management.key_policy import check_policy, default_expiry
from keyfob.management.metadata import merged
from keyfob.management.validation import NAME_LENGTH, clean_fields, clean_owner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import timedelta

    from keyfob.keys.quota import Quota
    from keyfob.keys.record import KeyRecord, MetadataValue
    from keyfob.management.actor import Actor
    from keyfob.policy.catalogue import Catalogue
    from keyfob.policy.key_types import KeyType


class Absent(Enum):
    """Nothing was said, which is not the same as None."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A request for a key. *permissions* is None where none were given, as for types with fixed permissions."""

    name: str
    key_type: str = "api"
    permissions: tuple[str, ...] | None = None
    description: str | None = None
    expires_at: datetime | Absent | None = ABSENT  # absent: its type's default lifetime; None: never
    ip_allow: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: NO_METADATA)
    external_id: str | None = None
    limits: tuple[str, ...] = ()  # none: its plan's
    quota: Quota | None = None  # None: its plan's
    owner: str | Absent | None = ABSENT  # a person's id; None: the team; absent: whoever makes the key


@dataclass(frozen=True, slots=True)
class Accepted:
    """A draft that passed: every field clean, *permissions* sorted and as the key will hold them."""

    name: str
    key_type: str
    permissions: tuple[str, ...]
    description: str | None
    expires_at: datetime | None
    ip_allow: tuple[str, ...]
    metadata: Mapping[str, MetadataValue]
    external_id: str | None
    limits: tuple[str, ...]
    quota: Quota | None


def accepted(draft: KeyDraft, *, plan: str, catalogue: Catalogue, now: datetime) -> Accepted:
    """Check *draft* for a team with *plan*.

    Raises:
        Invalid: a field, the type, or a permission that is not in the catalogue.
        PlanRequired: *plan* has no keys of this type.
        FixedPermissions: keys of this type hold other permissions than those given.
        PolicyViolation: the configuration demands something else of keys of this type.
    """
    clean = clean_fields(_given(draft), now=now, cut=catalogue.cut_foreign)
    key_type = _allowed_type(draft.key_type, plan, catalogue)
    wanted = cast("tuple[str, ...] | None", clean.get("permissions"))
    expires_at = (
        cast("datetime | None", clean["expires_at"]) if "expires_at" in clean else default_expiry(key_type, now)
    )
    ip_allow = cast("tuple[str, ...]", clean["ip_allow"])
    permissions = _settled(wanted, draft.permissions or (), draft.key_type, catalogue)
    check_policy(key_type, expires_at=expires_at, ip_allow=ip_allow, created_at=now)
    return Accepted(
        name=cast("str", clean["name"]),
        key_type=draft.key_type,
        permissions=permissions,
        description=cast("str | None", clean["description"]),
        expires_at=expires_at,
        ip_allow=ip_allow,
        metadata=merged(NO_METADATA, draft.metadata),
        external_id=cast("str | None", clean["external_id"]),
        limits=known_limits(cast("tuple[str, ...]", clean["limits"]), catalogue),
        quota=cast("Quota | None", clean["quota"]),
    )


def _given(draft: KeyDraft) -> dict[str, object]:
    """Give the fields that *draft* names, as a caller would have sent them."""
    fields: dict[str, object] = {
        "name": draft.name,
        "description": draft.description,
        "ip_allow": draft.ip_allow,
        "metadata": draft.metadata,
        "external_id": draft.external_id,
        "limits": draft.limits,
        "quota": draft.quota,
    }
    if not isinstance(draft.expires_at, Absent):
        fields["expires_at"] = draft.expires_at
    given = {} if draft.permissions is None else {"permissions": draft.permissions}
    return {**fields, **given}


def _allowed_type(name: str, plan: str, catalogue: Catalogue) -> KeyType:
    if name not in catalogue.key_types:
        raise Invalid(("/type", f"There is no type of key called {name[:60]}{did_you_mean(name, catalogue.key_types)}"))
    if not catalogue.allows(plan, name):
        raise PlanRequired(f"the plan {plan} does not include the type {catalogue.key_types[name].label}")
    return catalogue.key_types[name]


def copy_of(source: KeyRecord, overrides: Mapping[str, object], *, now: datetime) -> KeyDraft:
    """Draft a copy of *source*: everything but its name, its life so far and, of course, its secret.

    Raises:
        Invalid: an override is wrong, or the expiry has passed and is not overridden.
    """
    if "expires_at" not in overrides and source.is_expired(now):
        clean_fields(overrides, now=now)
        raise Invalid(("/expires_at", "The key that you copy has expired; choose another expiry, or null for none"))
    name = f"Copy of {source.name}"[:NAME_LENGTH]
    return _like(source, overrides, name=name, expires_at=source.expires_at, now=now)


def successor_of(source: KeyRecord, overrides: Mapping[str, object], *, now: datetime) -> KeyDraft:
    """Draft the key that takes the place of *source*: all that it is, and its lifetime afresh.

    Raises:
        Invalid: an override is wrong.
    """
    end = source.expires_at
    expires_at: datetime | Absent = ABSENT if end is None else _later(now, end - source.created_at)
    return _like(source, overrides, name=source.name, expires_at=expires_at, now=now)


def source_of(key_id: str, prefix: str, actor: Actor) -> str:
    """The id of the key that *actor* wants to copy or replace. Raises Forbidden and NotFound."""
    actor.demand("keys:write")
    source = key_id_of(key_id, prefix)
    if source is None:
        raise NotFound("there is no such key")
    return source


def _later(now: datetime, lifetime: timedelta) -> datetime:
    try:
        return now + lifetime
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _like(
    source: KeyRecord,
    overrides: Mapping[str, object],
    *,
    name: str,
    expires_at: datetime | Absent | None,
    now: datetime,
) -> KeyDraft:
    clean = clean_fields(overrides, now=now)
    draft = KeyDraft(
        name=name,
        key_type=source.key_type,
        permissions=source.permissions,
        description=source.description,
        expires_at=expires_at,
        ip_allow=source.ip_allow,
        metadata=source.metadata,
        external_id=source.external_id,
        limits=source.limits,
        quota=source.quota,
    )
    if "metadata" in clean:
        clean["metadata"] = merged(
            source.metadata, cast("Mapping[str, MetadataValue | None] | None", clean["metadata"])
        )
    if "permissions" in clean:  # as they were given: complaints point at their places
        clean["permissions"] = tuple(cast("Sequence[str]", overrides["permissions"]))
    return replace(draft, **clean)  # type: ignore[arg-type] # clean_fields lets only these fields through


def patched(before: KeyRecord, patch: Mapping[str, object], catalogue: Catalogue, *, now: datetime) -> KeyRecord:
    """Apply a JSON merge patch (RFC 7396) to *before*. Null clears what may be empty.

    Permissions that the catalogue has lost meanwhile may stay on a key, but not be added to it.

    Raises:
        Invalid: a field that does not exist or cannot be set, or a value that is not acceptable.
        FixedPermissions: keys of this type hold other permissions than those given.
        PolicyViolation: a field of the patch is not what the configuration demands of keys of this type.
    """
    rest = {name: value for name, value in patch.items() if name != "owner"}
    clean = clean_fields(rest, now=now, cut=catalogue.cut_foreign)
    if "owner" in patch:
        clean["owner_id"] = clean_owner(patch["owner"])
    known_limits(cast("tuple[str, ...]", clean.get("limits", ())), catalogue)
    if "quota" in clean:
        clean["quota_extra"] = None  # what was added was added to the one before
    if "metadata" in clean:
        clean["metadata"] = merged(
            before.metadata, cast("Mapping[str, MetadataValue | None] | None", clean["metadata"])
        )
    if "permissions" in clean:
        wanted = cast("tuple[str, ...]", clean["permissions"])
        given = cast("Sequence[str]", list(cast("Collection[str]", patch["permissions"])))
        clean["permissions"] = _settled(wanted, given, before.key_type, catalogue, kept=before.permissions)
    after = replace(before, **clean)  # type: ignore[arg-type] # clean_fields lets only these fields through
    if before.is_replaced and before.expires_at is not None and _is_later(after.expires_at, before.expires_at):
        raise Invalid(("/expires_at", "This key was replaced, so its end can only move earlier"))
    known = catalogue.key_types.get(before.key_type)
    ends = {"expires_at": after.expires_at, "ip_allow": after.ip_allow, "created_at": before.created_at}
    check_policy(known, touched=clean, **ends)  # type: ignore[arg-type]
    return after


def _is_later(end: datetime | None, than: datetime) -> bool:
    return end is None or end > than


def _settled(
    wanted: tuple[str, ...] | None,
    given: Sequence[str],
    key_type: str,
    catalogue: Catalogue,
    *,
    kept: Collection[str] = (),
) -> tuple[str, ...]:
    """Give the permissions that the key will hold. *given* is *wanted* as it was written, for the pointers."""
    known = catalogue.key_types.get(key_type)
    if known is not None and known.permissions is not None:
        fixed = tuple(sorted(set(known.permissions)))
        if wanted is not None and wanted != fixed:
            raise FixedPermissions(f"a {known.label} always holds exactly {', '.join(fixed)}")
        return fixed
    wanted = wanted or ()
    added = [grant for grant in wanted if grant not in kept]
    refused = set(catalogue.check_grants(key_type, added) if known is not None else added)
    wrong = [(at, grant) for at, grant in enumerate(given) if grant in refused]
    if wrong:
        raise Invalid(
            *(
                (f"/permissions/{at}", _refusal(grant, key_type, catalogue, suggest=number < SUGGESTED))
                for number, (at, grant) in enumerate(wrong)
            )
        )
    return wanted


def _refusal(grant: str, key_type: str, catalogue: Catalogue, *, suggest: bool) -> str:
    known = catalogue.grantable(key_type) if suggest and key_type in catalogue.key_types else ()
    meant = nearest(grant, known)
    suggestion = f"; did you mean {meant}?" if meant and meant != grant else ""
    return f"{grant[:60]} can't be granted to keys of type {key_type}{suggestion}"
