"""What somebody filled in to make or change a key, as they wrote it, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import ExceedsOwnPermissions, Invalid
from keyfob.management.validation import clean_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.errors import Refused
    from keyfob.keys.record import KeyRecord
    from keyfob_admin.console.form import Form

NEVER: Final = "never"
ON_DATE: Final = "date"
KEEP: Final = "keep"
PERIODS: Final = ("30", "90", "365")  # days
CHOOSE: Final = "Choose at least one permission, or tick 'Create with no permissions'"
_FIELDS: Final = {
    "name": "name",
    "description": "description",
    "expires_at": "expires",
    "ip_allow": "addresses",
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
    kept_expiry: datetime | None = field(default=None)  # what "keep" stands for

    @classmethod
    def of_form(cls, form: Form, kept_expiry: datetime | None = None) -> KeyForm:
        """Take what was sent."""
        return cls(
            name=form.get("name"),
            description=form.get("description"),
            expires=form.get("expires") or NEVER,
            expires_on=form.get("expires_on").strip(),
            addresses=form.get("addresses"),
            permissions=tuple(dict.fromkeys(form.all("permission"))),
            no_permissions=form.has("no_permissions"),
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
            kept_expiry=kept_expiry,
        )

    def meaning(self, now: datetime) -> dict[str, object]:
        """Give the fields as the lifecycle takes them. Raises Invalid for a date that is none."""
        fields: dict[str, object] = {
            "name": self.name,
            "description": self.description,
            "ip_allow": self.addresses.replace(",", " ").split(),
        }
        return fields if self.expires == KEEP else {**fields, "expires_at": self._expiry(now)}

    def mistakes(self, now: datetime, *, choosing: bool) -> list[Mistake]:
        """Everything that is wrong before any key is made; *choosing* demands a decision on permissions."""
        found: list[Mistake] = []
        try:
            clean_fields(self.meaning(now), now=now)
        except Invalid as invalid:
            found += mistakes_of(invalid)
        if choosing and not self.permissions and not self.no_permissions:
            found.append(Mistake("permissions", CHOOSE))
        return found

    def _expiry(self, now: datetime) -> datetime | None:
        if self.expires in PERIODS:
            return now + timedelta(days=int(self.expires))
        if self.expires != ON_DATE:
            return None
        try:
            return datetime.combine(date.fromisoformat(self.expires_on), _LAST_SECOND)
        except ValueError:
            raise Invalid(("/expires_at", "Enter the last day, for example 2027-01-31")) from None


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
