"""What somebody filled in to make or change a key, as they wrote it, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import ExceedsOwnPermissions, Invalid
from keyfob.management.validation import clean_fields
from keyfob.policy.key_types import ADMIN
from keyfob_admin.console import metadata_text
from keyfob_admin.console.limit_choices import KEEP as KEEP_RAISED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keyfob.errors import Refused
    from keyfob.keys.record import KeyRecord
    from keyfob.policy.key_types import KeyType
    from keyfob_admin.console.form import Form

NEVER: Final = "never"
ON_DATE: Final = "date"
KEEP: Final = "keep"
PERIODS: Final = ("30", "90", "365")  # days
_USUAL: Final = "90"
CHOOSE: Final = "Choose at least one permission, or tick 'Create with no permissions'"
_FIELDS: Final = {
    "name": "name",
    "description": "description",
    "expires_at": "expires",
    "ip_allow": "addresses",
    "metadata": "metadata",
    "external_id": "external_id",
    "owner": "owner",
    "limits": "limits",
    "type": "",
}
_LAST_SECOND: Final = time(23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with which field of the form; no field means all of it."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The fields of the form."""

    name: str = ""
    description: str = ""
    expires: str = NEVER
    expires_on: str = ""
    addresses: str = ""
    permissions: tuple[str, ...] = ()
    no_permissions: bool = False
    metadata: str = ""
    external_id: str = ""
    limits: tuple[str, ...] | None = None  # where the form has them
    raised: str = ""
    handover: bool = False  # whether the secret is made for whoever opens a link
    had_metadata: tuple[str, ...] = ()  # names of the key that is changed or copied
    kept_expiry: datetime | None = field(default=None)  # what "keep" stands for

    @classmethod
    def of_form(cls, form: Form, kept_expiry: datetime | None = None, had_metadata: Iterable[str] = ()) -> KeyForm:
        """Take what was sent."""
        picked = form.get("expires_on").strip()
        return cls(
            name=form.get("name"),
            description=form.get("description"),
            expires=ON_DATE if picked else form.get("expires") or NEVER,  # a day that was picked is meant
            expires_on=picked,
            addresses=form.get("addresses"),
            permissions=tuple(dict.fromkeys(form.all("permission"))),
            no_permissions=form.has("no_permissions"),
            metadata=form.get("metadata"),
            external_id=form.get("external_id").strip(),
            limits=tuple(form.all("limit")) if form.has("has_limits") else None,
            raised=form.get("raised"),
            handover=form.has("handover"),
            had_metadata=tuple(had_metadata),
            kept_expiry=kept_expiry,
        )

    @classmethod
    def of_record(cls, record: KeyRecord, name: str, kept_expiry: datetime | None) -> KeyForm:
        """Fill in what a key is. Without *kept_expiry* one that has an end must be given a new one."""
        expires = KEEP if kept_expiry else NEVER if record.expires_at is None else "90"
        return cls(
            name=name,
            description=record.description or "",
            expires=expires,
            addresses="\n".join(record.ip_allow),
            permissions=record.permissions,
            metadata=metadata_text.written(record.metadata),
            external_id=record.external_id or "",
            limits=record.limits,
            raised=KEEP_RAISED if record.limits_raised else "",
            had_metadata=tuple(record.metadata),
            kept_expiry=kept_expiry,
        )

    @property
    def has_more(self) -> bool:
        """Whether something is filled in under "More options"."""
        more = (
            self.description,
            self.addresses,
            self.metadata,
            self.external_id,
            self.handover,
            self.limits,
            self.raised,
        )
        return any(more)

    def meaning(self, now: datetime) -> dict[str, object]:
        """Give the fields as the lifecycle takes them. Raises Invalid for a date that is none."""
        return {name: read() for name, read in self._fields(now).items()}

    def mistakes(self, now: datetime, *, choosing: bool) -> list[Mistake]:
        """Everything that is wrong before any key is made; *choosing* demands a decision on permissions."""
        fields: dict[str, object] = {}
        unread: list[Mistake] = []
        for name, read in self._fields(now).items():
            try:
                fields[name] = read()
            except Invalid as invalid:
                unread += mistakes_of(invalid)
        found: list[Mistake] = []
        try:
            clean_fields(fields, now=now)
        except Invalid as invalid:
            found += mistakes_of(invalid)
        found += unread
        if choosing and not self.permissions and not self.no_permissions:
            found.append(Mistake("permissions", CHOOSE))
        return found

    def _fields(self, now: datetime) -> dict[str, Callable[[], object]]:
        fields: dict[str, Callable[[], object]] = {
            "name": lambda: self.name,
            "description": lambda: self.description,
            "ip_allow": self.addresses.replace(",", " ").split,
            "metadata": lambda: metadata_text.read(self.metadata, self.had_metadata),
            "external_id": lambda: self.external_id or None,
        }
        return fields if self.expires == KEEP else {**fields, "expires_at": lambda: self._expiry(now)}

    def _expiry(self, now: datetime) -> datetime | None:
        if self.expires in PERIODS:
            return now + timedelta(days=int(self.expires))
        if self.expires == NEVER:
            return None
        if self.expires != ON_DATE:
            raise Invalid(("/expires_at", "Choose when the key expires"))
        try:
            return datetime.combine(date.fromisoformat(self.expires_on), _LAST_SECOND)
        except ValueError:
            raise Invalid(("/expires_at", "Enter the last day, for example 2027-01-31")) from None


def usual_expiry(key_type: KeyType) -> str:
    """What a new key's expiry is set to: its type's default lifetime, else 90 days; never for what runs for ever.

    Keys that people choose permissions for are the ones that leak. One-per-team and admin keys end when somebody says.
    """
    most = key_type.max_lifetime
    if key_type.default_lifetime is not None:
        days = str(key_type.default_lifetime.days)
        return days if days in PERIODS else _within(most)
    if key_type.expiry_required or most is not None:
        return _within(most)
    return NEVER if key_type.is_fixed or key_type.name == ADMIN else _USUAL


def _within(most: timedelta | None) -> str:
    """Find the longest of the periods up to a year that *most* allows; a date if it allows none."""
    fitting = [days for days in PERIODS if most is None or timedelta(days=int(days)) <= most]
    return _USUAL if _USUAL in fitting else fitting[-1] if fitting else ON_DATE


def mistakes_of(error: Refused) -> list[Mistake]:
    """Say what the lifecycle refused in the words of the form."""
    if isinstance(error, Invalid):
        return _unrepeated(Mistake(_field_of(pointer), words) for pointer, words in error.errors)
    if isinstance(error, ExceedsOwnPermissions):
        return [Mistake("permissions", f"You can't grant {name} because you don't have it") for name in error.missing]
    said = str(error)
    return [Mistake("", said[:1].upper() + said[1:])]


def _field_of(pointer: str) -> str:
    return _FIELDS.get(pointer.split("/")[1], "permissions")


def _unrepeated(mistakes: Iterable[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))
