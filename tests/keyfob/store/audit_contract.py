"""What every store promises of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.audit import verify_chain
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob.store.samples import ELEVEN, NOON, SIGNING_KEY, appending, event

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


class AuditContract:
    """The audit log."""

    async def test_events_are_read_newest_first(self, store: KeyStore) -> None:
        """The log is shown from its end, page by page, and an event is read as it was written."""
        happened = [event(), event("key.disabled", ip=None), event("key.deleted", actor_id=None, detail={})]
        await store.change(appending(*happened))

        newest = await store.events(EventQuery(limit=2))

        assert [happened[2], happened[1]] == [chained.event for chained in newest]
        assert [happened[0]] == [chained.event for chained in await store.events(EventQuery(bound=newest[-1].seq))]

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            (EventQuery(team="theirs"), [2]),
            (EventQuery(key="another"), [3]),
            (EventQuery(actor="adminadminadmin0"), [4, 3, 2, 1]),
            (EventQuery(actor="Eve"), [5]),
            (EventQuery(action="key.disabled"), [4]),
            (EventQuery(since=NOON), [5, 3, 2, 1]),
            (EventQuery(team="theirs", action="key.disabled"), []),
            (EventQuery(oldest_first=True, bound=3), [4, 5]),
        ],
    )
    async def test_events_are_filtered(self, store: KeyStore, asked: EventQuery, expected: list[int]) -> None:
        """Every filter is demanded, and *bound* is the last event already seen in either direction."""
        await store.change(
            appending(
                event(),
                event(team="theirs"),
                event(key_id="another"),
                event("key.disabled", at=ELEVEN),
                event(actor_id=None, actor_name="Eve"),
            )
        )

        assert expected == [chained.seq for chained in await store.events(asked)]

    async def test_the_log_is_one_chain(self, store: KeyStore, other: KeyStore) -> None:
        """Whoever appends continues the one chain, which the keyring's key verifies to its recorded end."""
        for number in range(6):
            await (store, other)[number % 2].change(appending(event(detail={"number": number})))

        whole = [chained async for chained in store.every_event()]
        count, head = await store.audit_head()

        assert (6, list(range(1, 7))) == (count, [chained.seq for chained in whole])
        assert [] == list(verify_chain(whole, count=count, head=head, keys={"a": SIGNING_KEY.audit_key}))

    async def test_an_event_is_undone_with_its_change(self, store: KeyStore) -> None:
        """The log never tells of what did not happen."""

        async def work(transaction: Transaction) -> None:
            await transaction.append(event())
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.change(work)

        assert (0, []) == ((await store.audit_head())[0], await store.events(EventQuery()))
