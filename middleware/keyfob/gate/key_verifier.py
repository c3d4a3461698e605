"""The cold half of the gate: what is a presented text that this process has not seen before?

The cheapest check comes first: shape and checksum, tag, one read, the stored digest, and only then Argon2id. A forged
or random key is refused at its tag, before any read. Requests that present the same text at once share the work. They
never share it by key id, because then a wrong secret would get the answer of the right one.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import StoreUnavailable
from keyfob.gate.known_key import CachedRefusal, Entry
from keyfob.gate.verdict import Reason
from keyfob.keyring.active import TagCheck
from keyfob.keys.foreign import ForeignText
from keyfob.keys.foreign_hashes import verify_foreign
from keyfob.keys.format import KeyText, parse_key
from keyfob.keys.hashing import Argon2Parameters, hash_secret, needs_rehash, verify
from keyfob.keys.record import StoredSecret
from keyfob.policy.key_types import ADMIN

if TYPE_CHECKING:
    from keyfob.gate.foreign_keys import ForeignKeys
    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.stats import Stats
    from keyfob.keyring.active import ActiveKeyring
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.record import KeyRecord
    from keyfob.propagation.freshness import Freshness
    from keyfob.store.contract.key_store import Found, KeyLookup

log = logging.getLogger("keyfob")

Presented = KeyText | ForeignText

_READS = 8  # of one row, while changes keep overtaking it or a replica lags


class Verification(NamedTuple):
    """What a text turned out to be, and the snapshot that says so."""

    what: Entry | CachedRefusal
    revision: int
    epoch: str


class KeyVerifier:
    """Looks keys up in the store, and verifies their secrets."""

    def __init__(
        self,
        *,
        lookup: KeyLookup,
        key_cache: KeyCache,
        freshness: Freshness,
        keyring: ActiveKeyring,
        pool: Argon2Pool,
        parameters: Argon2Parameters,
        prefix: str,
        persist_digests: bool,
        stats: Stats,
        foreign: ForeignKeys | None = None,
    ) -> None:
        """*foreign* is None where keys of no other product are accepted."""
        self._lookup = lookup
        self._key_cache = key_cache
        self._freshness = freshness
        self._keyring = keyring
        self._pool = pool
        self._parameters = parameters
        self._prefix = prefix
        self._persist_digests = persist_digests
        self._stats = stats
        self._foreign = foreign
        self._flights: dict[bytes, asyncio.Task[Verification]] = {}

    def parse(self, text: bytes) -> Presented | None:
        """Take *text* apart, if its shape and checksum are those of a key, or its form a foreign one's."""
        try:
            key = parse_key(text.decode("ascii"), prefix=self._prefix)
        except UnicodeDecodeError:
            return None
        return self._foreign.match(text) if key is None and self._foreign is not None else key

    def refuses(self, key: Presented) -> Reason | None:
        """Why *key* cannot be ours, by its tag alone. A foreign key has none."""
        if isinstance(key, ForeignText):
            return None
        check = self._keyring.check_tag(key)
        if check is TagCheck.FORGED:
            self._stats.refused_by_tag += 1
            return Reason.FORGED
        return Reason.RETIRED if check is TagCheck.RETIRED else None

    async def verify_key(self, key: Presented, digest: bytes, client_ip: str | None = None) -> Verification:
        """Read and verify. Whoever presents the same text meanwhile gets the same answer.

        Raises:
            StoreUnavailable; Saturated: *client_ip* has presented too many unknown foreign keys in this second.
        """
        flight = self._flights.get(digest)
        if flight is None or flight.get_loop() is not asyncio.get_running_loop():
            if isinstance(key, ForeignText) and self._foreign is not None:
                self._foreign.spend(client_ip)
            flight = asyncio.create_task(self._verify(key, digest))
            self._flights[digest] = flight
            flight.add_done_callback(lambda done: self._landed(digest, done))
        # Shielded: the first to ask may leave without spoiling it for the others.
        return await asyncio.shield(flight)

    def _landed(self, digest: bytes, flight: asyncio.Task[Verification]) -> None:
        if self._flights.get(digest) is flight:
            del self._flights[digest]
        if not flight.cancelled():
            flight.exception()

    async def _verify(self, key: Presented, digest: bytes) -> Verification:
        key_id = await self._id_of(key)
        found = await self._read(key_id)
        verified_against: str | None = None
        while True:
            if found.record is None or found.secret is None or not _may_be(key, found.record):
                is_tombstone = found.record is not None and found.record.is_deleted
                return self._refused(key_id, digest, found, Reason.DELETED if is_tombstone else Reason.UNKNOWN)
            if verified_against != found.secret.hash:
                if not await self._is_right_secret(key, key_id, digest, found.secret):
                    return self._refused(key_id, digest, found, Reason.MISMATCH)
                verified_against = found.secret.hash
            # No await between this look and the cache: what is merged from here on reaches the entry there.
            if self._is_as_new_as_the_last_merge(found):
                entry = self._key_cache.keep(
                    digest,
                    found.record,
                    key_char=found.record.key_char if isinstance(key, ForeignText) else key.key_char,
                    as_of=found.revision,
                )
                return Verification(entry, found.revision, found.epoch)
            found = await self._read(key_id)

    async def _id_of(self, key: Presented) -> str:
        """The id that *key* names, or by which a foreign one is found; "" for none."""
        if isinstance(key, KeyText):
            return key.key_id
        return (await self._foreign.find_id(key) if self._foreign is not None else None) or ""

    def _is_as_new_as_the_last_merge(self, found: Found) -> bool:
        return found.epoch == self._freshness.epoch and found.revision >= self._freshness.revision

    async def _read(self, key_id: str) -> Found:
        """Read the row, again if a newer revision was merged while the read was under way."""
        for _ in range(_READS):
            self._stats.store_reads += 1
            found = await self._lookup.find(key_id)
            if found.epoch != self._freshness.epoch:
                await self._freshness.refresh()
            if self._is_as_new_as_the_last_merge(found):
                return found
        msg = "the store answers with what is older than what it said before"
        raise StoreUnavailable(msg)

    async def _is_right_secret(self, key: Presented, key_id: str, digest: bytes, secret: StoredSecret) -> bool:
        if self._persist_digests and secret.digest is not None and hmac.compare_digest(secret.digest, digest):
            return True
        check = verify_foreign if isinstance(key, ForeignText) else verify
        is_right = await self._pool.run(check, secret.hash, key.secret, key_id=key_id)
        self._stats.argon2_verifications += 1
        if not is_right:
            return False
        await self._save_digest(key, key_id, digest, secret)
        return True

    async def _save_digest(self, key: Presented, key_id: str, digest: bytes, checked: StoredSecret) -> None:
        """Keep the digest, and a new hash where the parameters changed. A store that cannot write is no refusal."""
        kept_digest = digest if self._persist_digests else None
        is_outdated = needs_rehash(checked.hash, self._parameters)
        if not is_outdated and kept_digest == checked.digest:
            return
        try:
            kept = checked.hash
            if is_outdated:
                kept = await self._pool.run(hash_secret, key.secret, self._parameters, key_id=key_id)
            await self._lookup.save_digest(key_id, checked.hash, StoredSecret(kept, kept_digest))
        except StoreUnavailable as broken:
            log.info(
                "the digest of %s could not be stored: %s", key.display, broken, extra={"event": "digest_unwritten"}
            )

    def _refused(self, key_id: str, digest: bytes, found: Found, reason: Reason) -> Verification:
        refusal = CachedRefusal(key_id, reason, self._freshness.believed_until())
        if self._is_as_new_as_the_last_merge(found):
            self._key_cache.keep_refusal(digest, refusal)
        return Verification(refusal, found.revision, found.epoch)


def _may_be(key: Presented, record: KeyRecord) -> bool:
    """Whether *key* may be the key *record*, by its type.

    A foreign text does not say its type. It never is an admin key, nor a key that an entry of the keyring signed:
    whoever can write to the database must not get past the tag by way of a foreign form.
    """
    if isinstance(key, ForeignText):
        return record.key_type != ADMIN and not record.key_char
    return key.key_type == record.key_type
