"""The refused requests that can be explained: those of the last hour, 10,000 at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

KEPT: Final = timedelta(hours=1)
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that was refused although its key was accepted. *path* has no query and holds no whole key."""

    request_id: str
    at: datetime
    key_id: str
    method: str
    path: str
    ip: str | None
    reason: str  # a `keyfob.gate.verdict.Reason`
    demands: Mapping[str, object] | None  # of the rule (`keyfob.gate.demands`); None: there was no rule


class RefusalTable(Protocol):
    """The part of a store that keeps refused requests. Both methods may raise StoreUnavailable."""

    async def add(self, refused: Sequence[RefusedRequest]) -> None:
        """Write *refused*, oldest first, and forget what is older than `KEPT` or more than `MOST`."""
        ...

    async def find(self, request_id: str, *, since: datetime) -> RefusedRequest | None:
        """The refused request with this id, unless it is older than *since*."""
        ...
