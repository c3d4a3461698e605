from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import APIKeyMiddleware
from keyfob.keys.format import ALPHABET
from keyfob.store.opening import open_store
from keyfob.store.sqlite.store import SQLiteStore
from keyfob_admin.setup.seeding import random_texts
from tests.keyfob_admin.cli.conftest import typed
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.keyfob_admin.cli.conftest import Home


@pytest.fixture(params=["sqlite", "postgres"])
def seeded(request: pytest.FixtureRequest, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a database with 50 seeded keys, on each engine; what was printed is in ``keys.txt``."""
    if request.param == "sqlite":
        _seed(home)
        yield f"sqlite:///{home.folder / 'keyfob.db'}"
        return
    with asyncio.Runner() as runner:
        made = fresh_database(empty=True)
        url = runner.run(made.__aenter__())
        monkeypatch.setenv("KEYFOB_STORE_URL", url)
        assert 0 == typed("init").code
        _seed(home)
        yield url
        runner.run(made.__aexit__(None, None, None))


def _seed(home: Home) -> None:
    done = typed("bench", "seed", "--keys", "50", "--print", "7", "--permission", "items:read")
    assert 0 == done.code, done.err
    (home.folder / "keys.txt").write_text(done.out)


async def statuses(home: Home, keys: list[str]) -> tuple[list[int], int]:
    """What a protected application answers to each of *keys*, and how often Argon2id was computed for that."""
    seen: list[int] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        seen.extend([message["status"]] if "status" in message else [])

    guarded = APIKeyMiddleware(app, config=home.folder / "keyfob.toml", rules={"/items": "items:read"})
    for key in keys:
        headers = [(b"authorization", f"Bearer {key}".encode())]
        await guarded({"type": "http", "method": "GET", "path": "/items", "headers": headers}, receive, send)
    await guarded.runtime.stop()
    return seen, guarded.stats.argon2_verifications


@pytest.mark.usefixtures("seeded")
def test_seeded_keys_are_admitted(home: Home) -> None:
    """Each key that was printed opens what it is for, by its stored digest alone."""
    keys = (home.folder / "keys.txt").read_text().split()

    assert ([200] * 7, 0) == asyncio.run(statuses(home, keys))


@pytest.mark.usefixtures("seeded")
def test_seeding_is_one_event(home: Home) -> None:
    """The audit log tells of it once, and stays whole."""
    events = typed("audit", "tail", "-n", "9", "--json").data["events"]

    (told,) = [one["detail"] for one in events if one["action"] == "keys.seeded"]
    assert {"keys": 50, "type": "api", "permissions": ["items:read"], "after": told["after"]} == told
    assert ["items:read"] == told["after"]["permissions"]
    assert 0 == typed("audit", "verify").code
    assert 51 == typed("db", "status", "--json").data["keys"]


def test_seeding_keyrings_the_change_signal(home: Home) -> None:
    """Whoever serves this database is told: the revision goes up by one, and the signal shows it."""

    async def look() -> tuple[int, int, int]:
        store = open_store(f"sqlite:///{home.folder / 'keyfob.db'}")
        assert isinstance(store, SQLiteStore)
        before = (await store.changes(None)).revision
        done = await asyncio.to_thread(typed, "bench", "seed", "--keys", "5")
        assert 0 == done.code, done.err
        changes = await store.changes(before)
        seen = int.from_bytes(store.signal.counter.read(), sys.byteorder)
        await store.close()
        return changes.revision - before, seen - changes.revision, len(changes.records)

    assert (1, 0, 5) == asyncio.run(look())


@pytest.mark.usefixtures("seeded")
def test_a_database_with_keys_is_filled_only_when_told_to() -> None:
    """Where nobody can be asked, --yes is demanded."""
    assert 2 == typed("bench", "seed", "--keys", "1").code
    assert 0 == typed("bench", "seed", "--keys", "1", "--yes").code


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("setting", "value", "arguments", "said"),
    [
        ("KEYFOB_MIDDLEWARE_PERSIST_DIGESTS", "false", [], "persist_digests"),
        ("KEYFOB_BRAND", "", ["--permission", "no:such"], "no:such"),
        ("KEYFOB_BRAND", "", ["--team", "nobody"], "nobody"),
    ],
)
def test_keys_that_nobody_would_admit_are_not_made(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, arguments: list[str], said: str
) -> None:
    """Without digests, without a team, or with permissions that nobody can hold, nothing is made."""
    if value:
        monkeypatch.setenv(setting, value)

    refused = typed("bench", "seed", "--keys", "1", *arguments)

    assert 0 != refused.code
    assert said in refused.err
    assert 1 == typed("db", "status", "--json").data["keys"]


def test_a_plan_without_api_keys_gets_none(home: Home) -> None:
    """In a team whose plan has no such keys they would all be suspended."""
    typed("teams", "create", "small", "--plan", "teams")

    assert "plan teams" in typed("bench", "seed", "--keys", "1", "--team", "small").err


def test_letters_are_drawn_evenly() -> None:
    """No letter of a bulk draw is likelier than another: a byte that would favour some is thrown away."""
    drawn = Counter("".join(random_texts(4_000, 31)))

    assert set(ALPHABET) == set(drawn)
    assert max(drawn.values()) < 1.2 * min(drawn.values())
