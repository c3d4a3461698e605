"""What a key costs, good or bad: reads of the store, and checks by Argon2id."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.end_to_end.forging import forged, tagged
from tests.keyfob.conftest import ask, on_both_stores

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


@on_both_stores
async def test_cr_01_a_second_request_reads_nothing(here: Installation, guard: Guard) -> None:
    """A key that was admitted once costs neither a read nor an Argon2id check the second time."""
    issued = await here.issue("items:read")
    app = guard()
    await ask(app, "/items", issued.headers)
    reads, checks = app.stats.store_reads, app.stats.argon2_verifications

    await ask(app, "/items", issued.headers)

    assert (reads, checks) == (app.stats.store_reads, app.stats.argon2_verifications)
    assert 2 == app.stats.admitted


async def test_a_thousand_known_keys_cost_no_argon2_after_a_restart(here: Installation, guard: Guard) -> None:
    """The stored digest stands in for Argon2id in a process that never saw the keys: one read each, no hash."""
    keys = [await here.issue("items:read") for _ in range(1000)]
    app = guard()

    assert [200] * 1000 == [(await ask(app, "/items", issued.headers)).status for issued in keys]

    assert (0, 1000) == (app.stats.argon2_verifications, app.stats.store_reads)


async def test_without_stored_digests_argon2_decides(here: Installation, guard: Guard) -> None:
    """persist_digests=False checks each key once per process by Argon2id, and wipes the stored digest."""
    issued = await here.issue("items:read")
    app = guard(persist_digests=False)

    assert 200 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/items", issued.headers)).status

    assert 1 == app.stats.argon2_verifications
    found = await here.store.find(issued.record.id)
    assert found.secret is not None
    assert found.secret.digest is None


async def test_kf_04_a_forged_key_costs_no_read(here: Installation, guard: Guard) -> None:
    """A text of the right shape and checksum but with a wrong tag is refused before any read or hash."""
    app = guard()
    await ask(app, "/items", (await here.issue("items:read")).headers)
    reads = app.stats.store_reads

    answer = await ask(app, "/items", {"Authorization": f"Bearer {forged()}"})

    assert 401 == answer.status
    assert (reads, 0, 1) == (app.stats.store_reads, app.stats.argon2_verifications, app.stats.refused_by_tag)


async def test_a_key_of_nobody_is_read_once(here: Installation, guard: Guard) -> None:
    """A text with our tag but an unknown id is looked up once, and then remembered as no key."""
    unknown = tagged(here.signing)
    app = guard()

    for _ in range(3):
        assert 401 == (await ask(app, "/items", {"X-API-Key": unknown})).status

    assert (1, 0) == (app.stats.store_reads, app.stats.argon2_verifications)


async def test_a_wrong_secret_with_our_tag_is_refused(here: Installation, guard: Guard) -> None:
    """Even whoever holds the keyring cannot pass without the secret, and is answered as anybody else."""
    issued = await here.issue("items:read")
    wrong = tagged(here.signing, issued.record.id)
    app = guard()

    refused = await ask(app, "/items", {"X-API-Key": wrong})
    junk = await ask(app, "/items", {"X-API-Key": "junk"})

    assert (401, 1) == (refused.status, app.stats.argon2_verifications)
    assert junk.body == refused.body
    assert 200 == (await ask(app, "/items", issued.headers)).status


@on_both_stores
async def test_cr_07_a_wrong_secret_never_answers_for_the_right_one(here: Installation, guard: Guard) -> None:
    """Right and wrong secrets of one key, presented together, each get their own answer."""
    issued = await here.issue("items:read")
    wrong = tagged(here.signing, issued.record.id)
    app = guard(persist_digests=False)
    texts = [issued.text, wrong] * 500

    answers = await asyncio.gather(*(ask(app, "/items", {"X-API-Key": text}) for text in texts))

    assert [200, 401] * 500 == [answer.status for answer in answers]
    assert 2 == app.stats.argon2_verifications


async def test_a_dead_key_is_not_read_each_time(here: Installation, guard: Guard) -> None:
    """Replaying a disabled key costs no read after the first."""
    issued = await here.issue("items:read", disabled_at=datetime.now(UTC))
    app = guard()

    for _ in range(5):
        assert 401 == (await ask(app, "/items", issued.headers)).status

    assert 1 == app.stats.store_reads
