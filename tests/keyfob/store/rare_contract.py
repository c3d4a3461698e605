"""What every store promises of filters that few keys fit: an index tells which, and the order makes no difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.record import Creator
from keyfob.store.contract import KeyQuery
from tests.keyfob.store.people_contract import ANA
from tests.keyfob.store.people_contract import putting as writing
from tests.keyfob.store.samples import NOON, TEAM, adding, key

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract import KeyStore

SOON = NOON + timedelta(days=1)
FILTERS: dict[str, dict[str, object]] = {
    "creator": {"created_by": "c" * 16},
    "external id": {"external_id": "org_1"},
    "owner": {"owner": ANA.id},
    "replaced": {"replaced": True},
    "disabled": {"state": "disabled"},
    "pending": {"state": "pending"},
    "expired": {"state": "expired"},
    "ends soon": {"expires_before": SOON + timedelta(seconds=1)},
    "type": {"key_type": "scim"},
}


def fitting(what: str, number: int) -> KeyRecord:
    """A key that one filter finds."""
    changes: dict[str, dict[str, object]] = {
        "creator": {"created_by": Creator("key", "c" * 16, "maker")},
        "external id": {"external_id": "org_1"},
        "owner": {"owner_id": ANA.id},
        "replaced": {"replaced_by": "s" * 16, "replaced_at": NOON},
        "disabled": {"disabled_at": NOON},
        "pending": {"pending_until": SOON},
        "expired": {"expires_at": NOON},
        "ends soon": {"expires_at": SOON},
        "type": {"key_type": "scim"},
    }
    return key(number, name=f"Key {997 * number % 1000:03d}", **changes[what])


class RareContract:
    """Needs the fixture ``store``."""

    @pytest.mark.parametrize("few", [5_000, 2], ids=["few", "more than few"])
    @pytest.mark.parametrize("what", FILTERS)
    async def test_a_rare_filter_gives_the_same_pages_in_every_order(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch, what: str, few: int
    ) -> None:
        """Whether an index tells which keys they are, or there are too many and the order is walked through."""
        for module in ("sql.listing", "sqlite.store", "postgres.store"):
            monkeypatch.setattr(f"keyfob.store.{module}.FEW", few)
        monkeypatch.setattr("keyfob.store.sqlite.listing.WINDOW", 2)
        wanted = [fitting(what, number) for number in range(0, 30, 7)]
        others = [key(number, name=f"Key {number:03d}") for number in range(30) if number % 7]
        await store.change(writing(replace(ANA, memberships=())))
        await store.change(adding(*wanted, *others))

        async def paged(order_by: str, *, descending: bool) -> list[str]:
            query = KeyQuery(TEAM.id, NOON, order_by=order_by, descending=descending, limit=2, **FILTERS[what])  # type: ignore[arg-type]
            found: list[str] = []
            while page := await store.views(query):
                found += [view.record.id for view in page]
                query = replace(query, after=page[-1].place(order_by))
            return found

        for order_by, by in (("created_at", "id"), ("name", "name"), ("last_used_at", "id"), ("expires_at", "id")):
            ids = [one.id for one in sorted(wanted, key=lambda one: str(getattr(one, by)))]
            assert ids == await paged(order_by, descending=False), order_by
            assert ids[::-1] == await paged(order_by, descending=True), order_by
