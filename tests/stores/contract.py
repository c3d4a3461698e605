"""What every store promises. A store's own tests inherit `StoreContract` and give it two views of one database."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import verify_chain
from keyfob.errors import StoreUnavailable
from keyfob.record import LastUse, Team
from keyfob.store import EventQuery, KeyQuery, KeyView, Remembered, RingMark, RingState, StoredSecret, Use, UseDay
from keyfob.store.rows import place_of
from keyfob.store.workers import NOTHING, Worker
from tests.stores.samples import (
    ELEVEN,
    KEY,
    NOON,
    RING_KEY,
    SECRET,
    TEAM,
    adding,
    appending,
    erasing,
    event,
    key,
    putting,
    remembering,
    revision_of,
)

if TYPE_CHECKING:
    from keyfob.record import KeyRecord
    from keyfob.store import KeyStore, Transaction

TODAY = date(2031, 5, 4)


async def listed(store: KeyStore, **query: object) -> list[str]:
    """The ids that a listing of the team shows, in its order."""
    asked = KeyQuery(**{"team": TEAM.id, "now": NOON, **query})  # type: ignore[arg-type] # the names are KeyQuery's
    return [view.record.id for view in await store.views(asked)]


class KeyContract:
    """Keys, teams and changes."""

    async def test_a_key_is_read_as_it_was_written(self, store: KeyStore) -> None:
        """Every field of a key survives the store, times to the microsecond."""
        await store.change(adding(KEY))

        found = await store.find(KEY.id)

        assert (replace(KEY, revision=1), SECRET) == (found.record, found.secret)

    async def test_an_unknown_key_is_an_answer_with_its_revision(self, store: KeyStore) -> None:
        """That a key is absent is true at a revision, like everything that a store says."""
        await store.change(adding())

        found = await store.find("nobodynobodynob0")

        assert (None, None, 1) == (found.record, found.secret, found.revision)

    async def test_a_change_is_seen_by_others_when_it_returns(self, store: KeyStore, other: KeyStore) -> None:
        """Another process reads what a returned change has written, and hears the bell if all are to hear it."""
        await store.changes(None)
        await other.changes(None)
        rung = store.doorbell[0], other.doorbell[0]

        await store.change(adding(KEY))

        assert rung[0] != store.doorbell[0]
        assert (rung[1] != other.doorbell[0]) is store.applies_at_once
        assert KEY.name == (await other.find(KEY.id)).record.name  # type: ignore[union-attr] # it was just added

    async def test_a_revision_is_taken_once_in_a_change(self, store: KeyStore) -> None:
        """All that one change touches carries one revision."""

        async def work(transaction: Transaction) -> set[int]:
            await adding(key(1), key(2))(transaction)
            return {await transaction.next_revision(), await transaction.next_revision()}

        assert {1} == await store.change(work)
        assert {1} == {record.revision for record in (await store.changes(0)).records}

    async def test_a_change_without_a_revision_rings_nobody(self, store: KeyStore) -> None:
        """What alters no key, like a line in the audit log, makes no worker look."""
        await store.changes(None)
        rung = store.doorbell[0]

        await store.change(appending(event()))

        assert (0, rung) == (await revision_of(store), store.doorbell[0])

    async def test_a_change_that_raises_leaves_nothing(self, store: KeyStore) -> None:
        """The caller's own exception comes back, and every statement before it is undone."""

        async def work(transaction: Transaction) -> None:
            await adding(KEY)(transaction)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.change(work)

        assert (None, 0) == ((await store.find(KEY.id)).record, await revision_of(store))
        await store.change(adding(KEY))

    async def test_changes_lists_what_is_newer_with_tombstones(self, store: KeyStore) -> None:
        """A reader that asks for what is after its revision gets deleted keys too, or it would keep serving them."""
        await store.change(adding(key(1), key(2), key(3)))
        await store.change(putting(key(2, name="Renamed")))
        await store.change(erasing(key(3).id))

        changed = await store.changes(1)

        assert {key(2).id: False, key(3).id: True} == {record.id: record.is_deleted for record in changed.records}
        assert (3, ()) == (changed.revision, (await store.changes(3)).records)

    async def test_asking_for_the_revision_alone_reads_no_keys(self, store: KeyStore) -> None:
        """A worker that starts needs to know where the store is, not everything in it."""
        await store.change(adding(KEY))

        changed = await store.changes(None)

        assert (1, ()) == (changed.revision, changed.records)

    async def test_changes_reads_many_rows(self, store: KeyStore) -> None:
        """A plan change that touches a thousand keys arrives whole."""
        await store.change(adding(*(key(number) for number in range(1200))))

        assert 1200 == len((await store.changes(0)).records)

    async def test_one_epoch_for_all_who_read_one_database(self, store: KeyStore, other: KeyStore) -> None:
        """Whether by `find` or by `changes`, here or elsewhere: the epoch is that of the database."""
        assert 1 == len(
            {(await store.changes(None)).epoch, (await store.find("x")).epoch, (await other.find("x")).epoch}
        )

    async def test_ring_marks_travel_with_changes(self, store: KeyStore) -> None:
        """Retiring a ring entry reaches every worker by the way on which disabled keys do."""
        mark = RingMark("a", "0123456789abcdef", RingState.ACTIVE, ELEVEN)
        retired = replace(mark, state=RingState.RETIRED)
        await store.change(lambda transaction: transaction.put_ring_mark(mark))
        await store.change(lambda transaction: transaction.put_ring_mark(retired))

        changed = await store.changes(None)

        assert (2, (retired,)) == (changed.revision, changed.ring)
        assert [retired] == await store.change(lambda transaction: transaction.ring_marks())

    async def test_a_plan_change_reaches_every_key_of_the_team(self, store: KeyStore) -> None:
        """Stamped keys come again with the new plan; other teams' keys and tombstones don't."""
        theirs = Team("theirs", "Their team", "teams", NOON)
        await store.change(adding(key(1), key(2)))
        await store.change(adding(key(3, team=theirs.id), team=theirs))
        await store.change(erasing(key(2).id))

        async def lower(transaction: Transaction) -> None:
            await transaction.put_team(replace(TEAM, plan="teams"))
            await transaction.stamp_team_keys(TEAM.id)

        await store.change(lower)

        assert [(key(1).id, "teams")] == [(record.id, record.plan) for record in (await store.changes(3)).records]

    async def test_teams_are_kept(self, store: KeyStore) -> None:
        """A team is read as it was put, and one that isn't there is None."""
        theirs = Team("a-team", "Their team", "teams", NOON)
        await store.change(adding())
        await store.change(adding(team=theirs))

        assert [theirs, TEAM] == await store.teams()
        assert (TEAM, None) == (await store.team(TEAM.id), await store.team("none"))
        assert (TEAM, None) == (
            await store.change(lambda transaction: transaction.team(TEAM.id)),
            await store.change(lambda transaction: transaction.team("none")),
        )

    async def test_a_changed_key_keeps_what_cannot_change(self, store: KeyStore) -> None:
        """Putting a key never moves it to another team or type, nor alters where it came from."""
        await store.change(adding(KEY))
        await store.change(putting(replace(KEY, name="New", disabled_at=NOON, team="x", key_type="scim")))

        assert replace(KEY, name="New", disabled_at=NOON, revision=2) == (await store.find(KEY.id)).record

    async def test_a_deleted_key_leaves_only_a_tombstone(self, store: KeyStore) -> None:
        """Id, type, team and the moment stay, so that nobody gets the id again; secrets and usage are gone."""
        await store.change(adding(KEY))
        await store.add_usage({KEY.id: Use(NOON, "192.0.2.7", {TODAY: 1}, {})})
        await store.change(erasing(KEY.id))
        await store.change(putting(replace(KEY, name="Resurrected")))

        found = await store.find(KEY.id)

        stone = replace(KEY, permissions=(), ip_allow=(), description=None, deleted_at=NOON, revision=2)
        assert (stone, None, None) == (found.record, found.secret, await store.view(KEY.id))
        assert ([], []) == (await store.usage(KEY.id, TODAY), await listed(store))
        assert stone == await store.change(lambda transaction: transaction.key(KEY.id))

    async def test_live_keys_are_those_of_one_team_and_type(self, store: KeyStore) -> None:
        """One-per-team is judged by what is not deleted."""
        theirs = Team("theirs", "Their team", "teams", NOON)
        computer = key(2, key_type="computer")
        await store.change(adding(key(1), computer, key(3, key_type="computer")))
        await store.change(adding(key(4, key_type="computer", team=theirs.id), team=theirs))
        await store.change(erasing(key(3).id))

        live = await store.change(lambda transaction: transaction.live_keys(TEAM.id, "computer"))

        assert [computer.id] == [record.id for record in live]

    async def test_root_keys_are_admin_keys_that_hold_everything(self, store: KeyStore) -> None:
        """Disabled ones are among them, for the caller to judge; `items:*` and other types are not."""
        root = key(1, key_type="admin", permissions=("*",), disabled_at=NOON)
        await store.change(
            adding(
                root,
                key(2, key_type="admin", permissions=("items:*", "keys:read")),
                key(3, key_type="api", permissions=("*",)),
                key(4, key_type="admin", permissions=("*",)),
            )
        )
        await store.change(erasing(key(4).id))

        assert [root.id] == [record.id for record in await store.change(lambda transaction: transaction.root_keys())]

    async def test_idempotency_records_last_a_day(self, store: KeyStore) -> None:
        """What a key was made under is found again, until something is remembered more than 24 hours later."""
        kept = Remembered(b"digest", KEY.id, NOON)
        await store.change(remembering("first", kept))

        assert (kept, None) == (await store.recall("first"), await store.recall("other"))
        assert kept == await store.change(lambda transaction: transaction.recall("first"))

        await store.change(remembering("second", replace(kept, at=NOON + timedelta(hours=24, seconds=1))))
        assert None is await store.recall("first")

    async def test_a_proof_is_kept_only_for_the_hash_that_was_checked(self, store: KeyStore) -> None:
        """A slow check must not overwrite a hash that somebody else has renewed, nor bring back a deleted key's."""
        renewed = StoredSecret("$argon2id$second", b"new proof")
        await store.change(adding(KEY))

        await store.remember_proof(KEY.id, "$argon2id$another", renewed)
        assert SECRET == (await store.find(KEY.id)).secret
        await store.remember_proof(KEY.id, SECRET.hash, renewed)
        assert renewed == (await store.find(KEY.id)).secret
        assert 1 == await revision_of(store)

        await store.change(erasing(KEY.id))
        await store.remember_proof(KEY.id, renewed.hash, renewed)
        assert None is (await store.find(KEY.id)).secret

    async def test_a_cancelled_callers_change_is_finished(self, store: KeyStore) -> None:
        """Whoever leaves while a change is being made leaves no half of it, and nobody locked out."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def work(transaction: Transaction) -> None:
            begun.set()
            await go_on.wait()
            await adding(KEY)(transaction)

        caller = asyncio.create_task(store.change(work))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()

        await store.change(appending(event()))
        assert KEY.id == (await store.find(KEY.id)).record.id  # type: ignore[union-attr] # it was finished

    async def test_changes_made_at_once_are_numbered_one_by_one(self, store: KeyStore, other: KeyStore) -> None:
        """Two processes that write side by side get different revisions, and no change is lost."""
        await store.change(adding(*(key(number) for number in range(8))))

        async def rename(writer: KeyStore, number: int) -> None:
            await writer.change(putting(key(number, name=f"Renamed {number}")))

        await asyncio.gather(
            *(rename(writer, n) for n, writer in enumerate(itertools.islice(itertools.cycle((store, other)), 8)))
        )

        records = (await store.changes(1)).records
        assert set(range(2, 10)) == {record.revision for record in records}
        assert {f"Renamed {number}" for number in range(8)} == {record.name for record in records}

    async def test_a_flood_of_changes_is_told_without_its_keys(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where more keys changed than can be read within a poll, the poll succeeds and says that all are in doubt."""
        await store.change(adding(*(key(number) for number in range(4))))
        monkeypatch.setattr("keyfob.store.rows.MOST_CHANGES", 4)
        whole = await store.changes(0)

        monkeypatch.setattr("keyfob.store.rows.MOST_CHANGES", 3)
        flood = await store.changes(0)

        assert (4, False) == (len(whole.records), whole.too_many)
        assert ((), True, whole.revision, whole.epoch) == (flood.records, flood.too_many, flood.revision, flood.epoch)

    async def test_a_closed_store_is_unavailable(self, store: KeyStore) -> None:
        """After `close`, every question is answered by StoreUnavailable, not by another exception."""
        await store.find(KEY.id)
        await store.close()

        for ask in (store.find(KEY.id), store.changes(0), store.change(adding(KEY)), store.add_usage({KEY.id: Use()})):
            with pytest.raises(StoreUnavailable):
                await ask

    async def test_a_store_can_be_opened_again(self, store: KeyStore) -> None:
        """After `open`, a closed store answers as before."""
        await store.change(adding(KEY))
        await store.close()

        store.open()

        assert (await store.find(KEY.id)).record is not None


