"""What every store promises of people and their memberships."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.keyring.person_seal import is_sealed
from keyfob.people.record import GivenBy, Membership, Person, PersonState, Source
from keyfob.store.contract.people import PeopleQuery
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, SIGNING_KEY, TEAM, adding, erasing, key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

ANA = Person(
    id="anaanaanaanaana0",
    source=Source.LOCAL,
    subject="ana@example.com",
    email="Ana@example.com",
    name="Ana Ruiz",
    state=PersonState.ACTIVE,
    created_at=ELEVEN,
    memberships=(Membership(TEAM.id, "owner", GivenBy.PERSON),),
    passphrase="$argon2id$ana",
)
ENTRIES = {SIGNING_KEY.char: SIGNING_KEY}


def person(number: int, **changes: object) -> Person:
    """The person of that number."""
    who = replace(ANA, id=f"{number:016d}", subject=f"p{number}@x.org", email=f"p{number}@x.org", name=f"P {number}")
    return replace(who, **changes)  # type: ignore[arg-type] # the names are those of Person


def putting(*people: Person) -> Callable[[Transaction], Awaitable[None]]:
    """A change that writes *people*."""

    async def work(transaction: Transaction) -> None:
        for one in people:
            await transaction.put_person(one)

    return work


class PeopleContract:
    """People."""

    async def test_a_person_is_read_as_it_was_written(self, store: KeyStore) -> None:
        """Every field and membership survives the store, and the seal over them holds."""
        await store.change(adding())
        await store.change(putting(ANA))

        found = await store.people.one(ANA.id)

        assert found == ANA
        assert found is not None
        assert is_sealed(found, ENTRIES)
        assert [ANA] == await store.people.of_email("ANA@EXAMPLE.COM")
        assert ANA == await store.people.of_subject(Source.LOCAL, ANA.subject)
        assert (None, []) == (await store.people.one("nobody"), await store.people.of_email("nobody@example.com"))

    async def test_a_person_is_replaced_with_all_memberships(self, store: KeyStore) -> None:
        """What is put takes the place of what was there; a sign-in changes nothing that the seal covers."""
        await store.change(adding())
        await store.change(putting(ANA))
        await store.change(putting(replace(ANA, name="Ana", memberships=(), state=PersonState.LEFT, passphrase=None)))
        await store.people.note_sign_in(ANA.id, NOON)

        found = await store.change(lambda transaction: transaction.person(ANA.id))

        assert found is not None
        assert ("Ana", (), PersonState.LEFT, None) == (found.name, found.memberships, found.state, found.passphrase)
        assert is_sealed(found, ENTRIES)

    async def test_people_are_listed_by_name(self, store: KeyStore) -> None:
        """Team, role in it, state and search each narrow the list, and a page starts after the last name seen."""
        other = replace(TEAM, id="theirs")
        away = person(3, memberships=(Membership("theirs", "member"),))
        invited = person(2, state=PersonState.INVITED, name="éva")
        await store.change(adding())
        await store.change(adding(team=other))
        await store.change(putting(person(1), invited, away))

        async def names(**query: object) -> list[str]:
            return [one.name for one in await store.people.many(PeopleQuery(**query))]  # type: ignore[arg-type]

        assert ["P 1", "P 3", "éva"] == await names()
        assert (["P 3"], ["éva"]) == (await names(team="theirs"), await names(state="invited"))
        assert (["P 3"], []) == (await names(team="theirs", role="member"), await names(team="theirs", role="owner"))
        assert (["P 3"], ["éva"], ["P 1"]) == (await names(q="p3@"), await names(q="ÉV"), await names(q=person(1).id))
        assert ["P 3"] == await names(after=("P 1", person(1).id), limit=1)

    async def test_active_owners_are_found(self, store: KeyStore) -> None:
        """Who was only invited, or has left, is no owner yet or any more."""
        await store.change(adding())
        await store.change(putting(ANA, person(1, state=PersonState.INVITED), person(2, state=PersonState.LEFT)))

        assert [ANA.id] == [one.id for one in await store.people.owners()]
        assert [ANA.id] == [one.id for one in await store.change(lambda transaction: transaction.owners())]

    async def test_a_key_has_an_owner(self, store: KeyStore) -> None:
        """The owner's name is the one of today; deleted keys are owned by nobody, and admin keys are counted apart."""
        admin = key(3, owner_id=ANA.id, key_type="admin")
        await store.change(adding())
        await store.change(putting(ANA))
        await store.change(adding(replace(KEY, owner_id=ANA.id), key(1, owner_id=ANA.id), key(2), admin))
        await store.change(erasing(key(1).id))
        await store.change(putting(replace(ANA, name="Ana R.")))

        found = (await store.find(KEY.id)).record

        assert found is not None
        assert (ANA.id, "Ana R.") == (found.owner_id, found.owner_name)
        assert {ANA.id: (2, 1)} == await store.people.keys_owned(KEY.team, [ANA.id, "nobody"])
        assert {} == await store.people.keys_owned("another", [ANA.id])
        owned = await store.change(lambda transaction: transaction.keys_of_person(ANA.id))
        assert {KEY.id, admin.id} == {one.id for one in owned}

    async def test_seals_move_to_another_entry(self, store: KeyStore) -> None:
        """A retiring entry's seals are renewed, but not one that it did not make."""
        newer = replace(SIGNING_KEY, char="b", key=bytes(32), created_at=ELEVEN + timedelta(days=1))
        await store.change(adding())
        await store.change(putting(ANA, person(1)))

        await store.change(lambda transaction: transaction.reseal_people(replace(SIGNING_KEY, key=bytes(32)), newer))
        kept = await store.people.one(ANA.id)
        await store.change(lambda transaction: transaction.reseal_people(SIGNING_KEY, newer))
        moved = await store.people.one(ANA.id)

        assert kept is not None
        assert moved is not None
        assert is_sealed(kept, ENTRIES)
        assert (is_sealed(moved, {"b": newer}), is_sealed(moved, ENTRIES)) == (True, False)
