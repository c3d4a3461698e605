"""The keyring is watched while keys are judged by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ConfigError
from keyfob.keyring.active import ActiveKeyring
from keyfob.keyring.file import load_keyring, write_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.format import compose, new_secret
from tests.end_to_end.forging import tagged
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def mark(
    here: Installation,
    char: str,
    fingerprint: str,
    state: SigningKeyState,
    at: datetime,
    *,
    by: SigningKey | None = None,
) -> None:
    """Write the database's word on a key character, sealed with *by*, as `keyfob keyring` does."""

    async def work(transaction: Transaction) -> None:
        await transaction.next_revision()
        await transaction.put_signing_key(SigningKeyRecord(char, fingerprint, state, at), seal_with=by)

    await here.store.change(work)


async def test_kf_08_a_new_signing_key_is_read_when_it_is_met(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of a new entry pass as soon as the file holds it; keys of a retired one cost no read (KF-08)."""
    monkeypatch.setattr("keyfob.keyring.active._RELOAD_AT_MOST_EVERY", 0.0)
    old = await here.issue("items:read")
    app = guard()
    assert 200 == (await ask(app, "/items", old.headers)).status

    keyring = load_keyring(here.folder / "keyfob.keyring")
    grown = keyring.added(datetime.now(UTC))
    write_keyring(here.folder / "keyfob.keyring", grown, replaces=keyring)
    entry = grown.newest
    await mark(here, entry.char, entry.fingerprint, SigningKeyState.ACTIVE, datetime.now(UTC))
    new = await issue_with(here, entry, "items:read")
    assert [200, 200] == [(await ask(app, "/items", issued.headers)).status for issued in (old, new)]

    await mark(here, here.signing.char, here.signing.fingerprint, SigningKeyState.RETIRED, datetime.now(UTC))
    assert 200 == (await ask(app, "/items", new.headers)).status
    reads = app.stats.store_reads
    assert 401 == (await ask(app, "/items", old.headers)).status
    assert reads == app.stats.store_reads


async def issue_with(here: Installation, entry: Any, *permissions: str) -> Any:
    """Issue a key under another entry of the keyring."""
    return await replace(here, signing=entry).issue(*permissions)


async def test_keys_of_a_lost_signing_key_pass_by_argon2_alone(here: Installation, guard: Guard) -> None:
    """When a keyring is lost for good, its keys skip the tag and pass by Argon2id once; wrong secrets still fail."""
    issued = await here.issue("items:read")
    fresh = Keyring.of([Keyring.new(NOON).added(NOON).entries["b"]])
    (here.folder / "keyfob.keyring").unlink()
    write_keyring(here.folder / "keyfob.keyring", fresh)
    entry = fresh.newest
    await mark(here, here.signing.char, here.signing.fingerprint, SigningKeyState.LOST, NOON, by=entry)
    await mark(here, entry.char, entry.fingerprint, SigningKeyState.ACTIVE, datetime.now(UTC), by=entry)

    app = guard()
    assert [200, 200] == [(await ask(app, "/items", issued.headers)).status for _ in range(2)]
    assert 1 == app.stats.argon2_verifications
    wrong = tagged(here.signing, issued.record.id)
    assert 401 == (await ask(app, "/items", {"X-API-Key": wrong})).status
    restarted = guard()
    assert 200 == (await ask(restarted, "/items", issued.headers)).status
    assert 0 == restarted.stats.argon2_verifications


async def test_an_active_entry_that_is_not_here_is_told(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """If the database issues with an entry that this keyring lacks, nothing is judged until it is copied here."""
    issued = await here.issue("items:read")
    await mark(here, "z", "0" * 16, SigningKeyState.ACTIVE, datetime.now(UTC))
    app = guard()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert "the keyring lacks entry 'z'" in caplog.text


async def test_a_keyring_that_cannot_be_read_again_is_told(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that others can read by now is not taken over; the log says why, and known entries go on to work."""
    monkeypatch.setattr("keyfob.keyring.active._RELOAD_AT_MOST_EVERY", 0.0)
    issued = await here.issue("items:read")
    app = guard()
    (here.folder / "keyfob.keyring").chmod(0o644)
    strange = compose(key_type="api", key_id="0" * 16, secret=new_secret(), key_char="z", tag=lambda _: "0" * 14)

    assert 401 == (await ask(app, "/items", {"X-API-Key": strange.text})).status

    assert "chmod 600" in caplog.text
    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_a_database_without_a_signing_key_is_told(tmp_path: Path) -> None:
    """Before anything was activated nothing can be judged or made, and the message names the command."""
    keyring = Keyring.new(NOON)
    in_use = ActiveKeyring(lambda: keyring, lambda: 0.0)

    with pytest.raises(ConfigError, match="keyfob init"):
        in_use.check()
    with pytest.raises(ConfigError, match="keyfob keyring show"):
        in_use.signing()
    assert {"a"} == in_use.entries().keys()
