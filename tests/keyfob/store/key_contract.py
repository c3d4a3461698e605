"""What every store promises of keys and teams."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.keys.record import StoredSecret, Team
from keyfob.store.contract.idempotency import IdempotencyRecord
from keyfob.store.contract.key_store import Use
from tests.keyfob.store.samples import (
    KEY,
    NOON,
    SECRET,
    TEAM,
    TODAY,
    adding,
    erasing,
    key,
    listed,
    putting,
    remembering,
    revision_of,
)

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore


class KeyContract:
    """Keys, teams and what is kept beside them."""

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
        kept = IdempotencyRecord(b"digest", KEY.id, NOON)
        await store.change(remembering("first", kept))

        assert (kept, None) == (await store.idempotency_record("first"), await store.idempotency_record("other"))
        assert kept == await store.change(lambda transaction: transaction.idempotency_record("first"))

        await store.change(remembering("second", replace(kept, at=NOON + timedelta(hours=24, seconds=1))))
        assert None is await store.idempotency_record("first")

    async def test_a_digest_is_kept_only_for_the_hash_that_was_checked(self, store: KeyStore) -> None:
        """A slow check must not overwrite a hash that somebody else has renewed, nor bring back a deleted key's."""
        renewed = StoredSecret("$argon2id$second", b"new digest")
        await store.change(adding(KEY))

        await store.save_digest(KEY.id, "$argon2id$another", renewed)
        assert SECRET == (await store.find(KEY.id)).secret
        await store.save_digest(KEY.id, SECRET.hash, renewed)
        assert renewed == (await store.find(KEY.id)).secret
        assert 1 == await revision_of(store)

        await store.change(erasing(KEY.id))
        await store.save_digest(KEY.id, renewed.hash, renewed)
        assert None is (await store.find(KEY.id)).secret

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
