"""What a text turns out to be when it is not in the cache, and what the cache keeps of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from keyfob.errors import Saturated, StoreUnavailable
from keyfob.gate.key_cache import KeyCache
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.format import compose, new_key_id, new_secret, parse_key
from tests.keyfob.conftest import ask, on_both_stores

if TYPE_CHECKING:
    from starlette.types import Message

    from keyfob import APIKeyMiddleware
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import Found, KeyLookup
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard


def unknown_key(here: Installation) -> str:
    """A key with our tag that is in no database."""
    return compose(
        key_type="api", key_id=new_key_id(), secret=new_secret(), key_char=here.signing.char, tag=here.signing.tag
    ).text


@pytest.mark.parametrize("spaces", [" ", "   "])
async def test_spaces_after_the_scheme_change_nothing(here: Installation, guard: Guard, spaces: str) -> None:
    """A key is the same after one space and after several, cold and warm."""
    issued = await here.issue("items:read")
    app = guard()

    for _ in range(2):
        assert 200 == (await ask(app, "/items", {"Authorization": f"bearer{spaces}{issued.text} "})).status
    assert 400 == (await ask(app, "/items", {"Authorization": f"Bearer {issued.text} x"})).status


async def test_at_the_root_of_a_mount_the_path_is_a_slash(here: Installation, guard: Guard) -> None:
    """Inside a mount, the mount's own path is ruled by "/"."""
    issued = await here.issue("items:read")
    app = guard(rules={"GET /": "items:read"})
    wide = guard(rules={"/{rest:path}": "items:read"})

    assert 200 == (await ask(wide, "/m", issued.headers, root_path="/m")).status
    assert 200 == (await ask(app, "/m", issued.headers, root_path="/m")).status
    assert 200 == (await ask(app, "/m/", issued.headers, root_path="/m")).status


@on_both_stores
async def test_cr_10_a_key_that_arrives_by_other_roads_is_soon_believed(here: Installation, guard: Guard) -> None:
    """A refusal of an unknown key is forgotten after max_staleness, whatever is signalled and whatever is not."""
    text = unknown_key(here)
    app = guard(max_staleness=0.2)
    assert 401 == (await ask(app, "/items", {"X-API-Key": text})).status
    reads = app.stats.store_reads

    await asyncio.sleep(0.25)
    assert 401 == (await ask(app, "/items", {"X-API-Key": text})).status

    assert reads + 1 == app.stats.store_reads


async def test_kf_07_the_type_in_the_text_must_be_the_rows(here: Installation, guard: Guard) -> None:
    """Even where the tag cannot be checked any more, a key with another type in its text is nobody's."""
    issued = await here.issue("items:read")
    parsed = parse_key(issued.text)
    assert parsed is not None
    swapped = compose(
        key_type="scim",
        key_id=parsed.key_id,
        secret=parsed.secret,
        key_char=parsed.key_char,
        tag=here.signing.tag,
    )
    app = guard()

    assert 401 == (await ask(app, "/items", {"X-API-Key": swapped.text})).status
    assert 0 == app.stats.argon2_verifications


class Overtaken:
    """The real store, whose first answers come from before the last change."""

    def __init__(self, lookup: KeyLookup, older: Found, times: int) -> None:
        self._lookup = lookup
        self._older = older
        self.left = times

    async def find(self, key_id: str) -> Found:
        if self.left:
            self.left -= 1
            return self._older
        return await self._lookup.find(key_id)

    async def save_digest(self, *_: object) -> None:
        """Nothing is kept."""


async def test_mw_12_an_answer_from_before_is_never_used(here: Installation, guard: Guard) -> None:
    """A row older than what was merged, as a lagging replica gives it, is read again, and at last is 503."""
    issued, other = await here.issue("items:read"), await here.issue("items:read")
    older = await here.store.find(issued.record.id)
    await here.disable(issued)
    app = guard()
    await ask(app, "/items", other.headers)
    lookup = Overtaken(here.store, older, times=3)
    app.runtime.authenticator._key_verifier._lookup = lookup

    assert 401 == (await ask(app, "/items", issued.headers)).status
    assert 0 == lookup.left
    app.runtime.key_cache.forget()
    lookup.left = 1000
    assert 503 == (await ask(app, "/items", issued.headers)).status


async def test_a_changed_parameter_rehashes_a_key_that_argon2_proved(here: Installation, guard: Guard) -> None:
    """A hash of older parameters is replaced when Argon2id ran anyway, and the key goes on to work."""
    issued = await here.issue("items:read")
    before = await here.store.find(issued.record.id)
    app = guard(persist_digests=False, argon2={"memory_kib": 16, "time": 1})

    assert 200 == (await ask(app, "/items", issued.headers)).status

    after = await here.store.find(issued.record.id)
    assert before.secret is not None
    assert after.secret is not None
    assert "m=8," in before.secret.hash
    assert "m=16," in after.secret.hash
    assert 200 == (await ask(guard(persist_digests=False), "/items", issued.headers)).status


