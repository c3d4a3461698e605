"""What this process knows about keys that were presented to it, found by a keyed digest of the whole presented text.

The digest is BLAKE2b-256 under a key derived from the signing key that the text names. It is the key of this cache,
and of the column that survives a restart. States are merged, never dropped: a newer revision replaces an older one,
whatever the order of arrival. Keys that cannot be admitted live in a small cache of their own, so that replaying dead
keys neither costs reads nor evicts live ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from keyfob.gate.cached_keys import DeadKeys, LiveKeys
from keyfob.gate.known_key import Entry
from keyfob.keys.format import KEY_CHAR_AT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from hashlib import blake2b

    from keyfob.gate.known_key import CachedRefusal
    from keyfob.keys.record import KeyRecord
    from keyfob.limits.meters import KeyLimits
    from keyfob.rules.table import Rule

_DEAD_SIZE = 4096
_PERMISSION_SETS = 1024  # of which a cache remembers which rules they satisfy


class KeyCache:
    """The cache of judged keys. No method awaits."""

    def __init__(
        self,
        size: int,
        suspends: Callable[[str, str], bool],
        *,
        announces: bool = True,
        limits_of: Callable[[KeyRecord], KeyLimits | None] = lambda _: None,
    ) -> None:
        """Make an empty cache.

        Args:
            size: a number of keys, 0 for none.
            suspends: whether a plan lacks a key type.
            announces: whether responses to a replaced key say so.
            limits_of: the limits that a key has by itself or by its plan.
        """
        self._limits_of = limits_of
        self._size = size
        self._announces = announces
        self._suspends = suspends
        self._known: dict[bytes, Entry | CachedRefusal]
        self._live: LiveKeys
        self._dead: DeadKeys
        self._passes: LRUCache[tuple[tuple[str, ...], str], set[Rule]]
        self._hashers: Mapping[int, blake2b] = {}
        self._for_foreign: blake2b | None = None
        self.forget()

    def use_hashers(self, hashers: Mapping[str, blake2b], *, for_foreign: blake2b | None = None) -> None:
        """Digest with these from now on: key character → keyed state. What was cached is dropped.

        *for_foreign* digests keys of another product, if such are accepted, apart from our own.
        """
        self._hashers = {ord(char): state for char, state in hashers.items()}
        self._for_foreign = None
        if for_foreign is not None:
            self._for_foreign = for_foreign.copy()
            self._for_foreign.update(b"foreign\0")
        self.forget()

    def get(self, text: bytes) -> Entry | CachedRefusal | None:
        """Return what is known about *text*: the key that it proves, live or dead, or why it was refused.

        The warm path: one digest and one lookup.
        """
        try:
            hasher = self._hashers[text[KEY_CHAR_AT]].copy()
            hasher.update(text)
            return self._known[hasher.digest()]
        except LookupError:
            if self._for_foreign is None:
                return None
        hasher = self._for_foreign.copy()
        hasher.update(text)
        return self._known.get(hasher.digest())

    def digest_of(self, text: bytes, *, is_foreign: bool = False) -> bytes | None:
        """Return the digest of *text*, or None where its key character is not one to digest with."""
        try:
            state = self._for_foreign if is_foreign else self._hashers[text[KEY_CHAR_AT]]
        except LookupError:
            return None
        if state is None:
            return None
        hasher = state.copy()
        hasher.update(text)
        return hasher.digest()

    def at(self, digest: bytes) -> Entry | CachedRefusal | None:
        """Return what is known about the text with this *digest*: `get` where the digest is needed afterwards."""
        return self._known.get(digest)

    def touch(self, entry: Entry) -> None:
        """Count *entry* as used now: the one that was not used for longest is evicted first."""
        self._live.get(entry.digest)

    def keep(self, digest: bytes, record: KeyRecord, *, key_char: str, as_of: int) -> Entry:
        """Remember a verified key. Its snapshot must be as new as the last merge: the caller has just looked."""
        entry = Entry(
            digest,
            record,
            key_char=key_char,
            suspended=self._is_suspended(record),
            as_of=as_of,
            announces=self._announces,
            limits=self._limits_of(record),
        )
        if self._size == 0:
            return entry
        entry.passes = self._passes_of(record)
        if entry.dead is not None:
            self._dead.put(digest, entry)
        else:
            self._dead.discard(digest)
            self._live.put(entry)
        return entry

    def keep_refusal(self, digest: bytes, refusal: CachedRefusal) -> None:
        """Remember that a text is no key."""
        if self._size:
            self._dead.put(digest, refusal)

    def merge(self, records: Iterable[KeyRecord]) -> None:
        """Let newer states replace older ones, and forget refusals that they may have made wrong."""
        changed = set()
        for record in records:
            changed.add(record.id)
            entry = self._live.by_id.get(record.id)
            if entry is not None and record.revision > entry.revision:
                entry.describe(
                    record,
                    key_char=entry.granted.key_char,
                    suspended=self._is_suspended(record),
                    as_of=record.revision,
                    passes=self._passes_of(record),
                    announces=self._announces,
                    limits=self._limits_of(record),
                )
        if changed:
            stale = [digest for digest, dead in self._dead.items() if dead.key_id in changed]
            for digest in stale:
                self._dead.discard(digest)

    def forget(self) -> None:
        """Drop everything, good and bad."""
        self._known = {}
        self._live = LiveKeys(max(self._size, 1), self._known)
        self._dead = DeadKeys(min(_DEAD_SIZE, max(self._size, 1)), self._known)
        self._passes = LRUCache(_PERMISSION_SETS)

    def __len__(self) -> int:
        """How many live keys are known."""
        return len(self._live)

    def _passes_of(self, record: KeyRecord) -> set[Rule]:
        """Return the set in which all keys with the type and permissions of *record* collect the rules they satisfy.

        A key with limits does not share it: it may not find there what a key without limits has put into it. Nor does
        one that is bound to addresses.
        """
        if record.ip_allow or self._limits_of(record) is not None:
            return set()
        kind = record.permissions, record.key_type
        passes = self._passes.get(kind)
        if passes is None:
            passes = self._passes[kind] = set()
        return passes

    def _is_suspended(self, record: KeyRecord) -> bool:
        return self._suspends(record.plan, record.key_type)
