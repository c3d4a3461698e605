"""A row that somebody without the keyring writes or changes signs nobody in (FF-19), and what ends a key ends all."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.runtime.runtime import Runtime
from keyfob_admin import sessions
from keyfob_admin.sign_in.links import make_link
from tests.keyfob_admin.console.conftest import ANA
from tests.postgres_server import run_sql

if TYPE_CHECKING:
    from tests.keyfob_admin.console.conftest import Installation

pytestmark = pytest.mark.both_engines
NOW = datetime.now(UTC)


async def door_of(installation: Installation, kind: str = "session") -> tuple[Runtime, sessions.SignIn, str]:
    """A way in, and the token of a session or link."""
    runtime = Runtime(installation.settings)
    await runtime.freshness.ensure()
    door = sessions.SignIn(runtime)
    if kind == "session":
        token = await door.with_key(installation.admin_key, None)
        assert token is not None
        return runtime, door, token
    signing = runtime.keyring.signing()
    link = await make_link(runtime.store, installation.admin, runtime.now(), actor=ANA, signing=signing)
    return runtime, door, link


async def run(installation: Installation, sql: str, *values: object) -> int:
    """Write to the database past Keyfob; return how many rows changed."""
    url = str(installation.settings.store)
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            return database.execute(sql, values).rowcount
    import asyncpg  # noqa: PLC0415 (the tests of other stores need no driver)

    numbers = count(1)
    numbered = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
    connection = await asyncpg.connect(url, server_settings={"search_path": "keyfob"})
    try:
        done = await connection.execute(numbered, *values)
        return int(done.rpartition(" ")[2])
    finally:
        await connection.close()


async def dumped(installation: Installation) -> str:
    """Everything that the database holds, in small letters; bytes are written as hexadecimal digits."""
    url = str(installation.settings.store)
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            return "\n".join(database.iterdump()).lower()
    name = url.rpartition("/")[2]
    every = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'keyfob'"
    rows = [
        await run_sql(f"SELECT string_agg(t::text, chr(10)) FROM keyfob.{table} t", database=name)  # noqa: S608 (our own)
        for table in (await run_sql(every, database=name)).split()
    ]
    return "\n".join(filter(None, rows)).lower()


def forged_hashes(token: str) -> list[bytes]:
    """What somebody who knows the source but not the keyring can compute of a token."""
    return [hashlib.sha256(token.encode()).digest(), hashlib.blake2b(token.encode(), digest_size=32).digest()]


async def test_ff_19_a_row_without_the_keyring_signs_nobody_in(installation: Installation) -> None:
    """Neither a session nor a link that was put into the database is good for anything."""
    runtime, door, _ = await door_of(installation)
    token = "a" + "x" * 43
    end = int((NOW + timedelta(hours=1)).timestamp() * 1e6)
    for forged in forged_hashes(token):
        await run(
            installation,
            "INSERT INTO sessions (id_hash, key_id, mac, created_at, expires_at) VALUES (?, ?, ?, 0, ?)",
            forged,
            installation.admin.id,
            forged,
            end,
        )
        await run(
            installation,
            "INSERT INTO sign_in_links (hash, key_id, mac, created_at, expires_at) VALUES (?, ?, ?, 0, ?)",
            forged,
            installation.admin.id,
            forged,
            end,
        )

    assert (None, None) == (await door.who(token, None), await door.with_link(token, None))
    await runtime.stop()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        *product(("session", "link"), ("key_id", "expires_at", "created_at", "mac", "return_url")),
        ("session", "browser"),
        ("session", "ip"),
    ],
)
async def test_ff_19_a_row_that_was_changed_signs_nobody_in(
    installation: Installation, caplog: pytest.LogCaptureFixture, kind: str, column: str
) -> None:
    """The holder of a weak key's session cannot point it at a stronger key, nor make it last longer."""
    weak = (await _weak(installation)).id
    runtime, door, token = await door_of(installation, kind)
    table = "sessions" if kind == "session" else "sign_in_links"
    values: dict[str, Any] = {
        "key_id": weak,
        "mac": b"0" * 32,
        "created_at": 5,
        "expires_at": int((NOW + timedelta(days=9)).timestamp() * 1e6),
        "return_url": "https://evil.example",
        "browser": "another",
        "ip": "198.51.100.99",
    }
    assert 1 == await run(installation, f"UPDATE {table} SET {column} = ?", values[column])  # noqa: S608

    assert (await door.who(token, None) if kind == "session" else await door.with_link(token, None)) is None
    assert "was not written by Keyfob, and is refused" in caplog.text
    await runtime.stop()


async def _weak(installation: Installation) -> Any:
    runtime = Runtime(installation.settings)
    await runtime.freshness.ensure()
    from keyfob.management.key_drafts import KeyDraft  # noqa: PLC0415

    draft = KeyDraft("weak", key_type="admin", permissions=("keys:read",))
    made = await runtime.lifecycle.create(installation.admin.team, draft, actor=ANA)
    await runtime.stop()
    return made.view.record


async def test_ff_19_the_database_holds_nothing_that_a_browser_sends(installation: Installation) -> None:
    """Neither token nor form token can be read out of the database, nor computed from it without the keyring."""
    runtime, door, token = await door_of(installation)
    signed_in = await door.who(token, None)
    assert signed_in is not None
    draft = signed_in.draft_hash("draft")
    await runtime.stop()
    dump = await dumped(installation)

    for secret in (token.encode(), signed_in.csrf, *forged_hashes(token)):
        assert secret.hex() not in dump
    assert token.lower() not in dump
    assert draft not in forged_hashes("draft")


@pytest.mark.parametrize("kind", ["session", "link"])
async def test_ff_47_a_session_ends_with_the_signing_key_of_its_key(installation: Installation, kind: str) -> None:
    """Whether a key or a link opened it: when the entry that the key carries is retired, the session is over."""
    runtime, door, token = await door_of(installation, kind)
    if kind == "link":
        opened = await door.with_link(token, None)
        assert opened is not None
        token = opened
    assert await door.who(token, None) is not None
    entry = runtime.keyring.signing()
    both = runtime.keyring.entries()

    async def retire(rows: Any) -> None:
        (mark,) = await rows.signing_keys()
        await rows.put_signing_key(
            SigningKeyRecord(entry.char, mark.fingerprint, SigningKeyState.RETIRED, mark.activated_at),
            seal_with=both[entry.char],
        )

    await runtime.store.change(retire)
    await runtime.freshness.refresh()

    assert await door.who(token, None) is None
    await runtime.stop()


async def test_ff_55_a_right_key_and_a_link_pass_a_throttled_address(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a proxy that nobody named all have one address: it is slowed down, and the log names trusted_proxies."""
    monkeypatch.setattr(sessions, "SLOW", 0.0)
    runtime, door, link = await door_of(installation, "link")
    for _ in range(sessions.FAILURES):
        assert "trusted_proxies" not in caplog.text
        await door.failed("192.0.2.1")

    assert 0 < await door.slow_down("192.0.2.1") <= 60
    assert "trusted_proxies" in caplog.text
    assert await door.with_key(installation.admin_key, "192.0.2.1") is not None
    assert await door.with_link(link, "192.0.2.1") is not None
    await runtime.stop()
