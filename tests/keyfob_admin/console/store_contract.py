"""What every store must do for the console; each store's tests inherit it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import verify_chain
from keyfob.people.app_person import AppPerson
from keyfob.store.contract.console import Session, SignInLink, UsedDraft
from keyfob.store.contract.key_store import EventQuery, Use
from keyfob_admin.sessions import console_of
from tests.keyfob_admin.console.conftest import ANA, TEAM, Installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.console import ConsoleStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVENT = ANA.did("console.signed_in", NOON, team=TEAM)


def digest(token: str) -> bytes:
    """Stand in for the HMAC of a token: the store never looks into it."""
    return hashlib.sha256(token.encode()).digest()


class ConsoleStoreContract:
    """Needs the fixtures *installation* and, from here, the rest."""

    @pytest.fixture
    async def runtime(self, installation: Installation) -> AsyncIterator[Runtime]:
        async with installation.opened() as runtime:
            yield runtime

    @pytest.fixture
    def store(self, runtime: Runtime) -> ConsoleStore:
        return console_of(runtime.store)

    @pytest.fixture
    async def session(self, store: ConsoleStore, installation: Installation) -> Session:
        """A session of one hour."""
        began = Session(digest("token"), installation.admin.id, secrets.token_bytes(32), "192.0.2.1", NOON, NOON + HOUR)
        assert await store.add_session(began, EVENT)
        return began

    async def test_a_session_comes_back_as_it_was(self, store: ConsoleStore, session: Session) -> None:
        """Every field of a session is kept, and one that ended is gone."""
        assert session == await store.session(session.id_hash)
        await store.end_session(session.id_hash)
        assert await store.session(session.id_hash) is None

    async def test_the_sessions_of_one_key_are_listed_and_end_together(
        self, store: ConsoleStore, session: Session, installation: Installation
    ) -> None:
        """Oldest first, with browser and last use; those of another key are neither listed nor ended."""
        second, _ = await installation.make("second", key_type="admin", permissions=("*",))
        later = NOON + timedelta(minutes=1)
        other = Session(digest("other"), second.id, b"c" * 32, None, NOON, later + HOUR)
        newer = Session(digest("newer"), installation.admin.id, b"c" * 32, None, later, later + HOUR, None, "Safari")
        for one in (newer, other):
            assert await store.add_session(one, EVENT)
        await store.note_session_use(newer.id_hash, later + HOUR)

        assert [session, replace(newer, last_used_at=later + HOUR)] == await store.sessions_like(newer)
        assert 2 == await store.end_sessions_like(session, EVENT)
        assert [[], [other]] == [await store.sessions_like(session), await store.sessions_like(other)]

    async def test_the_audit_log_knows_of_sessions_and_links(
        self, store: ConsoleStore, runtime: Runtime, session: Session, installation: Installation
    ) -> None:
        """The event comes with the session or link, sealed in the chain, and once for each."""
        await store.add_link(SignInLink(digest("link"), installation.admin.id, NOON, NOON + HOUR), EVENT)
        end = ANA.did("console.signed_out", NOON, team=TEAM)
        for _ in range(2):
            await store.end_session(session.id_hash, end)
        events = list(reversed(await runtime.store.events(EventQuery(limit=100))))
        assert [*["console.signed_in"] * 2, "console.signed_out"] == [chained.event.action for chained in events[-3:]]
        count, head = await runtime.store.audit_head()
        keys = {char: entry.audit_key for char, entry in runtime.keyring.entries().items()}
        assert [] == list(verify_chain(events, count=count, head=head, keys=keys))

    async def test_a_session_does_not_begin_after_its_key_was_revoked(
        self, store: ConsoleStore, runtime: Runtime, installation: Installation
    ) -> None:
        """A key that is disabled between the judgement and the session gets none, so that enabling it brings none."""
        key, _ = await installation.make("fallen", key_type="admin", permissions=("*",))
        await runtime.lifecycle.disable(TEAM, key.id, actor=ANA)
        late = Session(digest("late"), key.id, b"c" * 32, None, NOON, NOON + HOUR)
        assert not await store.add_session(late, EVENT)
        assert await store.session(late.id_hash) is None
        (newest,) = await runtime.store.events(EventQuery(limit=1))
        assert "key.disabled" == newest.event.action

    async def test_expired_sessions_go_when_a_new_one_begins(
        self, store: ConsoleStore, session: Session, installation: Installation
    ) -> None:
        """The table does not grow with every sign-in there ever was."""
        later = NOON + HOUR
        await store.add_session(
            Session(digest("b"), installation.admin.id, b"c" * 32, None, later, later + HOUR), EVENT
        )
        assert await store.session(session.id_hash) is None

    async def test_where_a_page_leads_back_is_kept(self, store: ConsoleStore, runtime: Runtime) -> None:
        """The address of a link to the Keys page, and of a session there, comes back as it was."""
        back = "https://app.example.com/settings"
        given = AppPerson("1", "Ann", None, TEAM)
        person = await runtime.app_people.known(given)
        link = SignInLink(digest("link"), None, NOON, NOON + HOUR, person_id=person.id, return_url=back)
        began = Session(digest("token"), None, b"m" * 32, None, NOON, NOON + HOUR, person.id, return_url=back)
        await store.add_link(link, EVENT)
        assert await store.add_session(began, EVENT)

        assert (link, began) == (await store.link(link.hash), await store.session(began.id_hash))
        assert [began] == await runtime.store.people.sessions(person.id)

    async def test_a_link_is_used_once(self, store: ConsoleStore, installation: Installation) -> None:
        """Of many who use a link at the same moment one succeeds."""
        link = SignInLink(digest("link"), installation.admin.id, NOON, NOON + HOUR)
        await store.add_link(link, EVENT)
        assert link == await store.link(link.hash)
        assert 1 == sum(await asyncio.gather(*(store.use_link(link.hash, NOON) for _ in range(8))))
        used = await store.link(link.hash)
        assert used is not None
        assert NOON == used.used_at

    async def test_a_link_ends(self, store: ConsoleStore, installation: Installation) -> None:
        """A link cannot be used from the moment at which it expires, nor one that never was."""
        await store.add_link(SignInLink(digest("link"), installation.admin.id, NOON, NOON + HOUR), EVENT)
        assert not await store.use_link(digest("link"), NOON + HOUR)
        assert not await store.use_link(digest("other"), NOON)

    async def test_a_draft_is_claimed_once(
        self, store: ConsoleStore, session: Session, installation: Installation
    ) -> None:
        """Of many who send a form at the same moment one makes the key; the others learn which, once it is there."""
        token = digest("draft")
        claims = await asyncio.gather(*(store.claim_draft(token, session.id_hash, NOON) for _ in range(8)))
        assert 1 == claims.count(None)
        assert 7 == claims.count(UsedDraft(None))
        await store.settle_draft(token, installation.admin.id)
        assert UsedDraft(installation.admin.id) == await store.claim_draft(token, session.id_hash, NOON)

    async def test_a_draft_that_made_nothing_is_given_back(self, store: ConsoleStore, session: Session) -> None:
        """A refused form can be sent again."""
        token = digest("draft")
        assert await store.claim_draft(token, session.id_hash, NOON) is None
        await store.settle_draft(token, None)
        assert await store.claim_draft(token, session.id_hash, NOON) is None

    async def test_a_draft_needs_no_session(self, store: ConsoleStore) -> None:
        """A form outside a session can be sent once, too. After 30 days it is forgotten."""
        token, later = digest("draft"), NOON + timedelta(days=31)
        assert await store.claim_draft(token, None, NOON) is None
        assert UsedDraft(None) == await store.claim_draft(token, None, NOON + timedelta(days=29))
        assert await store.claim_draft(digest("other"), None, later) is None
        assert await store.claim_draft(token, None, later) is None

    async def test_failures_are_counted_within_their_time(self, store: ConsoleStore) -> None:
        """The last failure allowed opens the time of waiting; when it is over, counting begins anew."""
        minute = timedelta(minutes=1)
        for second in range(3):
            at = NOON + timedelta(seconds=second)
            assert await store.blocked_until("a", at, failures=3) is None
            await store.note_failure("a", at, until=at + minute, failures=3)
        end = NOON + timedelta(seconds=2) + minute
        assert end == await store.blocked_until("a", NOON + timedelta(seconds=3), failures=3)
        assert await store.blocked_until("b", NOON, failures=3) is None
        assert await store.blocked_until("a", end, failures=3) is None
        await store.note_failure("a", end, until=end + minute, failures=3)
        assert await store.blocked_until("a", end, failures=2) is None
        await store.note_failure("a", end, until=end + minute, failures=3)
        await store.forget_failures("a")
        assert await store.blocked_until("a", end, failures=1) is None

    async def test_uses_are_read_for_many_keys_at_once(
        self, store: ConsoleStore, runtime: Runtime, installation: Installation
    ) -> None:
        """Only the keys and days that were asked for, and only what was admitted."""
        other, _ = await installation.make("other")
        days = {date(2026, 11, 1): 5, date(2026, 10, 1): 7}
        use = Use(NOON, None, days, {date(2026, 11, 1): 9})
        await runtime.store.add_usage({installation.admin.id: use, other.id: use})
        found = await store.uses([installation.admin.id, "0" * 16], date(2026, 10, 15))
        assert {installation.admin.id: {date(2026, 11, 1): 5}} == found

    async def test_holders_are_counted_by_grant(
        self, store: ConsoleStore, runtime: Runtime, installation: Installation
    ) -> None:
        """Every grant of the team's living keys, wildcards as what they are."""
        await installation.make("a", permissions=("items:read", "users:*"))
        await installation.make("b", permissions=("items:read",))
        gone, _ = await installation.make("c", permissions=("items:read",))
        await runtime.lifecycle.disable(TEAM, gone.id, actor=ANA)
        await runtime.lifecycle.delete(TEAM, gone.id, actor=ANA)
        assert {"*": 1, "items:read": 2, "users:*": 1} == await store.holders(TEAM)
        assert {} == await store.holders("nobody")
        assert {} == await store.holders(TEAM, "somebody")

    async def test_a_key_takes_its_sessions_and_links_along(
        self, store: ConsoleStore, runtime: Runtime, installation: Installation
    ) -> None:
        """When a key is switched off, its sessions and links are gone in the same transaction."""
        second, _ = await installation.make("second", key_type="admin", permissions=("*",))
        await store.add_session(Session(digest("s"), second.id, b"c" * 32, None, NOON, NOON + HOUR), EVENT)
        await store.add_link(SignInLink(digest("l"), second.id, NOON, NOON + HOUR), EVENT)
        await runtime.lifecycle.disable(TEAM, second.id, actor=ANA)
        assert await store.session(digest("s")) is None
        assert await store.link(digest("l")) is None