async def shake_hands(app: APIKeyMiddleware, issued: Issued) -> list[int]:
    """Ask for a WebSocket, and give the statuses of what came back instead."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    headers = [(b"x-api-key", issued.text.encode())]
    extensions: dict[str, object] = {"websocket.http.response": {}}
    scope = {"type": "websocket", "path": "/ws", "headers": headers, "client": None, "extensions": extensions}
    await app(scope, receive, send)
    return [message["status"] for message in sent if "status" in message]


@on_both_stores
async def test_dl_12_saturation_is_503_and_counted(here: Installation, guard: Guard) -> None:
    """When too many checks wait, a cold key is 503 with Retry-After, and the shed requests are counted."""

    class Full:
        """A pool with no module."""

        async def run(self, *_: object, **__: object) -> None:
            raise Saturated("too many Argon2id checks are waiting")

    issued = await here.issue("items:read")
    app = guard(persist_digests=False)
    app.runtime.authenticator._key_verifier._pool = cast("Argon2Pool", Full())

    answer = await ask(app, "/items", issued.headers)

    assert (503, "1", 1) == (answer.status, answer.headers["retry-after"], app.stats.shed)
    assert [503] == await shake_hands(app, issued)


async def test_a_digest_that_cannot_be_kept_refuses_nobody(here: Installation, guard: Guard) -> None:
    """If the store cannot write, a key that Argon2id proved is admitted all the same."""
    issued = await here.issue("items:read")
    app = guard(persist_digests=False)
    lookup = here.store

    class ReadOnly:
        """The real store, which nobody can write to."""

        async def find(self, key_id: str) -> Found:
            return await lookup.find(key_id)

        async def save_digest(self, *_: object) -> None:
            raise StoreUnavailable("read-only")

    app.runtime.authenticator._key_verifier._lookup = ReadOnly()

    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_a_key_that_changes_without_end_is_503(here: Installation, guard: Guard) -> None:
    """If every look at a key is overtaken by another change, the answer is that nobody can say."""
    issued = await here.issue("items:read")
    app = guard(cache_size=0)
    await ask(app, "/items", issued.headers)
    authenticator = app.runtime.authenticator
    verify_key = authenticator._key_verifier.verify_key

    async def overtaken(*args: Any) -> Any:
        found = await verify_key(*args)
        app.runtime.freshness.revision += 1
        return found

    authenticator._key_verifier.verify_key = overtaken  # type: ignore[method-assign,assignment]

    assert 503 == (await ask(app, "/items", issued.headers)).status


async def test_a_retired_entry_that_left_the_keyring_file_refuses_its_keys(here: Installation, guard: Guard) -> None:
    """Keys of a retired character are refused though their tag is right."""
    issued = await here.issue("items:read")
    app = guard()
    await ask(app, "/items", issued.headers)

    async def work(transaction: Transaction) -> None:
        now = datetime.now(UTC)
        await transaction.put_signing_key(
            SigningKeyRecord(here.signing.char, here.signing.fingerprint, SigningKeyState.RETIRED, now)
        )

    await here.store.change(work)

    answer = await app.runtime.inspect(issued.text)
    assert "retired" == getattr(answer, "reason", None)


def record_of(issued: Issued, revision: int, **fields: Any) -> KeyRecord:
    return replace(issued.record, revision=revision, **fields)


async def test_an_older_state_never_replaces_a_newer_one(here: Installation) -> None:
    """States are merged by revision, whatever the order of their arrival."""
    issued = await here.issue("items:read")
    key_cache = KeyCache(10, lambda *_: False)
    entry = key_cache.keep(b"digest", record_of(issued, 5, name="five"), key_char="a", as_of=5)

    key_cache.merge([record_of(issued, 7, disabled_at=datetime.now(UTC))])
    key_cache.merge([record_of(issued, 6, name="six")])

    assert entry.dead is not None
    assert "disabled" == entry.dead.reason
    assert 7 == entry.revision


async def test_a_key_that_left_the_cache_is_not_looked_for(here: Installation) -> None:
    """The index by id forgets what the cache forgets, so that it cannot grow beyond it."""
    key_cache = KeyCache(2, lambda *_: False)
    for number in range(50):
        issued = await here.issue("items:read")
        key_cache.keep(bytes([number]), record_of(issued, 1), key_char="a", as_of=1)

    assert 2 == len(key_cache) == len(key_cache._live.by_id)


async def test_one_key_has_one_place_in_the_cache(here: Installation) -> None:
    """A second text for the same key takes the first one's place, so that a merge reaches all there is."""
    issued = await here.issue("items:read")
    key_cache = KeyCache(10, lambda *_: False)
    key_cache.keep(b"first", record_of(issued, 1), key_char="a", as_of=1)
    second = key_cache.keep(b"second", record_of(issued, 1), key_char="b", as_of=1)

    key_cache.merge([record_of(issued, 2, disabled_at=datetime.now(UTC))])

    assert 1 == len(key_cache)
    assert second.dead is not None
    assert "disabled" == second.dead.reason