class UsageContract:
    """Last use and counts."""

    async def test_ip_08_a_batch_of_uses_is_merged_into_one_row(self, store: KeyStore) -> None:
        """However many uses a flush carries, it moves one moment and adds to the counts of days."""
        yesterday = TODAY - timedelta(days=1)
        await store.change(adding(KEY))

        await store.add_usage({KEY.id: Use(ELEVEN, "192.0.2.1", {yesterday: 400, TODAY: 100}, {TODAY: 7})})
        await store.add_usage({KEY.id: Use(NOON, "192.0.2.2", {TODAY: 500}, {})})

        assert KeyView(replace(KEY, revision=1), LastUse(NOON, "192.0.2.2")) == await store.view(KEY.id)
        assert [UseDay(yesterday, 400, 0), UseDay(TODAY, 600, 7)] == await store.usage(KEY.id, yesterday)
        assert [UseDay(TODAY, 600, 7)] == await store.usage(KEY.id, TODAY)

    async def test_mw_10_the_newest_use_wins_in_any_order(self, store: KeyStore, other: KeyStore) -> None:
        """Flushes of several workers arrive in any order; the last use is the newest, with its address."""
        uses = [
            Use(NOON, "192.0.2.9", {TODAY: 1}, {}),
            Use(ELEVEN, "192.0.2.1", {TODAY: 1}, {}),
            Use(NOON, "192.0.2.5", {TODAY: 1}, {}),
            Use(NOON, None, {TODAY: 1}, {}),
        ]
        orders = list(itertools.permutations(uses))
        await store.change(adding(*(key(number) for number in range(len(orders)))))

        for number, order in enumerate(orders):
            for writer, use in zip((store, other, store, other), order, strict=True):
                await writer.add_usage({key(number).id: use})

        views = [await store.view(key(number).id) for number in range(len(orders))]
        assert {LastUse(NOON, "192.0.2.9")} == {view.last_used for view in views if view is not None}
        assert [UseDay(TODAY, 4, 0)] == await other.usage(key(0).id, TODAY)

    async def test_a_refused_use_counts_without_being_a_use(self, store: KeyStore) -> None:
        """Attempts with a disabled key are counted, but the key was not used."""
        await store.change(adding(KEY))
        await store.add_usage({KEY.id: Use(None, None, {}, {TODAY: 3})})

        view = await store.view(KEY.id)

        assert view is not None
        assert (None, [UseDay(TODAY, 0, 3)]) == (view.last_used, await store.usage(KEY.id, TODAY))

    async def test_use_never_changes_a_key(self, store: KeyStore) -> None:
        """Usage that is written after a disable leaves the key disabled, at the same revision."""
        await store.change(adding(KEY))
        disabled = replace(KEY, disabled_at=NOON, revision=2)
        await store.change(putting(disabled))
        rung = store.doorbell[0]

        await store.add_usage({KEY.id: Use(NOON, None, {TODAY: 1}, {})})

        assert (disabled, 2, rung) == ((await store.find(KEY.id)).record, await revision_of(store), store.doorbell[0])

    async def test_use_of_a_key_that_is_gone_is_dropped(self, store: KeyStore) -> None:
        """A late flush neither brings back a deleted key's usage nor fails for the others in the batch."""
        await store.change(adding(key(1), key(2)))
        await store.change(erasing(key(1).id))

        use = Use(NOON, "192.0.2.7", {TODAY: 1}, {})
        await store.add_usage({key(1).id: use, "nobodynobodynob0": use, key(2).id: use})

        assert [] == await store.usage(key(1).id, TODAY)
        assert [UseDay(TODAY, 1, 0)] == await store.usage(key(2).id, TODAY)

    async def test_an_empty_batch_is_no_write(self, store: KeyStore) -> None:
        """A flush with nothing in it asks nothing of the store."""
        await store.close()

        await store.add_usage({})


