"""Times, numbers and events as people read them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SOON: Final = timedelta(days=14)
_MONTH: Final = timedelta(days=30)
_QUARTER: Final = timedelta(days=100)  # up to which days are counted
_STEPS: Final = ((timedelta(days=365), "year"), (timedelta(days=30), "month"), (timedelta(days=1), "day"))
_SMALL_STEPS: Final = ((timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

BOX: Final = "Search, or paste a key, a log line or an ID"

ACTIONS: Final[Mapping[str, str]] = {
    "key.created": "Created",
    "key.duplicated": "Created as a duplicate",
    "key.updated": "Changed",
    "key.disabled": "Disabled",
    "key.enabled": "Enabled",
    "key.deleted": "Deleted",
    "key.replaced": "Deleted for a new one",
    "key.rotated": "Replaced",
    "key.imported": "Imported",
    "key.handover_created": "Handover link made",
    "key.collected": "Collected with its handover link",
    "keys.seeded": "Many made, to measure with",
    "team.created": "Team created",
    "team.plan_changed": "Plan changed",
    "team.updated": "Team changed",
    "team.deleted": "Team deleted",
    "person.invited": "Invited",
    "person.joined": "Joined",
    "person.updated": "Person changed",
    "person.role_set": "Role given",
    "person.removed": "Removed from the team",
    "person.offboarded": "Offboarded",
    "person.link_created": "Sign-in link for a person made",
    "page_session.created": "Link to Keys made",
    "console.link_created": "Sign-in link made",
    "console.signed_in": "Signed in",
    "console.signed_out": "Signed out",
    "keyring.added": "Keyring entry added",
    "keyring.activated": "Keyring entry activated",
    "keyring.retired": "Keyring entry retired",
    "keyring.lost": "Keyring entry lost",
    "db.restored": "Database restored",
    "installation.created": "Installed",
}


def day(moment: datetime | date) -> str:
    """``20 Nov 2026``."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def short_day(moment: date) -> str:
    """``20 Nov``."""
    return f"{moment.day} {_MONTHS[moment.month - 1]}"


def moment(at: datetime) -> str:
    """``20 Nov 2026, 09:12 UTC``."""
    at = at.astimezone(UTC)
    return f"{day(at)}, {at:%H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """``3 minutes ago``."""
    since = now - at
    if since < timedelta(minutes=1):
        return "just now"
    if timedelta(days=1) <= since < timedelta(days=2):
        return "yesterday"
    return f"{_rough(since)} ago"


def expires_in(at: datetime, now: datetime) -> str | None:
    """``Expires in 6 days`` where that is soon; None otherwise."""
    left = at - now
    if not timedelta() < left <= _SOON:
        return None
    return f"Expires in {_rough(max(left, timedelta(minutes=1)))}"


def until(at: datetime, now: datetime) -> str:
    """``in 6 days``, ``in 90 days``, ``in 4 months``, ``3 minutes ago``."""
    left = at - now
    in_days = f"in {round(left / timedelta(days=1))} days"
    return ago(at, now) if at <= now else in_days if _MONTH < left < _QUARTER else f"in {_rough(left)}"


def end(at: datetime, now: datetime) -> str:
    """``in 20 days`` for the next month, ``18 Jan 2027`` for later and for the past."""
    return until(at, now) if timedelta() < at - now <= _MONTH else day(at)


def counted(number: int, noun: str, several: str | None = None) -> str:
    """``1 key``, ``2 keys``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {several or noun + 's'}"


def used_today(number: int) -> str:
    """How many of several keys were used today."""
    return f"{number:,} {'was' if number == 1 else 'were'} used today." if number else "None was used today."


def listed(items: Sequence[str], before_last: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {before_last} {items[-1]}"


def seconds(number: float) -> str:
    """``1 second``, ``2.5 seconds``."""
    return f"{number:g} second" if number == 1 else f"{number:g} seconds"


def isolated(name: str) -> str:
    """Keep a name that runs from right to left from turning around what stands beside it in a sentence."""
    runs_left = any(unicodedata.bidirectional(character) in {"R", "AL"} for character in name)
    return Markup("<bdi>{}</bdi>").format(name) if runs_left else name


def able_to(labels: Sequence[str]) -> str:
    """What a key with these permissions can do, as the end of a sentence."""
    return ", ".join(label[:1].lower() + label[1:] for label in labels) or "nothing yet"


def told(action: str, detail: Mapping[str, object]) -> str:
    """What changed, in a line; empty where the action says it all."""
    parts = [_TELLERS[field](value) for field, value in detail.items() if field in _TELLERS]
    return "" if action in {"key.created", "key.duplicated"} else "; ".join(part for part in parts if part)


def permission_changes(value: object) -> list[str]:
    """``items:write added``, one for each direction."""
    if not isinstance(value, dict):
        return []
    return [f"{', '.join(value[way])} {way}" for way in ("added", "removed") if value.get(way)]


def _rough(span: timedelta) -> str:
    for size, unit in (*_STEPS, *_SMALL_STEPS):
        if span >= size:
            return counted(span // size, unit)
    return "less than a minute"


def _renamed(value: object) -> str:
    return f"renamed from {value['from']} to {value['to']}" if isinstance(value, dict) else ""


def _planned(value: object) -> str:
    return f"from {value['from']} to {value['to']}" if isinstance(value, dict) else ""


def _expiry(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    until = value.get("to")
    return "now never expires" if until is None else f"now expires {moment(datetime.fromisoformat(str(until)))}"


def _addresses(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    ranges = value.get("to") or []
    return f"limited to {', '.join(map(str, ranges))}" if ranges else "usable from every address"


def _metadata(value: object) -> str:
    return f"metadata changed: {', '.join(value['changed'])}" if isinstance(value, dict) and "changed" in value else ""


def _changed(what: str) -> Callable[[object], str]:
    return lambda value: f"{what} changed" if isinstance(value, dict) else ""


def _limits(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    return f"limits: {', '.join(map(str, value['to']))}" if value.get("to") else "limits of the plan"


def _raised(value: object) -> str:
    if not isinstance(value, dict):
        return "limits not raised any more"
    return f"limits {value['factor']:g} times as high until {moment(datetime.fromisoformat(str(value['until'])))}"


def _quota(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    to = value.get("to")
    return f"quota: {to['amount']:,} a {to['every']}" if isinstance(to, dict) else "quota of the plan"


def _extra(value: object) -> str:
    if not isinstance(value, dict):
        return "quota of this period as it was"
    return f"quota changed by {value['amount']:+,} until {moment(datetime.fromisoformat(str(value['until'])))}"


_WAYS: Final = {
    "link": "with a one-time link",
    "key": "with the admin key",
    "oidc": "at the identity provider",
    "header": "by the proxy",
}
_TELLERS: Final[Mapping[str, Callable[[object], str]]] = {
    "name": _renamed,
    "description": lambda value: "description changed" if value == "changed" else "",
    "permissions": lambda value: "; ".join(permission_changes(value)),
    "expires_at": _expiry,
    "ip_allow": _addresses,
    "owner": _changed("owner"),
    "external_id": _changed("external ID"),
    "metadata": _metadata,
    "limits": _limits,
    "limits_raised": _raised,
    "quota": _quota,
    "quota_extra": _extra,
    "plan": _planned,
    "reason": lambda value: f"“{value}”",
    "by": lambda value: _WAYS.get(str(value), f"with a {value}"),
    "ended": str,
    "role": lambda value: f"as {value}",
    "char": lambda value: f"entry {value}",
}
