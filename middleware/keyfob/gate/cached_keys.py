"""The two halves of the cache of judged keys: those that may be admitted, and what cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from keyfob.gate.known_key import CachedRefusal, Entry


class LiveKeys(LRUCache[bytes, "Entry"]):
    """Live keys by digest. It keeps an index by id, and one plain dictionary of all that is cached, up to date.

    A request reads that dictionary, because reading an LRUCache costs more than all else on its way.
    """

    def __init__(self, maxsize: int, known: dict[bytes, Entry | CachedRefusal]) -> None:
        super().__init__(maxsize)
        self._known = known
        self.by_id: dict[str, Entry] = {}

    def put(self, entry: Entry) -> None:
        """Add *entry* as the only one of its id, so that a merge by id reaches all there is."""
        older = self.by_id.get(entry.key_id)
        if older is not None and older.digest != entry.digest:
            self.pop(older.digest, None)
            self._known.pop(older.digest, None)
        self[entry.digest] = entry
        self._known[entry.digest] = entry
        self.by_id[entry.key_id] = entry

    def popitem(self) -> tuple[bytes, Entry]:
        """Evict the key that was not used for longest."""
        digest, entry = super().popitem()
        self._known.pop(digest, None)
        if self.by_id.get(entry.key_id) is entry:
            del self.by_id[entry.key_id]
        return digest, entry


class DeadKeys(LRUCache[bytes, "Entry | CachedRefusal"]):
    """What cannot be admitted, by digest: keys that are dead, and texts that are no key."""

    def __init__(self, maxsize: int, known: dict[bytes, Entry | CachedRefusal]) -> None:
        super().__init__(maxsize)
        self._known = known

    def put(self, digest: bytes, dead: Entry | CachedRefusal) -> None:
        """Add *dead*."""
        self[digest] = dead
        self._known[digest] = dead

    def discard(self, digest: bytes) -> None:
        """Forget *digest*, if it is here."""
        if self.pop(digest, None) is not None:
            self._known.pop(digest, None)

    def popitem(self) -> tuple[bytes, Entry | CachedRefusal]:
        """Evict what was put here first."""
        digest, dead = super().popitem()
        self._known.pop(digest, None)
        return digest, dead
