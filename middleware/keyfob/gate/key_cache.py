"""What this process knows of keys it has seen, found by a keyed digest of the whole presented text.

The digest is the *digest* of a key: BLAKE2b-256 under a key derived from the signing key that the text names. It is the
key of this cache and the column that survives a restart. States are merged, never dropped: a newer revision replaces
an older one, whatever the order of arrival. Keys that cannot be admitted live in a small cache of their own, so that
replaying dead keys neither costs reads nor pushes living ones out.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING

from cachetools import LRUCache

from keyfob.gate.client_address import Networks
from keyfob.gate.verdict import Grant, Granted, Reason
from keyfob.keys.format import KEY_CHAR_AT
from keyfob.policy.permissions import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from hashlib import blake2b

    from keyfob.keys.record import KeyRecord
    from keyfob.rules.table import Rule

_DEAD_SIZE = 4096
_NEVER = float("inf")

# Most keys share their set of permissions with many others; so do these.
_held = lru_cache(maxsize=1024)(Held)
_permission_set = lru_cache(maxsize=1024)(frozenset[str])
_networks = lru_cache(maxsize=1024)(Networks)


@lru_cache(maxsize=1024)
def _passes(_permissions: tuple[str, ...], _key_type: str) -> set[Rule]:
    """The rules that keys of this kind were found to satisfy, by type and permissions: at most all that there are."""
    return set()


class Entry:
    """A key whose secret was proved, ready to be judged. It is replaced as a whole state, never field by field."""

    __slots__ = (
        "dead",
        "digest",
        "ends",
        "grant",
        "granted",
        "held",
        "key_char",
        "key_id",
        "networks",
        "passes",
        "revision",
    )

    def __init__(self, digest: bytes, record: KeyRecord, *, key_char: str, suspended: bool, as_of: int) -> None:
        """*as_of* is the revision of the snapshot that *record* was read in."""
        self.digest = digest
        self.key_char = key_char
        self.key_id = record.id
        self.describe(record, suspended=suspended, as_of=as_of)

    def why_invalid(self, now: float) -> Reason | None:
        """Why the key itself is no good at *now* (seconds since the epoch), or None."""
        return Reason.EXPIRED if self.dead is None and self.ends <= now else self.dead

    def describe(self, record: KeyRecord, *, suspended: bool, as_of: int) -> None:
        """Take over what *record* says."""
        self.grant = Grant(
            key_id=record.id,
            name=record.name,
            key_type=intern(record.key_type),  # one text for all keys, where each row brings its own
            team=intern(record.team),
            permissions=_permission_set(record.permissions),
            expires_at=record.expires_at,
        )
        self.granted = Granted(self.grant, self.key_char)
        self.held = _held(record.permissions)
        self.networks = _networks(record.ip_allow) if record.ip_allow else None
        self.dead = _dead_reason(record, suspended=suspended)
        # Seconds since the epoch; what is dead ended before all time, so that one comparison finds both.
        self.ends = _NEVER if record.expires_at is None else record.expires_at.timestamp()
        if self.dead is not None:
            self.ends = -_NEVER
        self.passes = _passes(record.permissions, record.key_type)
        self.revision = as_of


class Refusal:
    """A text that is no key: nothing was proved. It is believed until *until*, by the clock of the gate."""

    __slots__ = ("key_id", "reason", "until")

    def __init__(self, key_id: str, reason: Reason, until: float) -> None:
        """*reason* is why; the caller is told less."""
        self.key_id = key_id
        self.reason = reason
        self.until = until


class _LivingKeys(LRUCache[bytes, Entry]):
    """The cache, with two plain indexes that forget what the cache forgets: to read it costs a request the most."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self.by_digest: dict[bytes, Entry] = {}
        self.by_id: dict[str, Entry] = {}

    def put(self, entry: Entry) -> None:
        """Add *entry* as the only one of its id, so that a merge by id reaches all there is."""
        older = self.by_id.get(entry.key_id)
        if older is not None and older.digest != entry.digest:
            self.pop(older.digest, None)
            self.by_digest.pop(older.digest, None)
        self[entry.digest] = entry
        self.by_digest[entry.digest] = entry
        self.by_id[entry.key_id] = entry

    def popitem(self) -> tuple[bytes, Entry]:
        """Drop the key that was not used for longest."""
        digest, entry = super().popitem()
        del self.by_digest[digest]
        if self.by_id.get(entry.key_id) is entry:
            del self.by_id[entry.key_id]
        return digest, entry


