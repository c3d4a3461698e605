"""What the gate counts, for ``middleware.stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

_COUNTS = (
    "admitted",
    "denied",
    "cache_hits",
    "store_reads",
    "argon2_verifications",
    "refused_by_tag",
    "shed",
    "usage_writes",
)


class Stats(Mapping[str, int]):
    """Counters since the start of the process, as attributes and as a mapping."""

    __slots__ = (*_COUNTS, "denied_by")

    admitted: int  # requests let through with a key
    denied: int  # requests refused, for whatever reason
    cache_hits: int  # requests judged without asking the store
    store_reads: int  # key rows read
    argon2_verifications: int
    refused_by_tag: int  # forged keys that cost neither a read nor a hash
    shed: int  # requests answered 503 because too many checks were waiting
    usage_writes: int  # keys whose use was written, over all batches

    def __init__(self) -> None:
        """All counts begin at 0."""
        self.denied_by: Counter[str] = Counter()  # the denied requests by reason; not part of the mapping
        for name in _COUNTS:
            setattr(self, name, 0)

    def __getitem__(self, name: str) -> int:
        """The count called *name*."""
        if name not in _COUNTS:
            raise KeyError(name)
        count: int = getattr(self, name)
        return count

    def __iter__(self) -> Iterator[str]:
        """The names of the counts."""
        return iter(_COUNTS)

    def __len__(self) -> int:
        """How many counts there are."""
        return len(_COUNTS)

    def __repr__(self) -> str:
        """Every count by its name."""
        return f"Stats({', '.join(f'{name}={self[name]}' for name in _COUNTS)})"
