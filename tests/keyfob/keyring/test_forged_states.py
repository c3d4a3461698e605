"""What somebody without the keyring writes about a signing key lets nothing pass, and is logged (FF-19)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ConfigError, Invalid
from keyfob.keyring.active import ActiveKeyring
from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState, is_sealed, sealed
from keyfob.management.actor import Actor
from keyfob.management.keyring_rotation import KeyringRotation
from keyfob.testing import Installation, installation
from tests.keyfob.conftest import ask
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPERATOR = Actor.command_line("operator")
ACTIVE, RETIRED, LOST = SigningKeyState.ACTIVE, SigningKeyState.RETIRED, SigningKeyState.LOST
KEYRING = Keyring.new(NOON).added(NOON + timedelta(hours=1))
A, B = KEYRING.entries["a"], KEYRING.entries["b"]


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    if request.param == "sqlite":
        async with installation(tmp_path) as made:
            yield made
    else:
        async with fresh_database() as url, installation(tmp_path, url=url) as made:
            yield made


def state(entry: SigningKey, of: SigningKeyState) -> SigningKeyRecord:
    return SigningKeyRecord(entry.char, entry.fingerprint, of, entry.created_at)


def in_use(*marks: SigningKeyRecord, keyring: Keyring = KEYRING) -> ActiveKeyring:
    made = ActiveKeyring(lambda: keyring, lambda: 0.0)
    made.apply(marks)
    return made


async def write(here: Installation, char: str, said: str) -> None:
    """Write a state past Keyfob: the row alone, without a seal that fits it."""

    async def work(rows: Any) -> None:
        await rows.next_revision()
        await rows.run("put_signing_key", (char, "0" * 16 if char == "z" else here.signing.fingerprint, said, 5))

    await here.store.change(work)


@pytest.mark.parametrize(("char", "said"), [("a", "lost"), ("z", "lost"), ("z", "active")])
async def test_ff_19_a_forged_state_admits_nothing(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture, char: str, said: str
) -> None:
    """A forged "lost" lets no key pass without its tag, in a process that runs and in one that starts."""
    issued = await here.issue("items:read")
    forged = replace(here.signing, char=char, key=b"guessed" * 5)
    theirs = await replace(here, signing=forged).issue("items:read")
    app = guard()
    assert 200 == (await ask(app, "/items", issued.headers)).status
    await write(here, char, said)

    for process in (app, guard()):
        assert (await ask(process, "/items", theirs.headers)).status in {401, 503}
    assert "were not written by a holder of this keyring" in caplog.text or "the keyring lacks entry" in caplog.text


FORGERIES: dict[str, Any] = {
    "lost": lambda marks: [replace(marks[0], state=LOST), *marks[1:]],
    "active again": lambda marks: [replace(marks[0], state=ACTIVE), *marks[1:]],
    "another key": lambda marks: [replace(marks[0], fingerprint=B.fingerprint), *marks[1:]],
    "newer": lambda marks: [replace(marks[0], activated_at=NOON + timedelta(days=9)), *marks[1:]],
    "gone": lambda marks: marks[1:],
    "one more": lambda marks: [*marks, replace(marks[0], char="c")],
    "no seal": lambda marks: [replace(mark, seal="") for mark in marks],
    "another sealer": lambda marks: [replace(mark, sealed_by="a") for mark in marks],
    "another seal": lambda marks: [replace(marks[0], seal="0" * 64), *marks[1:]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_ff_19_the_seal_covers_the_whole_table(change: Any) -> None:
    """No state can be changed, added, taken out or sealed anew without the keyring."""
    marks = [*sealed([state(A, RETIRED), state(B, ACTIVE)], B)]

    assert is_sealed(marks, KEYRING.entries)
    assert is_sealed(marks[::-1], KEYRING.entries)
    assert not is_sealed(change(marks), KEYRING.entries)


def test_ff_19_a_retired_entry_stays_retired() -> None:
    """Neither a forged state nor a row that is gone brings back what was retired."""
    true = sealed([state(A, RETIRED), state(B, ACTIVE)], B)
    for forged in ([true[1]], [replace(true[0], state=ACTIVE), true[1]], [replace(true[0], state=LOST), true[1]]):
        keyring = in_use(*true)
        keyring.apply(forged)
        assert keyring.is_retired("a")
        assert not keyring.is_retired("b")
        with pytest.raises(ConfigError, match="not written by a holder"):
            keyring.check()
        keyring.apply(true)
        keyring.check()


def test_a_worker_that_lacks_the_sealing_entry_refuses_what_was_retired() -> None:
    """A keyring that was not copied here yet cannot verify the seal, but it does not miss a retirement either."""
    only_a = Keyring.of([A])
    keyring = in_use(*sealed([state(A, ACTIVE)], A), keyring=only_a)
    keyring.apply(sealed([state(A, RETIRED), state(B, ACTIVE)], B))

    assert keyring.is_retired("a")
    with pytest.raises(ConfigError, match="lacks entry 'b'"):
        keyring.check()


async def test_ff_19_a_rotation_seals_nothing_that_was_forged(here: Installation) -> None:
    """Whoever forges a state cannot wait until the operator seals it with the next rotation."""
    entries = {"a": here.signing, "b": replace(B, char="b")}
    rotation = KeyringRotation(here.store, lambda: datetime.now(UTC), lambda: entries)
    await rotation.activate(entries["b"], actor=OPERATOR)
    await write(here, "z", "lost")

    for attempt in (rotation.activate(here.signing, actor=OPERATOR), rotation.retire("a", actor=OPERATOR)):
        with pytest.raises(Invalid, match="without the keyring"):
            await attempt


async def test_where_every_copy_is_lost_a_new_keyring_takes_over(here: Installation) -> None:
    """A new entry seals what nobody can verify any more; what was lost must be declared lost again."""
    entries = {"b": B}
    rotation = KeyringRotation(here.store, lambda: datetime.now(UTC), lambda: entries)
    await write(here, "z", "lost")
    await rotation.activate(B, actor=OPERATOR)

    assert {"a": "active", "z": "active", "b": "active"} == {m.char: str(m.state) for m in await rotation.marks()}
    assert is_sealed(await rotation.marks(), entries)
    await rotation.lost("a", actor=OPERATOR)
    await rotation.lost("z", actor=OPERATOR)
    with pytest.raises(Invalid, match="only active"):
        await rotation.retire("b", actor=OPERATOR)
