"""What the console asks of a store: sessions, one-time links, drafts, failed sign-ins, and figures for its charts.

What a browser or a link holds is a secret; the store is only ever given its HMAC under the keyring. Each row carries a
MAC over what it says, so that nobody who lacks the keyring can write a row that signs in.
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
    """A signed-in browser, which acts as the admin key *key_id*."""

    id_hash: bytes = field(repr=False)
    key_id: str
    mac: bytes = field(repr=False)
    ip: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A one-time link that signs in as the admin key *key_id*."""

    hash: bytes = field(repr=False)
    key_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    mac: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class UsedDraft:
    """A form that was sent already, and the key that it made, if it did and the key is still there."""

    key_id: str | None


class ConsoleStore(Protocol):
    """Every method may raise StoreUnavailable. Whatever is said to happen once happens once, over all processes."""

    async def session(self, id_hash: bytes) -> Session | None:
        """Read a session, expired or not."""
        ...

    async def add_session(self, session: Session, event: Event) -> bool:
        """Keep a session, and *event* in the audit log; False if its key has been disabled or deleted by now.

        Sessions that have expired go.
        """
        ...

    async def end_session(self, id_hash: bytes, event: Event | None = None) -> None:
        """Forget a session and its drafts; *event* goes to the audit log if the session was still there."""
        ...

    async def add_link(self, link: SignInLink, event: Event) -> None:
        """Keep a link, and *event* in the audit log; links that have expired go."""
        ...

    async def link(self, link_hash: bytes) -> SignInLink | None:
        """Read a link, used, expired or not."""
        ...

    async def use_link(self, link_hash: bytes, at: datetime) -> bool:
        """Mark the link as used. False if it is used already, has expired, or never was."""
        ...

    async def claim_draft(self, token_hash: bytes, session: bytes, at: datetime) -> UsedDraft | None:
        """Mark the form as sent. None if this is the first time; else what the first time led to."""
        ...

    async def settle_draft(self, token_hash: bytes, key_id: str | None) -> None:
        """Note the key that the form made; None gives the form back, because it made none."""
        ...

    async def blocked_until(self, bucket: str, at: datetime, *, failures: int) -> datetime | None:
        """Until when *bucket* is blocked after *failures* failures; None if it is not."""
        ...

    async def note_failure(self, bucket: str, at: datetime, *, until: datetime, failures: int) -> None:
        """Count one more failure. The first of a row is counted until *until*, and the one that makes it *failures*."""
        ...

    async def forget_failures(self, bucket: str) -> None:
        """Reset the count."""
        ...

    async def uses(self, key_ids: Sequence[str], since: date) -> Mapping[str, Mapping[date, int]]:
        """How often each of the keys was used on each day with any use."""
        ...

    async def holders(self, team: str) -> Mapping[str, int]:
        """How many keys of the team hold each permission pattern; a wildcard counts as itself."""
        ...
