"""What a pasted text says of keys that another product issued, on both stores."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.foreign import lookup_by_beginning, lookup_by_digest
from keyfob.keys.foreign_hashes import ForeignHash
from keyfob.management.actor import Actor
from keyfob.management.key_finder import MOST_CHECKED
from keyfob.management.key_import import ForeignKey
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, TEAM, installed
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.runtime.runtime import Runtime

FOREIGN = {"legacy": "sk_live_[A-Za-z0-9]{24}"}


@pytest.fixture(params=["sqlite", "postgres"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    """An installation that knows a foreign form."""
    if request.param == "sqlite":
        async with (await installed(tmp_path, foreign=FOREIGN)).opened() as runtime:
            yield runtime
        return
    async with (
        fresh_database() as url,
        (await installed(tmp_path, store=url, foreign=FOREIGN)).opened() as runtime,
    ):
        yield runtime


def key(number: int) -> str:
    return f"sk_live_{number:024}"


def plain(text: str, team: str = TEAM) -> ForeignKey:
    """A key that was exported with a hash of the whole of it."""
    known = ForeignHash("sha256", hashlib.sha256(text.encode()).hexdigest())
    return ForeignKey(
        where="1",
        name="old",
        team=team,
        permissions=("items:read",),
        lookup=lookup_by_digest("sha256", text),
        hash=known,
    )


def salted(text: str, shown: int) -> ForeignKey:
    """A key that was exported with a salted hash, and is found by its beginning."""
    known = ForeignHash("sha256", hashlib.sha256(f"salt{text}".encode()).hexdigest(), salt="salt")
    lookup = lookup_by_beginning(text[:shown])
    return ForeignKey(where="1", name="salted", team=TEAM, permissions=("items:read",), lookup=lookup, hash=known)


async def found(runtime: Runtime, text: str, actor: Actor = ANA) -> list[tuple[str, str | None, bool]]:
    """What is in *text*: its kind, the key's name, and whether its secret was verified."""
    matches = await runtime.finder.find(text, actor=actor)
    return [(match.kind, match.view.record.name if match.view else None, match.is_checked) for match in matches]


async def test_an_imported_key_is_found_and_verified(runtime: Runtime) -> None:
    """Found by the whole or by its beginning; what only begins so, or was never imported, is foreign."""
    await runtime.importer.run([plain(key(1)), salted(key(20), 31)], actor=ANA)

    text = f"x={key(1)}&y {key(20)} {key(1)}\n{key(21)} {key(5)}"
    assert [("key", "old", True), ("key", "salted", True), ("foreign", None, False), ("foreign", None, False)] == (
        await found(runtime, text)
    )


async def test_a_key_is_found_whatever_became_of_it(runtime: Runtime) -> None:
    """A disabled key is verified as well; nothing finds one that was deleted."""
    (imported,) = await runtime.importer.run([plain(key(1))], actor=ANA)
    assert imported.record is not None
    await runtime.lifecycle.disable(TEAM, imported.record.id, actor=ANA)
    assert [("key", "old", True)] == await found(runtime, key(1))
    await runtime.lifecycle.delete(TEAM, imported.record.id, actor=ANA)
    assert [("foreign", None, False)] == await found(runtime, key(1))


async def test_what_is_out_of_sight_is_foreign(runtime: Runtime) -> None:
    """A key of another team is as one that never was, without a name."""
    await runtime.teams.update(OTHER_TEAM, {"plan": "enterprise"}, actor=ANA)
    await runtime.importer.run([plain(key(1), OTHER_TEAM)], actor=ANA)
    reader = Actor("cli", None, "reader", TEAM, frozenset({"keys:read"}))

    assert [("foreign", None, False)] == await found(runtime, key(1), reader)
    assert [("key", "old", True)] == await found(runtime, key(1))


async def test_no_more_than_twenty_secrets_are_verified(runtime: Runtime) -> None:
    """The rest is told by what finds it, ours and foreign ones together."""
    await runtime.importer.run([plain(key(number)) for number in range(MOST_CHECKED + 3)], actor=ANA)

    matches = await found(runtime, "\n".join(map(key, range(MOST_CHECKED + 3))))

    assert [True] * MOST_CHECKED + [False] * 3 == [is_checked for _, _, is_checked in matches]
    assert {"key"} == {kind for kind, _, _ in matches}


async def test_many_unknown_ones_are_looked_up_together(runtime: Runtime) -> None:
    """A text full of unknown keys is answered, and none of them counts as verified or as a stranger's attempt."""
    text = "\n".join(map(key, range(1_900)))

    assert [("foreign", None, False)] * 1_900 == await found(runtime, text)
    assert 0 == runtime.stats.argon2_verifications
