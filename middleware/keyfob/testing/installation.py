"""A real installation in a folder, and keys for it, without the command line or the admin API."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from keyfob.keyring.file import write_keyring
from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters
from keyfob.keys.record import Creator, KeyRecord, Team
from keyfob.management.key_issuer import KeyIssuer
from keyfob.policy.key_types import DEFAULT_KEY_TYPES
from keyfob.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

CHEAP = Argon2Parameters(memory_kib=8, time=1)


class Origin(TypedDict):
    """The location of an installation: the settings that a middleware needs besides its rules."""

    store: str
    keyring: Path


@dataclass(frozen=True, slots=True)
class Issued:
    """A key created for a test."""

    text: str = field(repr=False)
    record: KeyRecord

    @property
    def headers(self) -> dict[str, str]:
        """The headers that present the key."""
        return {"Authorization": f"Bearer {self.text}"}


@dataclass(frozen=True, slots=True)
class Installation:
    """A keyring and a database in *folder*, or one at *url*, with the team ``default``."""

    folder: Path
    store: KeyStore
    signing: SigningKey
    pool: Argon2Pool
    url: str | None = None

    @property
    def options(self) -> Origin:
        """The keywords for a middleware on this installation."""
        return {"store": self.url or _beside(self.folder), "keyring": self.folder / "keyfob.keyring"}

    async def issue(self, *permissions: str, key_type: str = "api", **fields: Any) -> Issued:  # noqa: ANN401
        """Create a key that holds *permissions* (or the fixed ones of its type).

        Args:
            permissions: the permissions of the key.
            key_type: ``api``, ``computer``, ``scim`` or ``admin``.
            fields: any other field of `keyfob.keys.record.KeyRecord`, for example ``team`` or ``expires_at``.

        Raises:
            StoreUnavailable: the database cannot be written.

        """
        issuer = KeyIssuer(lambda: self.signing, self.pool, CHEAP, fields.pop("prefix", "kf"), persist_digests=True)
        return await issue_test_key(self.store, *permissions, issuer=issuer, key_type=key_type, **fields)

    async def change(self, issued: Issued, **fields: Any) -> KeyRecord:  # noqa: ANN401
        """Change *fields* of a key, for example ``disabled_at``, in one transaction."""

        async def work(transaction: Transaction) -> KeyRecord:
            record = await transaction.key(issued.record.id)
            if record is None:
                raise KeyError(issued.record.id)
            changed = replace(record, **fields)
            await transaction.put_key(changed)
            return changed

        return await self.store.change(work)

    async def disable(self, issued: Issued) -> None:
        """Disable a key."""
        await self.change(issued, disabled_at=datetime.now(UTC))

    async def enable(self, issued: Issued) -> None:
        """Enable a key again."""
        await self.change(issued, disabled_at=None)


async def issue_test_key(
    store: KeyStore,
    *permissions: str,
    issuer: KeyIssuer,
    key_type: str = "api",
    **fields: Any,  # noqa: ANN401
) -> Issued:
    """Issue a key and put it into *store*, without the checks of the management layer."""
    created = await issuer.issue(key_type)
    fixed = DEFAULT_KEY_TYPES[key_type].permissions if key_type in DEFAULT_KEY_TYPES else None
    record = KeyRecord(
        **{
            "id": created.key_id,
            "name": "test key",
            "key_type": key_type,
            "team": "default",
            "plan": "enterprise",
            "permissions": tuple(sorted(permissions or fixed or ())),
            "created_at": datetime.now(UTC),
            "created_by": Creator("system", None, "tests"),
            "key_char": created.key_char,
            **fields,
        },
    )

    async def work(transaction: Transaction) -> None:
        if await transaction.team(record.team) is None:
            await transaction.put_team(Team(record.team, record.team, record.plan, record.created_at))
        await transaction.add_key(record, created.secret)

    await store.change(work)
    return Issued(created.text, record)


@asynccontextmanager
async def installation(folder: Path, *, url: str | None = None) -> AsyncIterator[Installation]:
    """Create a keyring in the existing *folder*, and a database there, or use the empty one at *url*."""
    now = datetime.now(UTC)
    keyring = Keyring.new(now)
    entry = keyring.newest
    write_keyring(folder / "keyfob.keyring", keyring)
    store = open_store(url or _beside(folder), audit_key=lambda: entry, create=True)
    pool = Argon2Pool(threads=1)

    async def work(transaction: Transaction) -> None:
        await transaction.put_signing_key(SigningKeyRecord(entry.char, entry.fingerprint, SigningKeyState.ACTIVE, now))
        await transaction.put_team(Team("default", "default", "enterprise", now))

    try:
        await store.change(work)
        yield Installation(folder, store, entry, pool, url)
    finally:
        pool.close()
        await store.close()


def _beside(folder: Path) -> str:
    return f"sqlite:///{folder / 'keyfob.db'}"
