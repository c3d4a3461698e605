"""The escalation check: nobody hands on more than they hold. And one key that can do everything always remains."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Protocol

from keyfob.errors import ExceedsOwnLimits, ExceedsOwnPermissions, LastAdmin
from keyfob.keyring.states import SigningKeyState
from keyfob.policy.ip_ranges import parse_range
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import missing

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from keyfob.keyring.states import SigningKeyRecord
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.policy.ip_ranges import Network
    from keyfob.policy.key_types import KeyType


def check_escalation(actor: Actor, permissions: Collection[str], key_type: KeyType | None) -> None:
    """Refuse to grant what *actor* does not hold. A type's fixed permissions are exempt: nobody chooses them.

    Raises:
        ExceedsOwnPermissions: names what is lacking.
    """
    fixed = key_type.permissions if key_type is not None and key_type.permissions is not None else ()
    if lacking := missing(actor.grants, (grant for grant in permissions if grant not in fixed)):
        raise ExceedsOwnPermissions(lacking)


def check_limits(actor: Actor, expires_at: datetime | None, ip_allow: Collection[str]) -> None:
    """Refuse a key that would outlive the actor's own key, or work from addresses where that one does not.

    Raises:
        ExceedsOwnLimits: says which limit, and what would be within it.
    """
    end = actor.expires_at
    if end is not None and (expires_at is None or expires_at > end):
        raise ExceedsOwnLimits(f"your own key expires at {_written(end)}, so this one must expire by then")
    if actor.ip_allow and _admits_more(actor.ip_allow, tuple(ip_allow)):
        raise ExceedsOwnLimits(
            f"your own key works only from {', '.join(actor.ip_allow)}, so this one must stay within that"
        )


def widens(before: KeyRecord, after: KeyRecord) -> bool:
    """Whether *after* can do more than *before*: more permissions, later expiry, more addresses, or enabled again."""
    return (
        not set(after.permissions) <= set(before.permissions)
        or (before.is_disabled and not after.is_disabled)
        or _lives_longer(before.expires_at, after.expires_at)
        or _admits_more(before.ip_allow, after.ip_allow)
    )


def is_root(record: KeyRecord, at: datetime, *, retired: Collection[str] = ()) -> bool:
    """Whether this key would be admitted now, for everything, from everywhere, and never expires.

    *retired* are the key characters of retired signing keys. The keys of a lost one are admitted.
    """
    return (
        record.key_type == ADMIN
        and "*" in record.permissions
        and record.expires_at is None
        and not record.ip_allow
        and not record.is_disabled
        and not record.is_deleted
        and not record.is_pending
        and not record.is_expired(at)
        and (not record.key_char or record.key_char not in retired)
    )


class RootKeys(Protocol):
    """All that `require_root_key` asks of a transaction."""

    async def root_keys(self) -> list[KeyRecord]:
        """Read all admin keys that hold ``*``, as this transaction leaves them."""
        ...

    async def signing_keys(self) -> list[SigningKeyRecord]:
        """Read the states of the signing keys."""
        ...


async def require_root_key(rows: RootKeys, *revoked: KeyRecord, at: datetime) -> None:
    """Refuse a change that would end the last root key; *revoked* are the keys as they were before it.

    Raises:
        LastAdmin: no root key that would be admitted is left.
    """
    retired = {mark.char for mark in await rows.signing_keys() if mark.state is SigningKeyState.RETIRED}

    def counts(key: KeyRecord) -> bool:
        return is_root(key, at, retired=retired)

    if any(map(counts, revoked)) and not any(map(counts, await rows.root_keys())):
        raise LastAdmin(
            "after this, no active admin key that holds *, never expires and works from every address would be left; "
            "create another one first"
        )


def _lives_longer(before: datetime | None, after: datetime | None) -> bool:
    return before is not None and (after is None or after > before)


def _admits_more(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether some range of *after* lies in no range of *before*. An empty list admits every address."""
    if not before:
        return False
    open_before = [parse_range(text)[0] for text in before]
    return not after or not all(_lies_in(parse_range(text)[0], open_before) for text in after)


def _lies_in(network: Network, ranges: list[Network]) -> bool:
    return any(
        network.version == around.version
        and int(around.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(around.broadcast_address)
        for around in ranges
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
