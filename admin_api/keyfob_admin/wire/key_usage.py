"""How a key was used, as responses show it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, Struct, UnsetType

from keyfob_admin.wire.fields import Count, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.management.key_usage import UsageRow
    from keyfob.runtime.preview import Preview as Found
    from keyfob.store.contract.key_store import UseDay

Grouping = Literal["rule", "address", "reason"]


class UsageDay(Struct, frozen=True):
    """One day, in UTC. `denied` counts 403, and refusals of the key when its secret was right; `limited` counts 429."""

    date: date
    admitted: Count
    denied: Count
    limited: Count


class UsageGroup(Struct, frozen=True):
    """Requests with one label: a rule, a client address or a reason of denial; `limited` were over a limit."""

    label: str
    admitted: Count
    denied: Count
    limited: Count
    first: Moment
    last: Moment


class Usage(Struct, frozen=True):
    """A key's `days`, oldest first, none left out; with `by` instead the `rows`, the most frequent first."""

    days: list[UsageDay] | UnsetType = UNSET
    by: Grouping | UnsetType = UNSET
    rows: list[UsageGroup] | UnsetType = UNSET


class LastRefused(Struct, frozen=True):
    """The newest request that would have been refused; `address` is null where it is not told apart."""

    at: Moment
    address: str | None


class Preview(Struct, frozen=True):
    """What a change would have refused in the last 30 days; `unknown` are requests of which that cannot be told."""

    refused: Count
    unknown: Count
    last: LastRefused | None


def shown_preview(found: Found) -> Preview:
    """Show what a change would have refused."""
    last = None if found.last_at is None else LastRefused(found.last_at, found.last_address)
    return Preview(found.refused, found.unknown, last)


def shown_days(days: Iterable[UseDay]) -> Usage:
    """Show a key's days."""
    return Usage([UsageDay(day.day, day.admitted, day.denied, day.limited) for day in days])


def shown_rows(by: Grouping, rows: Iterable[UsageRow]) -> Usage:
    """Show a key's requests in groups."""
    shown = [UsageGroup(row.label, row.admitted, row.denied, row.limited, row.first, row.last) for row in rows]
    return Usage(by=by, rows=shown)
