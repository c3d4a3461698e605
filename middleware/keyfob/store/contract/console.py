"""The console's store contract: sessions, one-time links, drafts, failed sign-ins, and data for charts.

Session cookies and link tokens are secrets; the store only gets their HMACs under the keyring. Each row carries a MAC
over its contents, so that nobody can write a row that signs in without the keyring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from keyfob.audit import Event


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, which acts as the admin key *key_id* or, if that is None, as the person *person_id*.

    With *return_url*, it is for the Keys page alone, which leads back there.
    """

    id_hash: bytes = field(repr=False)
    key_id: str | None
    mac: bytes = field(repr=False)
    ip: str | None
    created_at: datetime
    expires_at: datetime
    person_id: str | None = None
    browser: str | None = None  # in words, such as "Firefox on Linux"
    last_used_at: datetime | None = None  # to the minute; None until the first page
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A one-time link for the holder of the admin key *key_id* or, if that is None, for the person *person_id*.

    With *return_url*, it opens the Keys page alone, which leads back there.
    """

    hash: bytes = field(repr=False)
    key_id: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    mac: bytes = field(default=b"", repr=False)
    person_id: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class UsedDraft:
    """A form that was already sent, and the key that it created, if that key still exists."""

    key_id: str | None


class ConsoleStore(Protocol):
    """Every method may raise StoreUnavailable. "Once" means once across all processes."""

    async def session(self, id_hash: bytes) -> Session | None:
        """Read a session, expired or not."""
        ...

    async def add_session(self, session: Session, event: Event) -> bool:
        """Save a session, and *event* in the audit log; False if its key or person has been revoked since.

        Deletes expired sessions.
        """
        ...

    async def end_session(self, id_hash: bytes, event: Event | None = None) -> None:
        """Delete a session and its drafts; *event* goes to the audit log if the session still existed."""
        ...

    async def sessions_like(self, session: Session) -> list[Session]:
        """The sessions of the key or the person of *session*, expired or not, oldest first."""
        ...

    async def end_sessions_like(self, session: Session, event: Event) -> int:
        """Delete them all with their drafts, and return how many there were; *event* goes to the audit log."""
        ...

    async def note_session_use(self, id_hash: bytes, at: datetime) -> None:
        """Record when the session was last used."""
        ...

    async def add_link(self, link: SignInLink, event: Event) -> None:
        """Save a link, and *event* in the audit log. Deletes expired links."""
        ...

    async def link(self, link_hash: bytes) -> SignInLink | None:
        """Read a link, used, expired or not."""
        ...

    async def use_link(self, link_hash: bytes, at: datetime) -> bool:
        """Mark the link as used. False if it was already used, has expired, or does not exist."""
        ...

    async def claim_draft(self, token_hash: bytes, session: bytes | None, at: datetime) -> UsedDraft | None:
        """Mark the form as sent. None the first time; afterwards the result of the first time."""
        ...

    async def settle_draft(self, token_hash: bytes, key_id: str | None) -> None:
        """Record the key that the form created; None makes the form usable again, because it created none."""
        ...

    async def blocked_until(self, bucket: str, at: datetime, *, failures: int) -> datetime | None:
        """Until when *bucket* is blocked after *failures* failures; None if it is not."""
        ...

    async def note_failure(self, bucket: str, at: datetime, *, until: datetime, failures: int) -> None:
        """Count one more failure. The first one starts a period that ends at *until*, and so does the *failures*-th."""
        ...

    async def forget_failures(self, bucket: str) -> None:
        """Reset the count."""
        ...

    async def uses(self, key_ids: Sequence[str], since: date) -> Mapping[str, Mapping[date, int]]:
        """The number of uses of each key on each day with any use."""
        ...

    async def holders(self, team: str, owner: str | None = None) -> Mapping[str, int]:
        """The number of the team's keys, or those of *owner*, that hold each pattern; a wildcard counts as itself."""
        ...
