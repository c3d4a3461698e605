"""What every store promises of refused requests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.store.contract.refusals import KEPT, MOST, RefusedRequest
from tests.keyfob.store.samples import ELEVEN, KEY, NOON

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.store.contract.key_store import KeyStore

DEMANDS = {"rule": "GET /ü", "parts": [[["items:read"], []]], "key_types": ["api"], "team": None}
MOMENT = timedelta(microseconds=1)


def refused(number: int, at: datetime = NOON, demands: Mapping[str, object] | None = None) -> RefusedRequest:
    return RefusedRequest(f"{number:016x}", at, KEY.id, "GET", "/ü", "192.0.2.7", "permission", demands)


class RefusalContract:
    """Kept for an hour, and no more than so many."""

    async def test_a_refused_request_is_found_by_its_id(self, store: KeyStore, other: KeyStore) -> None:
        """Every process finds it, with all that was written; another id finds nothing."""
        written = [refused(1, demands=DEMANDS), RefusedRequest("2", NOON, KEY.id, "WS", "/", None, "no_rule", None)]
        await store.refusals.add(written)

        assert written == [await other.refusals.find(one.request_id, since=NOON) for one in written]
        assert await other.refusals.find("3", since=ELEVEN) is None

    async def test_a_refused_request_is_forgotten_after_an_hour(self, store: KeyStore) -> None:
        """Who asks for later ones does not find it, and the next batch deletes it."""
        await store.refusals.add([refused(1)])

        assert await store.refusals.find(refused(1).request_id, since=NOON + MOMENT) is None
        await store.refusals.add([refused(2, NOON + KEPT)])
        assert refused(1) == await store.refusals.find(refused(1).request_id, since=NOON)
        await store.refusals.add([refused(3, NOON + KEPT + MOMENT)])
        assert await store.refusals.find(refused(1).request_id, since=NOON) is None

    async def test_no_more_than_the_newest_refused_requests_are_kept(self, store: KeyStore) -> None:
        """A flood pushes out the oldest."""
        await store.refusals.add([refused(number) for number in range(MOST)])
        await store.refusals.add([refused(MOST), refused(MOST + 1)])

        there = [await store.refusals.find(refused(number).request_id, since=NOON) for number in (0, 1, 2, MOST + 1)]
        assert [None, None, refused(2), refused(MOST + 1)] == there

    async def test_no_refused_requests_are_no_write(self, store: KeyStore) -> None:
        """An empty batch is nothing to write."""
        await store.refusals.add([])
