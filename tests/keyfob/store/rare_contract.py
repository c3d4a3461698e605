"""What every store promises of filters that few keys fit: an index tells which, and the order makes no difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.record import Creator
from keyfob.store.contract.key_store import TEAM_OWNER, KeyQuery, Use
from tests.keyfob.store.people_contract import ANA
from tests.keyfob.store.people_contract import putting as writing
from tests.keyfob.store.samples import NOON, SECRET, TEAM, adding, erasing, key, listed, putting

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import KeyStore

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
    "suspended": {"state": "suspended", "suspended_types": {TEAM.plan: ["scim"]}},
    "permission": {"permission": "items:export"},
    "left": {"left_owners": []},
    "ours": {"owner": TEAM_OWNER},
    "ends late": {"expires_after": SOON},
    "active": {"state": "active"},
    "unused": {"unused_since": NOON},
    "never used": {"never_used": True},
}
OTHERS: dict[str, dict[str, object]] = {
    "ours": {"owner_id": ANA.id},
    "ends late": {"expires_at": SOON},
    "active": {"expires_at": NOON},
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
        "suspended": {"key_type": "scim"},
        "permission": {"permissions": ("items:export", "items:read")},
        "left": {"owner_id": "nobody"},
    }
    return key(number, name=f"Key {997 * number % 1000:03d}", **changes.get(what, {}))


class RareContract:
    """Needs the fixture ``store``."""

    @pytest.mark.parametrize("few", [5_000, 2], ids=["few", "more than few"])
    @pytest.mark.parametrize("what", FILTERS)
    async def test_a_rare_filter_gives_the_same_pages_in_every_order(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch, what: str, few: int
    ) -> None:
        """Whether an index tells which keys they are, or there are too many and the order is walked through."""
        for module in ("sql.candidates", "sql.store"):
            monkeypatch.setattr(f"keyfob.store.{module}.FEW", few)
        monkeypatch.setattr("keyfob.store.sqlite.listing.WINDOW", 2)
        wanted = [fitting(what, number) for number in range(0, 30, 7)]
        names = {number: f"Key {number:03d}" for number in range(30) if number % 7}
        others = [key(number, name=name, **OTHERS.get(what, {})) for number, name in names.items()]
        await store.change(writing(replace(ANA, memberships=())))
        await store.change(adding(*wanted, *others))
        if "use" in what:
            await store.add_usage({one.id: Use(NOON, None, {}, {}) for one in others})

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
        assert len(wanted) == await store.count(KeyQuery(TEAM.id, NOON, **FILTERS[what]))  # type: ignore[arg-type]

    async def test_what_a_key_holds_is_found_as_long_as_it_holds_it(self, store: KeyStore) -> None:
        """A permission that was added, taken away or deleted with its key, one key at a time or many at once."""
        first, second, third = (key(n, permissions=("items:read", "items:write")) for n in range(3))
        await store.change(adding(first, second))
        await store.change(lambda rows: rows.add_keys([(third, SECRET)], 1))
        await store.change(putting(replace(first, permissions=("items:write", "items:export"))))
        await store.change(erasing(second.id))

        for permission, ids in {"items:read": [2], "items:write": [0, 2], "items:export": [0], "items:*": []}.items():
            found = [key(n).id for n in ids]
            assert found == await listed(store, permission=permission)
            assert found == await listed(store, team=None, permission=permission)
            assert len(found) == await store.count(KeyQuery(TEAM.id, NOON, permission=permission))

    async def test_what_was_made_later_is_not_unused_since(self, store: KeyStore) -> None:
        """A key younger than the moment is neither listed nor counted, made one at a time or many at once."""
        old, young = key(1), key(2, created_at=SOON)
        many = [(key(3), SECRET), (key(4, created_at=SOON), SECRET)]
        await store.change(adding(old, young))
        await store.change(lambda rows: rows.add_keys(many, 1))

        for asked in ({}, {"state": "active"}):
            for team in (TEAM.id, None):
                query = KeyQuery(team, NOON, unused_since=NOON, **asked)  # type: ignore[arg-type]
                assert [key(1).id, key(3).id] == sorted(view.record.id for view in await store.views(query))
                assert 2 == await store.count(query)

    async def test_an_unknown_plan_suspends_all_but_admin_keys(self, store: KeyStore) -> None:
        """They are found by no list of what a plan lacks, in one team and in all."""
        await store.change(adding(key(1), key(2, key_type="admin"), team=replace(TEAM, plan="gone")))
        asked = {"state": "suspended", "suspended_types": {"enterprise": ["scim"]}}

        assert [key(1).id] == await listed(store, **asked)
        assert [key(1).id] == await listed(store, team=None, **asked)
        assert [] == await listed(store, state="suspended")
