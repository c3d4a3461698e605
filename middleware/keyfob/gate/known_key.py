"""One text that was presented before: the key that it proves, ready to be judged, or why it is no key."""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING

from keyfob.gate.attributes import announcement_of, metadata_of
from keyfob.gate.client_address import Networks
from keyfob.gate.pending_use import LastUse
from keyfob.gate.verdict import Denied, Grant, Granted, Reason
from keyfob.policy.permissions import Held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.gate.counted_key import CountedKey
    from keyfob.keys.record import KeyRecord
    from keyfob.limits.meters import KeyLimits
    from keyfob.rules.table import Rule

_NEVER = float("inf")
_NOT_COUNTED: Mapping[Rule, CountedKey] = {}
"""Of a key that no limit was counted for: one object for all, because most keys have none."""

# Most keys share their set of permissions with many others, so these objects are shared, too.
_held = lru_cache(maxsize=1024)(Held)
_permission_set = lru_cache(maxsize=1024)(frozenset[str])
_networks = lru_cache(maxsize=1024)(Networks)


class Entry:
    """A key whose secret was verified, ready to be judged. Its state is replaced as a whole, never field by field.

    In the cell of its *last* use the request was counted that this state admitted: the next one under the same rule and
    from the same address is admitted, too. A dead key has its *last_denial* instead, which admits nothing.
    """

    __slots__ = (
        "counted",
        "counted_as",
        "dead",
        "digest",
        "ends",
        "granted",
        "held",
        "key_id",
        "last",
        "last_denial",
        "limits",
        "networks",
        "passes",
        "revision",
    )

    def __init__(
        self,
        digest: bytes,
        record: KeyRecord,
        *,
        key_char: str,
        suspended: bool,
        as_of: int,
        announces: bool = True,
        limits: KeyLimits | None = None,
    ) -> None:
        """*as_of* is the revision of the snapshot in which *record* was read."""
        self.digest = digest
        self.key_id = record.id
        self.describe(record, key_char=key_char, suspended=suspended, as_of=as_of, announces=announces, limits=limits)

    def why_invalid(self, now: float) -> Denied | None:
        """Why the key itself is no good at *now* (seconds since the epoch), or None."""
        return Denied(Reason.EXPIRED, self.key_id) if self.dead is None and self.ends <= now else self.dead

    def describe(
        self,
        record: KeyRecord,
        *,
        key_char: str,
        suspended: bool,
        as_of: int,
        passes: set[Rule] | None = None,
        announces: bool = True,
        limits: KeyLimits | None = None,
    ) -> None:
        """Take over what *record* says; *announces* is whether callers are told that their key was replaced.

        *passes* collects the rules that the key was found to satisfy by its type and permissions alone. Keys that
        have both in common may share it. Of a key with *limits* it stays empty: its requests are `counted`. So it does
        of a key that is bound to addresses.

        Another thread may judge meanwhile. So ``ends``, without which a dead key stays dead, is written last, and
        ``last`` after all that is judged by: whoever reads it before judging lends nothing to a newer state.
        """
        self.granted = Granted(_grant_of(record), key_char, announcement_of(record) if announces else None)
        self.held = _held(record.permissions)
        self.networks = _networks(record.ip_allow) if record.ip_allow else None
        reason = _dead_reason(record, suspended=suspended)
        self.dead = None if reason is None else Denied(reason, record.id)  # made once: dead keys are replayed
        self.passes: set[Rule] = set() if passes is None else passes
        self.limits = limits
        self.counted = _NOT_COUNTED
        self.counted_as = record.limits_id or record.id
        self.revision = as_of
        self.last, self.last_denial = LastUse(), None if self.dead is None else LastUse()
        # Seconds since the epoch; a dead key ended before all time, so that one comparison finds both.
        ends = _NEVER if record.expires_at is None else record.expires_at.timestamp()
        self.ends = ends if self.dead is None else -_NEVER


class CachedRefusal:
    """A text that is no key: nothing was verified. It is believed until *until*, by the clock of the gate."""

    __slots__ = ("key_id", "reason", "until")

    def __init__(self, key_id: str, reason: Reason, until: float) -> None:
        """*reason* is why; the caller is told less."""
        self.key_id = key_id
        self.reason = reason
        self.until = until


def _grant_of(record: KeyRecord) -> Grant:
    return Grant(
        key_id=record.id,
        name=record.name,
        key_type=intern(record.key_type),  # one string for all keys, where each row brings its own
        team=intern(record.team),
        permissions=_permission_set(record.permissions),
        expires_at=record.expires_at,
        metadata=metadata_of(record),
        external_id=record.team_external_id if record.external_id is None else record.external_id,
        plan=intern(record.plan),
    )


def _dead_reason(record: KeyRecord, *, suspended: bool) -> Reason | None:
    if record.is_deleted:
        return Reason.DELETED
    if record.is_disabled:
        return Reason.DISABLED
    if record.is_pending:
        return Reason.PENDING
    if suspended:
        return Reason.SUSPENDED
    return Reason.EXPIRED if record.ended_when_replaced else None
