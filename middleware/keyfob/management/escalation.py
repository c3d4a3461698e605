"""Nobody hands on more than they hold, and somebody who can do everything is always left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from keyfob.errors import ExceedsOwnPermissions, LastAdmin
from keyfob.policy.ip_ranges import parse_range
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import missing

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.policy.ip_ranges import Network
    from keyfob.policy.key_types import KeyType


def check_escalation(held: Collection[str], granted: Collection[str], key_type: KeyType | None) -> None:
    """Refuse to grant what *held* does not cover. What every key of the type holds is exempt: it is not a choice.

    Raises:
        ExceedsOwnPermissions: names what is lacking.
    """
    fixed = key_type.permissions if key_type is not None and key_type.permissions is not None else ()
    if lacking := missing(held, (grant for grant in granted if grant not in fixed)):
        raise ExceedsOwnPermissions(lacking)


def widens(before: KeyRecord, after: KeyRecord) -> bool:
    """Whether *after* opens a door that *before* did not: more permissions, a longer life, more addresses, or life."""
    return (
        not set(after.permissions) <= set(before.permissions)
        or (before.is_disabled and not after.is_disabled)
        or _lives_longer(before.expires_at, after.expires_at)
        or _admits_more(before.ip_allow, after.ip_allow)
    )


def is_root(record: KeyRecord, at: datetime) -> bool:
    """Whether this key can do everything, from everywhere, for ever."""
    return (
        record.key_type == ADMIN
        and "*" in record.permissions
        and record.expires_at is None
        and not record.ip_allow
        and not record.is_disabled
        and not record.is_deleted
        and not record.is_expired(at)
    )


class RootKeys(Protocol):
    """All that `require_root_key` asks of a transaction."""

    async def root_keys(self) -> list[KeyRecord]:
        """Read all admin keys that hold ``*``, as this transaction leaves them."""
        ...


async def require_root_key(rows: RootKeys, *revoked: KeyRecord, at: datetime) -> None:
    """Refuse a change that has just taken the last root key; *fallen* are the keys as they were before it.

    Raises:
        LastAdmin: no root key is left, so the transaction must not be.
    """
    if any(is_root(key, at) for key in revoked) and not any(is_root(key, at) for key in await rows.root_keys()):
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
