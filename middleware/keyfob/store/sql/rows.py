"""Converts between rows and records. Times are whole microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from keyfob.audit import ChainedEvent, Event, canonical
from keyfob.errors import StoreUnavailable
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.quota import Every, ExtraQuota, Quota
from keyfob.keys.record import NO_METADATA, Creator, KeyRecord, LastUse, RaisedLimits, Team
from keyfob.people.record import GivenBy, Membership, Person, PersonState, Source, folded_email
from keyfob.store.contract.idempotency import IdempotencyRecord
from keyfob.store.contract.key_store import KeyView, UseDay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from keyfob.keys.record import MetadataValue

Value = str | int | float | None  # of a column
Row = Any  # the columns in the order in which the statement names them; the drivers type them no further

MOST_CHANGES = 20_000  # keys in one poll; reading more, as after a plan change of a huge team, takes too long

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@contextmanager
def decoding() -> Iterator[None]:
    """Raise StoreUnavailable for a row that cannot be read. The message quotes none of it."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise StoreUnavailable(f"a row of the database cannot be read ({type(error).__name__})") from error


def micros(moment: datetime) -> int:
    """*moment* in whole microseconds since 1970-01-01 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Undo `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def _micros_or_none(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def _metadata(text: str) -> Mapping[str, MetadataValue]:
    return NO_METADATA if text == "{}" else MappingProxyType(json.loads(text))


def folded(text: str) -> str:
    """*text* in the form for case-insensitive comparison."""
    return text.casefold()


def record_of(row: Sequence[Row]) -> KeyRecord:
    """The key in a row of ``key_columns``."""
    return KeyRecord(
        id=row[0],
        name=row[1],
        key_type=row[2],
        team=row[3],
        plan=row[4],
        permissions=tuple(json.loads(row[5])),
        created_at=moment(row[6]),
        created_by=Creator(row[7], row[8], row[9], row[26]),
        description=row[10],
        ip_allow=tuple(json.loads(row[11])),
        duplicated_from=row[12],
        expires_at=_moment_or_none(row[13]),
        disabled_at=_moment_or_none(row[14]),
        deleted_at=_moment_or_none(row[15]),
        revision=row[16],
        key_char=row[17],
        replaces=row[18],
        replaced_by=row[19],
        replaced_at=_moment_or_none(row[20]),
        metadata=_metadata(row[21]),
        external_id=row[22],
        team_metadata=_metadata(row[23]),
        team_external_id=row[24],
        pending_until=_moment_or_none(row[25]),
        owner_id=row[27],
        owner_name=row[28],
        limits=tuple(json.loads(row[29])),
        limits_raised=None if row[30] is None else RaisedLimits(moment(row[30]), row[31]),
        limits_id=row[32],
        quota=None if row[33] is None else Quota(row[33], Every(row[34])),
        quota_extra=None if row[35] is None else ExtraQuota(row[35], moment(row[36])),
    )


def values_of(record: KeyRecord, revision: int) -> Mapping[str, Value]:
    """The named parameters of ``add_key`` and ``put_key``."""
    raised = record.limits_raised
    return {
        "id": record.id,
        "name": record.name,
        "name_folded": folded(record.name),
        "key_type": record.key_type,
        "team": record.team,
        "permissions": json.dumps(record.permissions),
        "created_at": micros(record.created_at),
        "creator_kind": record.created_by.kind,
        "creator_id": record.created_by.id,
        "creator_name": record.created_by.name,
        "creator_email": record.created_by.email,
        "description": record.description,
        "ip_allow": json.dumps(record.ip_allow),
        "duplicated_from": record.duplicated_from,
        "expires_at": _micros_or_none(record.expires_at),
        "disabled_at": _micros_or_none(record.disabled_at),
        "revision": revision,
        "key_char": record.key_char,
        "replaces": record.replaces,
        "replaced_by": record.replaced_by,
        "replaced_at": _micros_or_none(record.replaced_at),
        "metadata": json.dumps(dict(record.metadata)),
        "external_id": record.external_id,
        "pending_until": _micros_or_none(record.pending_until),
        "owner_id": record.owner_id,
        "limits": json.dumps(record.limits),
        "limits_until": None if raised is None else micros(raised.until),
        "limits_factor": None if raised is None else raised.factor,
        "limits_id": record.limits_id,
        "quota_amount": None if record.quota is None else record.quota.amount,
        "quota_every": None if record.quota is None else record.quota.every.value,
        "quota_extra": None if record.quota_extra is None else record.quota_extra.amount,
        "quota_until": None if record.quota_extra is None else micros(record.quota_extra.until),
    }


def columns_of(values: Sequence[Mapping[str, Value]]) -> Mapping[str, list[Value]]:
    """The same values of many keys, one list per name. *values* must not be empty."""
    return {name: [one[name] for one in values] for name in values[0]}


def view_of(row: Sequence[Row]) -> KeyView:
    """The key and its last use in a row of ``last_used_at, last_used_ip, key_columns``; 0 stands for never."""
    last_used = LastUse(moment(row[0]), row[1]) if row[0] else None
    return KeyView(record_of(row[2:]), last_used)


def team_of(row: Sequence[Row]) -> Team:
    """The team in a row of ``id, name, plan, created_at, metadata, external_id, deleted_at``."""
    metadata, is_deleted = _metadata(row[4]), row[6] is not None
    return Team(row[0], row[1], row[2], moment(row[3]), metadata=metadata, external_id=row[5], is_deleted=is_deleted)


def usage_row_of(record: KeyRecord) -> tuple[str, str, int]:
    """The parameters of ``add_usage_row``."""
    return record.id, record.team, micros(record.created_at)


def values_of_team(team: Team) -> tuple[str | int | None, ...]:
    """The parameters of ``put_team``."""
    created_at = micros(team.created_at)
    return team.id, team.name, team.plan, created_at, json.dumps(dict(team.metadata)), team.external_id


def person_of(row: Sequence[Row]) -> Person:
    """The person in a row of ``person_columns``."""
    memberships = (Membership(team, role, GivenBy(by)) for team, role, by in json.loads(row[11] or "[]"))
    return Person(
        id=row[0],
        source=Source(row[1]),
        subject=row[2],
        email=row[3],
        name=row[4],
        state=PersonState(row[5]),
        passphrase=row[6],
        created_at=moment(row[7]),
        last_sign_in_at=_moment_or_none(row[8]),
        sealed_by=row[9],
        seal=row[10],
        memberships=tuple(sorted(memberships)),
    )


def values_of_person(person: Person) -> Mapping[str, Value]:
    """The named parameters of ``put_person``."""
    return {
        "id": person.id,
        "source": person.source.value,
        "subject": person.subject,
        "email": person.email,
        "email_folded": folded_email(person.email),
        "name": person.name,
        "name_folded": folded(person.name),
        "state": person.state.value,
        "passphrase": person.passphrase,
        "created_at": micros(person.created_at),
        "last_sign_in_at": _micros_or_none(person.last_sign_in_at),
        "sealed_by": person.sealed_by,
        "seal": person.seal,
    }


def mark_of(row: Sequence[Row]) -> SigningKeyRecord:
    """The signing key record in a row of ``char, fingerprint, state, activated_at, sealed_by, seal``."""
    return SigningKeyRecord(row[0], row[1], SigningKeyState(row[2]), moment(row[3]), row[4], row[5])


def idempotency_record_of(row: Sequence[Row]) -> IdempotencyRecord:
    """The idempotency record in a row of ``body_digest, key_id, at``."""
    return IdempotencyRecord(bytes(row[0]), row[1], moment(row[2]))


def day_of(row: Sequence[Row]) -> UseDay:
    """The day in a row of ``day, admitted, denied, limited``."""
    return UseDay(date.fromordinal(row[0]), row[1], row[2], row[3])


def event_values(seq: int, event: Event, key_char: str, mac: bytes) -> tuple[str | int | bytes | None, ...]:
    """The parameters of ``append_event``."""
    return (
        seq,
        micros(event.at),
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.ip,
        event.action,
        event.team,
        event.key_id,
        canonical(event.detail),
        key_char,
        mac,
        event.person_id,
    )


def event_of(row: Sequence[Row]) -> ChainedEvent:
    """The event in a row of the columns of ``append_event``."""
    event = Event(
        at=moment(row[1]),
        actor_kind=row[2],
        actor_id=row[3],
        actor_name=row[4],
        ip=row[5],
        action=row[6],
        team=row[7],
        key_id=row[8],
        detail=json.loads(row[9]),
        person_id=row[12],
    )
    return ChainedEvent(row[0], event, row[10], bytes(row[11]))
