"""The Idempotency-Key: a request that arrives again makes no second key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import (
    ExceedsOwnPermissions,
    IdempotencyInProgress,
    IdempotencyMismatch,
    Invalid,
    KeyTypeTaken,
    NotFound,
)
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from tests.keyfob.management.conftest import ROOT, once

if TYPE_CHECKING:
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.keys import CreatedKey
    from tests.keyfob.management.conftest import Office

pytestmark = pytest.mark.both_engines
DRAFT = KeyDraft("CI", permissions=("items:read",))


async def make(office: Office, key: IdempotencyKey, draft: KeyDraft = DRAFT) -> CreatedKey:
    return await office.keys.create("a", draft, actor=ROOT, idempotency=key)


async def count(office: Office) -> int:
    return len((await office.keys.list_keys(KeySearch("a"), actor=ROOT)).items)


async def test_lc_13_a_repeated_create_answers_with_the_same_key(office: Office) -> None:
    """The replay has the key and no secret; there is one row and one event."""
    first = await make(office, once())
    again = await make(office, once())

    assert (first.view, None, True) == (again.view, again.secret, again.replayed)
    assert first.secret is not None
    assert not first.replayed
    assert 1 == await count(office)
    assert ["key.created"] == [event.action for event in await office.events()]


async def test_lc_13_a_repeated_duplicate_answers_with_the_same_copy(office: Office) -> None:
    """Duplicate keeps the promise too."""
    source = (await office.key()).view.record
    first = await office.keys.duplicate("a", source.id, {}, actor=ROOT, idempotency=once())
    again = await office.keys.duplicate("a", source.id, {}, actor=ROOT, idempotency=once())

    assert (first.view, None, True) == (again.view, again.secret, again.replayed)
    assert 2 == await count(office)


async def test_a_replay_shows_the_key_as_it_is_now(office: Office) -> None:
    """What happened to the key since is seen in the replay."""
    made = (await make(office, once())).view.record
    await office.keys.update("a", made.id, {"name": "Renamed"}, actor=ROOT)

    assert "Renamed" == (await make(office, once())).view.record.name


async def test_a_replay_of_a_deleted_key_finds_nothing(office: Office) -> None:
    """It neither raises the dead nor makes another."""
    made = (await make(office, once())).view.record
    await office.keys.disable("a", made.id, actor=ROOT)
    await office.keys.delete("a", made.id, actor=ROOT)

    with pytest.raises(NotFound):
        await make(office, once())
    assert 0 == await count(office)


async def test_another_body_is_refused(office: Office) -> None:
    """The same key with another body is a mistake of the caller, not a replay."""
    await make(office, once(body=b"1"))

    with pytest.raises(IdempotencyMismatch):
        await make(office, once(body=b"2"))
    assert 1 == await count(office)


@pytest.mark.parametrize(
    "other", [once("k-2"), once(caller="you"), once(path="/v1/teams/a/keys/0000000000000000/duplicate")]
)
async def test_another_caller_or_path_is_another_request(office: Office, other: IdempotencyKey) -> None:
    """Nobody sees what somebody else's Idempotency-Key led to."""
    await make(office, once())

    assert not (await make(office, other)).replayed


async def test_it_is_remembered_for_24_hours(office: Office) -> None:
    """Just before, it is a replay; from then on it makes a new key."""
    await make(office, once())
    office.clock.pass_time(hours=23, minutes=59)
    before = await make(office, once())
    office.clock.pass_time(minutes=1)
    after = await make(office, once())

    assert (True, False) == (before.replayed, after.replayed)
    assert (await make(office, once())).view.record == after.view.record


async def test_what_failed_can_be_tried_again(office: Office) -> None:
    """Only success is kept: the same request passes once its cause of refusal is gone."""
    doer = await office.admin("keys:write")
    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", DRAFT, actor=doer, idempotency=once())

    assert not (await make(office, once())).replayed


async def test_the_second_of_two_at_once_is_told_to_wait(office: Office) -> None:
    """While the first is being worked on, the second neither waits nor makes a key."""
    keys = office.keys

    answers = await asyncio.gather(
        *(keys.create("a", DRAFT, actor=ROOT, idempotency=once()) for _ in range(5)), return_exceptions=True
    )

    assert 4 == sum(isinstance(answer, IdempotencyInProgress) for answer in answers)
    assert 1 == await count(office)
    assert (await keys.create("a", DRAFT, actor=ROOT, idempotency=once())).replayed


async def test_mw_two_workers_at_once_make_one_key(office: Office) -> None:
    """Workers do not know of each other's requests; the transaction lets one of them win and the other replay it."""
    answers = await asyncio.gather(*(make(office, once()) for _ in range(5)))  # each with a lifecycle of its own

    assert [False, True, True, True, True] == sorted(answer.replayed for answer in answers)
    assert 1 == len({answer.view.record.id for answer in answers})
    assert 1 == await count(office)


async def test_a_replay_comes_before_every_rule_about_new_keys(office: Office) -> None:
    """A team with its one computer key still gets the replay, and 409 only for another request."""
    draft = KeyDraft("Laptop", "computer")
    await make(office, once(), draft)

    assert (await make(office, once(), draft)).replayed
    with pytest.raises(KeyTypeTaken):
        await make(office, once("k-2"), draft)


async def test_a_caller_that_leaves_does_not_block_the_next(office: Office) -> None:
    """After a cancelled request the same one finds its key or makes it, once."""
    keys = office.keys
    task = asyncio.create_task(keys.create("a", DRAFT, actor=ROOT, idempotency=once()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await keys.create("a", DRAFT, actor=ROOT, idempotency=once())

    assert 1 == await count(office)


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "é", "a\n", "a\0"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    """1 to 255 visible ASCII characters."""
    with pytest.raises(Invalid):
        once(key)
