"""What every store promises of listing and searching keys."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import Event
from keyfob.keys.record import StoredSecret, Team
from keyfob.people.record import Membership, PersonState
from keyfob.store.contract.key_store import EventQuery, KeyQuery, KeyView, Use
from tests.keyfob.store.people_contract import ANA
from tests.keyfob.store.people_contract import putting as writing
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, TEAM, adding, erasing, key, listed, putting, revision_of

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


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
            after = page[-1].place(order_by)

        places = [view.place(order_by) for view in shown]
        assert sorted(places, reverse=descending) == places
        assert {key(n).id for n in range(7)} == {view.record.id for view in shown}
        assert 7 == len(shown)

    async def test_keys_never_used_come_first(self, store: KeyStore) -> None:
        """In the order of last use, a key never used counts as used longest ago."""
        await store.change(adding(key(1), key(2)))
        await store.add_usage({key(1).id: Use(NOON, None)})

        assert [key(2).id, key(1).id] == await listed(store, order_by="last_used_at")
        assert [key(1).id] == await listed(store, order_by="last_used_at", after=(None, key(2).id))

    async def test_a_type_can_be_left_out(self, store: KeyStore) -> None:
        """It is neither listed nor counted, and not in the log; what happened to no key stays there."""
        await store.change(adding(key(1), key(2, key_type="admin"), key(3, key_type="admin")))
        await store.change(erasing(key(3).id))
        happened = [Event(NOON, "cli", None, "ops", None, "key.created", TEAM.id, of) for of in (key(1).id, key(2).id)]
        happened += [Event(NOON, "cli", None, "ops", None, "key.deleted", TEAM.id, key(3).id)]
        happened += [Event(NOON, "cli", None, "ops", None, "team.updated", TEAM.id, None)]

        async def append(transaction: Transaction) -> None:
            for event in happened:
                await transaction.append(event)

        await store.change(append)

        assert [key(1).id] == await listed(store, without_type="admin")
        assert 1 == await store.count(KeyQuery(TEAM.id, NOON, without_type="admin"))
        found = await store.events(EventQuery(team=TEAM.id, without_type="admin"))
        assert [None, key(1).id] == [one.event.key_id for one in found if one.event.actor_name == "ops"]

    async def test_words_are_found_wherever_they_describe_a_key(self, store: KeyStore) -> None:
        """Each word counts, in any case and literally: in names, ids, descriptions, external ids and owners."""
        await store.change(adding())
        await store.change(writing(ANA))
        await store.change(
            adding(
                key(1, name="Billing ÖL", description="Sends invoices, 100%"),
                key(2, name="billing", external_id="Globex-0417"),
                key(3, name="other", owner_id=ANA.id),
            )
        )
        found = {
            words: await listed(store, words=words.split())
            for words in (
                "BILLING",
                "öl billing",
                "INVOICES bill",
                "0% sends",
                "_",
                "globex 0417",
                "ana@",
                "bill nothing",
            )
        }
        both = [key(1).id, key(2).id]
        assert {
            "BILLING": both,
            "öl billing": both[:1],
            "INVOICES bill": both[:1],
            "0% sends": both[:1],
            "_": [],
            "globex 0417": both[1:],
            "ana@": [key(3).id],
            "bill nothing": [],
        } == found
        assert [key(3).id] == await listed(store, words=[key(3).id])
        assert 2 == await store.count(KeyQuery(TEAM.id, NOON, words=["billing"]))

    async def test_keys_whose_owner_left(self, store: KeyStore) -> None:
        """Those of people without a role in the team, but for a role that counts everywhere, or whose state says so."""
        elsewhere = (Membership("theirs", "owner"),)
        ben = replace(ANA, id="ben", subject="ben", memberships=())
        cleo = replace(ANA, id="cleo", subject="cleo", memberships=elsewhere)
        dora = replace(ANA, id="dora", subject="dora", state=PersonState.LEFT)
        await store.change(adding())
        await store.change(adding(team=Team("theirs", "Theirs", "free", NOON)))
        await store.change(writing(ANA, ben, cleo, dora))
        owners = (None, ANA.id, "ben", "cleo", "dora", "nobody")
        await store.change(adding(*(key(n, owner_id=owner) for n, owner in enumerate(owners))))

        assert [key(n).id for n in (2, 4, 5)] == await listed(store, left_owners=["owner"])
        assert [key(n).id for n in (2, 3, 4, 5)] == await listed(store, left_owners=[])
        assert 3 == await store.count(KeyQuery(TEAM.id, NOON, left_owners=["owner"]))

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
            for module in ("sqlite.listing", "postgres.listing", "sql.store"):
                monkeypatch.setattr(f"keyfob.store.{module}.{name}", limit, raising=False)
        made = [key(n, name=f"{'sensitive' if n % 2 else 'Even'} one-{n % 3}") for n in range(20)]
        await store.change(adding(*made))

        async def paged(q: str, order_by: str, *, descending: bool) -> list[str]:
            found: list[KeyView] = []
            query = KeyQuery(TEAM.id, NOON, q=q, order_by=order_by, descending=descending, limit=3)
            while page := await store.views(query):
                found += page
                query = replace(query, after=page[-1].place(order_by))
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
        monkeypatch.setattr("keyfob.store.sqlite.listing.WINDOW", 1)  # so that an index has to tell
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
            (None, NOON), (None, ELEVEN, NOON, NOON + timedelta(days=1)), ("api", "scim", "admin"), (None, NOON)
        )
        for number, ((disabled, expires, kind, pending), team) in enumerate(itertools.product(choices, plans)):
            life = {"disabled_at": disabled, "expires_at": expires, "pending_until": pending}
            made.append(key(number, key_type=kind, team=team.id, plan=team.plan, **life))
        for team in plans:
            await store.change(adding(*(record for record in made if record.team == team.id), team=team))

        def state(record: KeyRecord) -> str:
            known = lacking.get(record.plan)
            suspended = record.key_type != "admin" if known is None else record.key_type in known
            return record.state(NOON, suspended=suspended)

        for wanted in ("active", "disabled", "pending", "expired", "suspended"):
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
