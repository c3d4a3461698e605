"""The session: what begins one, and what throws one out."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.runtime.runtime import Runtime
from keyfob_admin import sessions as sign_in
from tests.keyfob_admin.console.conftest import ANA, TEAM, Installation, LiveConsole, Visitor, change, hidden, words
from tests.keyfob_admin.console.sessions import SESSION, is_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.transaction import Transaction


def test_every_sign_in_gets_a_new_session_and_ends_the_old_one(live: LiveConsole) -> None:
    """A token from before signing in opens nothing afterwards."""
    with Visitor(live.url) as visitor:
        visitor.sign_in(live.installation.admin_key)
        before = visitor.cookies[SESSION]
        form = {"csrf": hidden(visitor.get("/keys").text)["csrf"], "key": live.installation.admin_key}
        visitor.post("/login", data=form)
        assert before != visitor.cookies[SESSION]
        assert is_in(visitor)
        visitor.cookies.set(SESSION, before)
        assert not is_in(visitor)


def test_signing_out_ends_the_session_in_the_database(visitor: Visitor) -> None:
    """A copy of the cookie is worth nothing after signing out."""
    token = visitor.cookies[SESSION]
    answer = visitor.post("/logout", data=hidden(visitor.get("/keys").text))
    assert "/login" == answer.headers["location"]
    assert SESSION not in visitor.cookies
    visitor.cookies.set(SESSION, token)
    assert not is_in(visitor)


def test_the_database_has_only_a_digest_of_the_session(visitor: Visitor, live: LiveConsole) -> None:
    """Nobody can sign in with what is stored."""
    store = live.installation.settings.store or ""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        rows = repr(database.execute("SELECT * FROM sessions").fetchall())
    database.close()
    assert visitor.cookies[SESSION] not in rows


async def _expire(runtime: Runtime, key: KeyRecord) -> None:
    soon = runtime.now() + timedelta(seconds=1)
    await runtime.lifecycle.update(TEAM, key.id, {"expires_at": soon}, actor=ANA)
    await asyncio.sleep((soon - runtime.now()).total_seconds() + 0.01)


async def _delete(runtime: Runtime, key: KeyRecord) -> None:
    await runtime.lifecycle.disable(TEAM, key.id, actor=ANA)
    await runtime.lifecycle.delete(TEAM, key.id, actor=ANA)


REVOCATIONS: dict[str, Callable[[Runtime, KeyRecord], Awaitable[Any]]] = {
    "disabled": lambda runtime, key: runtime.lifecycle.disable(TEAM, key.id, actor=ANA),
    "expired": _expire,
    "limited to other addresses": lambda runtime, key: runtime.lifecycle.update(
        TEAM, key.id, {"ip_allow": ["203.0.113.1"]}, actor=ANA
    ),
    "deleted": _delete,
}


@pytest.mark.parametrize("how", REVOCATIONS)
def test_a_session_dies_with_its_key(live: LiveConsole, how: str) -> None:
    """When the admin key behind a session is disabled, deleted, expired or limited, the next page is the sign-in."""
    key, secret = live.make("second", key_type="admin", permissions=("*",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert is_in(visitor)
        change(live.installation, lambda runtime: REVOCATIONS[how](runtime, key))
        assert not is_in(visitor)


def test_a_session_does_not_rise_again(live: LiveConsole) -> None:
    """Enabling a key again does not bring back the sessions that disabling it ended, even if nobody looked between."""
    key, secret = live.make("second", key_type="admin", permissions=("*",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        change(live.installation, lambda runtime: runtime.lifecycle.disable(TEAM, key.id, actor=ANA))
        change(live.installation, lambda runtime: runtime.lifecycle.enable(TEAM, key.id, actor=ANA))
        assert not is_in(visitor)


def test_a_session_dies_with_the_signing_key_of_its_key(live: LiveConsole) -> None:
    """When the signing key that a key carries is retired, sessions that were signed in with it end."""
    char = live.installation.admin_key[-21]

    async def retire(rows: Transaction) -> None:
        (mark,) = await rows.signing_keys()
        await rows.put_signing_key(SigningKeyRecord(char, mark.fingerprint, SigningKeyState.RETIRED, mark.activated_at))

    with Visitor(live.url) as visitor:
        visitor.sign_in(live.installation.admin_key)
        change(live.installation, lambda runtime: runtime.store.change(retire))
        visitor.get("/v1/whoami", headers={"Authorization": f"Bearer {live.installation.admin_key}"})  # lets it look
        assert not is_in(visitor)


def test_a_session_holds_only_what_its_key_holds_now(live: LiveConsole) -> None:
    """A permission that is taken from the key is missing on the next page."""
    key, secret = live.make("second", key_type="admin", permissions=("keys:read", "keys:write"))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert is_in(visitor)
        change(
            live.installation,
            lambda runtime: runtime.lifecycle.update(TEAM, key.id, {"permissions": ["keys:write"]}, actor=ANA),
        )
        answer = visitor.get("/keys")
        assert 403 == answer.status_code
        assert "Your admin key doesn't hold keys:read, which this needs." in words(answer.text)


async def test_a_session_ends_with_its_time(installation: Installation) -> None:
    """After session_hours the session is over, whatever the browser does."""
    runtime = Runtime(installation.settings)
    door = sign_in.SignIn(runtime)
    token = await door.with_key(installation.admin_key, None)
    assert token is not None
    assert await door.who(token, None) is not None
    late = runtime.now() + timedelta(hours=installation.settings.admin.session_hours)
    runtime.now = lambda: late  # type: ignore[method-assign]
    assert await door.who(token, None) is None
    await runtime.stop()