class ListingContract:
    """Listing keys for people."""

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("order_by", ["created_at", "name", "last_used_at"])
    async def test_pages_show_every_key_once(self, store: KeyStore, order_by: str, descending: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """Going on behind the last row of each page gives the whole list in order, ties and unused keys included."""
        names = ["Beta", "alpha", "Äpfel", "Beta", "beta", "Gamma", "alpha"]
        await store.change(adding(*(key(n, name=name, created_at=ELEVEN) for n, name in enumerate(names))))
        await store.add_usage({key(n).id: Use(ELEVEN + timedelta(minutes=n // 2), None) for n in (1, 3, 4, 6)})

        shown: list[KeyView] = []
        after = None
        while page := await store.views(
            KeyQuery(TEAM.id, NOON, order_by=order_by, descending=descending, limit=2, after=after)
        ):
            shown += page
            after = place_of(page[-1], order_by)

        places = [place_of(view, order_by) for view in shown]
        assert sorted(places, reverse=descending) == places
        assert {key(n).id for n in range(7)} == {view.record.id for view in shown}
        assert 7 == len(shown)

    async def test_keys_never_used_come_first(self, store: KeyStore) -> None:
        """In the order of last use, a key never used counts as used longest ago."""
        await store.change(adding(key(1), key(2)))
        await store.add_usage({key(1).id: Use(NOON, None)})

        assert [key(2).id, key(1).id] == await listed(store, order_by="last_used_at")
        assert [key(1).id] == await listed(store, order_by="last_used_at", after=(None, key(2).id))

    async def test_search_takes_what_is_written_literally(self, store: KeyStore) -> None:
        """Letters in any case; `%`, `_` and backslashes are no wildcards; the id counts too."""
        names = ["100% sure", "1000 sure", "snake_case", "snakeXcase", "back\\slash", "STRASSE Öl"]
        await store.change(adding(*(key(n, name=name) for n, name in enumerate(names))))

        found = {q: await listed(store, q=q) for q in ("0% S", "e_c", "\\", "straße", "öL", key(3).id, "", "nothing")}

        everything = [key(n).id for n in range(6)]
        assert {
            "0% S": [key(0).id],
            "e_c": [key(2).id],
            "\\": [key(4).id],
            "straße": [key(5).id],
            "öL": [key(5).id],
            key(3).id: [key(3).id],
            "": everything,
            "nothing": [],
        } == found

    async def test_search_takes_the_signs_of_patterns_for_themselves(self, store: KeyStore) -> None:
        """Stars, question marks and brackets beside letters of any alphabet are no wildcards either."""
        await store.change(adding(key(1, name="äü*[äüö]? ÄÜ*"), key(2, name="äü, äüö"), key(3, name="a*b*c[def]?")))

        for q in ("äü*", "Ü*[Ä", "äüö]?", "? äü*", "*[ä"):
            assert [key(1).id] == await listed(store, q=q), q
        for q in ("*b*c", "[def]", "f]?", "C[D"):
            assert [key(3).id] == await listed(store, q=q), q
        for q in ("ü*ö", "äü?", "a?b", "[äü]", "[^x]", "abc", "*?*"):
            assert [] == await listed(store, q=q), q

    async def test_search_follows_what_happens_to_a_key(self, store: KeyStore) -> None:
        """A key is found by the name that it has now, and not any more once it is deleted."""
        await store.change(adding(key(1, name="Before"), key(2, name="Beforehand")))
        await store.change(putting(key(1, name="Afterwards")))
        await store.change(putting(key(2, name="Beforehand", disabled_at=NOON)))

        assert [key(2).id] == await listed(store, q="before")
        assert [key(1).id] == await listed(store, q="afterW")
        assert [key(1).id] == await listed(store, q=key(1).id[5:])

        await store.change(erasing(key(2).id))

        assert [] == await listed(store, q="before")
        assert [] == await listed(store, q=key(2).id)

    @pytest.mark.parametrize("limits", [{}, {"WINDOW": 1}, {"WINDOW": 3, "FEW": 3}, {"WINDOW": 12}])
    async def test_what_is_sought_may_be_on_many_keys(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
    ) -> None:
        """Few matches and many give the same pages in the same order, whichever of three ways leads to them."""
        for name, limit in limits.items():
            monkeypatch.setattr(f"keyfob.store.sqlite_listing.{name}", limit)
            monkeypatch.setattr(f"keyfob.store.postgres_listing.{name}", limit, raising=False)
            monkeypatch.setattr(f"keyfob.store.sqlite.{name}", limit, raising=False)
            monkeypatch.setattr(f"keyfob.store.postgres.{name}", limit, raising=False)
        made = [key(n, name=f"{'odd' if n % 2 else 'Even'} one-{n % 3}") for n in range(20)]
        await store.change(adding(*made))

        async def paged(q: str, order_by: str, *, descending: bool) -> list[str]:
            found: list[KeyView] = []
            query = KeyQuery(TEAM.id, NOON, q=q, order_by=order_by, descending=descending, limit=3)
            while page := await store.views(query):
                found += page
                query = replace(query, after=place_of(page[-1], order_by))
            return [view.record.id for view in found]

        for q in ("odd", "ONE", "v", "e-2", "000", "1", "dd", "-2", "e-", "zq", "q+", "nothing"):
            matching = [one for one in made if q.casefold() in one.name.casefold() or q in one.id]
            by_age = sorted(one.id for one in matching)
            by_name = [one.id for one in sorted(matching, key=lambda one: (one.name.casefold(), one.id))]
            assert by_age == await paged(q, "created_at", descending=False)
            assert by_age[::-1] == await paged(q, "created_at", descending=True)
            assert by_age == await paged(q, "last_used_at", descending=False)
            assert by_name == await paged(q, "name", descending=False)

    async def test_one_or_two_signs_are_found_wherever_they_stand(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sign that no id has is found at the beginning, in the midst and at the end of short and long names."""
        monkeypatch.setattr("keyfob.store.sqlite_listing.WINDOW", 1)  # so that an index has to tell
        chance = random.Random(5)  # noqa: S311 (names, no secret)
        signs = [*"+-*?[]'\"éÖß\ud7ff\ue000\U0010ffff\U0001f511%_"]
        names = ["".join(chance.choices(signs + list("abZ09"), k=chance.randrange(1, 7))) for _ in range(150)]
        made = [key(number, name=name) for number, name in enumerate(names)]
        await store.change(adding(*made))

        for q in [*signs, *(a + b for a in signs[::3] for b in ["a", *signs[::2]]), "b+", "Zé", "zÉ", "a ", "ẞ"]:
            expected = [one.id for one in made if q.casefold() in one.name.casefold()]
            assert expected == await listed(store, q=q, order_by="created_at", limit=200), ascii(q)

        await store.change(putting(key(0, name="now ~")))
        await store.change(erasing(key(1).id))
        assert [key(0).id] == await listed(store, q="~")
        assert key(1).id not in await listed(store, q=names[1][-1], limit=200)

    async def test_many_keys_can_be_added_at_once(self, store: KeyStore) -> None:
        """Keys that came in bulk are like any other, and no poll reads them."""
        await store.change(adding(KEY))
        revision = await revision_of(store)
        many = [(key(number), StoredSecret(f"$argon2id${number}", bytes([number]))) for number in range(1, 4)]

        await store.change(lambda rows: rows.add_keys(many, revision))

        found = await store.find(key(2).id)
        assert replace(key(2), revision=revision) == found.record
        assert many[1][1] == found.secret
        assert () == (await store.changes(revision)).records
        assert [key(number).id for number in range(1, 4)] == await listed(store, q="Key 00")
        assert await store.view(key(3).id) is not None

    async def test_states_are_told_apart_as_the_record_tells_them(self, store: KeyStore) -> None:
        """Listing by state gives exactly the keys that `KeyRecord.state` puts there, unknown plans included."""
        lacking = {"enterprise": ["scim"], "teams": ["api", "scim"]}
        plans = [replace(TEAM, id=plan, plan=plan) for plan in ("enterprise", "teams", "forgotten")]
        made: list[KeyRecord] = []
        choices = itertools.product(
            (None, NOON), (None, ELEVEN, NOON, NOON + timedelta(days=1)), ("api", "scim", "admin")
        )
        for number, ((disabled, expires, kind), team) in enumerate(itertools.product(choices, plans)):
            made.append(
                key(number, disabled_at=disabled, expires_at=expires, key_type=kind, team=team.id, plan=team.plan)
            )
        for team in plans:
            await store.change(adding(*(record for record in made if record.team == team.id), team=team))

        def state(record: KeyRecord) -> str:
            known = lacking.get(record.plan)
            suspended = record.key_type != "admin" if known is None else record.key_type in known
            return record.state(NOON, suspended=suspended)

        for wanted in ("active", "disabled", "expired", "suspended"):
            expected = [record.id for record in made if state(record) == wanted]
            assert expected == await listed(store, team=None, state=wanted, suspended_types=lacking, limit=1000)

    async def test_without_plans_nothing_is_suspended(self, store: KeyStore) -> None:
        """Who asks without naming what each plan lacks sees keys as active, disabled or expired only."""
        await store.change(adding(key(1), key(2, disabled_at=NOON)))

        assert [key(1).id] == await listed(store, state="active")
        assert [] == await listed(store, state="suspended")

    async def test_filters_narrow_together(self, store: KeyStore) -> None:
        """Team, type, permission and disuse are all demanded at once."""
        theirs = Team("theirs", "Their team", "teams", NOON)
        await store.change(
            adding(
                key(1),
                key(2, key_type="scim"),
                key(3, permissions=("items:read:all",)),
                key(4),
            )
        )
        await store.change(adding(key(5, team=theirs.id), team=theirs))
        await store.add_usage({key(4).id: Use(NOON, None)})

        assert [key(1).id] == await listed(store, key_type="api", permission="items:read", unused_since=NOON)
        assert [key(5).id] == await listed(store, team=theirs.id)
        assert [key(n).id for n in range(1, 6)] == await listed(store, team=None)
        assert [key(1).id, key(2).id] == await listed(store, limit=2)


class AuditContract:
    """The audit log."""

    async def test_events_are_read_newest_first(self, store: KeyStore) -> None:
        """The log is shown from its end, page by page, and an event is read as it was written."""
        happened = [event(), event("key.disabled", ip=None), event("key.deleted", actor_id=None, detail={})]
        await store.change(appending(*happened))

        newest = await store.events(EventQuery(limit=2))

        assert [happened[2], happened[1]] == [sealed.event for sealed in newest]
        assert [happened[0]] == [sealed.event for sealed in await store.events(EventQuery(bound=newest[-1].seq))]

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

        assert expected == [sealed.seq for sealed in await store.events(asked)]

    async def test_the_log_is_one_chain(self, store: KeyStore, other: KeyStore) -> None:
        """Whoever appends continues the one chain, which the ring's key verifies to its recorded end."""
        for number in range(6):
            await (store, other)[number % 2].change(appending(event(detail={"number": number})))

        whole = [sealed async for sealed in store.every_event()]
        count, head = await store.audit_head()

        assert (6, list(range(1, 7))) == (count, [sealed.seq for sealed in whole])
        assert [] == list(verify_chain(whole, count=count, head=head, keys={"a": RING_KEY.audit_key}))

    async def test_an_event_is_undone_with_its_change(self, store: KeyStore) -> None:
        """The log never tells of what did not happen."""

        async def work(transaction: Transaction) -> None:
            await transaction.append(event())
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.change(work)

        assert (0, []) == ((await store.audit_head())[0], await store.events(EventQuery()))


class WorkerContract:
    """The list of the processes that judge requests."""

    async def test_a_worker_is_read_as_it_said_last(self, store: KeyStore, other: KeyStore) -> None:
        """Every process reads every worker, by host; who says something anew has one row still."""
        epoch = (await store.changes(None)).epoch
        first, second = Worker("w2", "a", 2.5, epoch, 3, NOON), Worker("w1", "b", 0.001, epoch, NOTHING, ELEVEN)
        for worker in (second, replace(first, revision=2, seen_at=ELEVEN), first):
            await store.workers.put(worker)

        assert [first, second] == list(await other.workers.all())

    async def test_an_older_word_does_not_replace_a_newer(self, store: KeyStore) -> None:
        """Two words of one worker may overtake each other; the one that says less is dropped."""
        epoch = (await store.changes(None)).epoch
        newer = Worker("w", "a", 2.0, epoch, 5, NOON)
        await store.workers.put(newer)
        await store.workers.put(replace(newer, revision=4))

        assert [newer] == list(await store.workers.all())

    async def test_what_was_applied_in_another_history_does_not_count(self, store: KeyStore) -> None:
        """A revision says nothing about a database that has taken the other one's place since."""
        await store.workers.put(Worker("w", "a", 2.0, "another", 99, NOON))

        assert [NOTHING] == [worker.revision for worker in await store.workers.all()]

    async def test_a_worker_is_struck_off(self, store: KeyStore) -> None:
        """Without a time in any case, with one only if nothing was said since."""
        epoch = (await store.changes(None)).epoch
        for name in "abc":
            await store.workers.put(Worker(name, "host", 2.0, epoch, 1, NOON))

        await store.workers.remove("a")
        await store.workers.remove("b", NOON)
        await store.workers.remove("c", ELEVEN)
        await store.workers.remove("nobody")

        assert ["c"] == [worker.id for worker in await store.workers.all()]

    async def test_the_roll_call_travels_with_changes(self, store: KeyStore, other: KeyStore) -> None:
        """The highest revision that anybody waits for is read with what changed; calling for a lower one is nothing."""
        assert 0 == (await other.changes(None)).roll_call

        await store.workers.call_roll(7)
        await store.workers.call_roll(5)

        assert (7, 7) == ((await other.changes(None)).roll_call, (await other.changes(0)).roll_call)

    async def test_workers_are_no_change(self, store: KeyStore, other: KeyStore) -> None:
        """Whatever is written about workers takes no revision, rings no bell and touches no key."""
        await store.change(adding(KEY))
        before, rung = await other.changes(0), other.doorbell[0]

        await store.workers.put(Worker("w", "a", 2.0, before.epoch, 1, NOON))
        await store.workers.call_roll(1)
        await store.workers.remove("w")

        assert rung == other.doorbell[0]
        assert replace(before, roll_call=1) == await other.changes(0)

    async def test_a_closed_store_has_no_list(self, store: KeyStore) -> None:
        """After `close`, the list cannot be read or written, and says so as everything does."""
        await store.close()

        for ask in (store.workers.all(), store.workers.call_roll(1), store.workers.remove("w")):
            with pytest.raises(StoreUnavailable):
                await ask


class StoreContract(KeyContract, UsageContract, ListingContract, AuditContract, WorkerContract):
    """All of it. Inherit this and give the fixtures ``store`` and ``other``: two processes' views of one database."""