class KeyCache:
    """The cache of judged keys. No method awaits."""

    def __init__(self, size: int, suspends: Callable[[str, str], bool]) -> None:
        """*size* is a number of keys, 0 for none; *suspends* says whether a plan lacks a key type."""
        self._size = size
        self._suspends = suspends
        self._living: _LivingKeys
        self._dead: LRUCache[bytes, Entry | Refusal]
        self._hashers: Mapping[int, blake2b] = {}
        self.forget()

    def use_hashers(self, hashers: Mapping[str, blake2b]) -> None:
        """Digest with these from now on: key character → keyed state. What was cached is dropped."""
        self._hashers = {ord(char): state for char, state in hashers.items()}
        self.forget()

    def digest(self, text: bytes) -> bytes | None:
        """The digest of *text*, or None where its key character is not one to digest with."""
        try:
            hasher = self._hashers[text[KEY_CHAR_AT]].copy()
        except LookupError:
            return None
        hasher.update(text)
        return hasher.digest()

    def get(self, text: bytes) -> Entry | None:
        """The key that *text* proves, if it is known. The warm path: one digest, one lookup."""
        try:
            hasher = self._hashers[text[KEY_CHAR_AT]].copy()
            hasher.update(text)
            return self._known[hasher.digest()]
        except LookupError:
            return None

    def touch(self, entry: Entry) -> None:
        """Count *entry* as used now: what was not for longest is dropped first."""
        self._living.get(entry.digest)

    def known(self, text: bytes) -> Entry | Refusal | None:
        """All that is known of *text*: a key that it proves, living or dead, or that it was refused before."""
        digest = self.digest(text)
        if digest is None:
            return None
        return self._known.get(digest) or self._dead.get(digest)

    def keep(self, digest: bytes, record: KeyRecord, *, key_char: str, as_of: int) -> Entry:
        """Remember a proved key. Its snapshot must be as new as the last merge: the caller has just looked."""
        entry = Entry(digest, record, key_char=key_char, suspended=self._is_suspended(record), as_of=as_of)
        if self._size == 0:
            return entry
        if entry.dead is not None:
            self._dead[digest] = entry
        else:
            self._dead.pop(digest, None)
            self._living.put(entry)
        return entry

    def keep_refusal(self, digest: bytes, refusal: Refusal) -> None:
        """Remember that a text is no key."""
        if self._size:
            self._dead[digest] = refusal

    def merge(self, records: Iterable[KeyRecord]) -> None:
        """Let newer states replace older ones, and forget refusals that they may have made wrong."""
        changed = set()
        for record in records:
            changed.add(record.id)
            entry = self._living.by_id.get(record.id)
            if entry is not None and record.revision > entry.revision:
                entry.describe(record, suspended=self._is_suspended(record), as_of=record.revision)
        if changed:
            stale = [digest for digest, dead in self._dead.items() if dead.key_id in changed]
            for digest in stale:
                del self._dead[digest]

    def forget(self) -> None:
        """Drop everything, good and bad."""
        self._living = _LivingKeys(max(self._size, 1))
        self._known = self._living.by_digest
        self._dead = LRUCache(min(_DEAD_SIZE, max(self._size, 1)))

    def __len__(self) -> int:
        """How many living keys are known."""
        return len(self._living)

    def _is_suspended(self, record: KeyRecord) -> bool:
        return self._suspends(record.plan, record.key_type)


def _dead_reason(record: KeyRecord, *, suspended: bool) -> Reason | None:
    if record.is_deleted:
        return Reason.DELETED
    if record.is_disabled:
        return Reason.DISABLED
    return Reason.SUSPENDED if suspended else None
