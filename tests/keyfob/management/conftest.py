from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters
from keyfob.keys.record import Team
from keyfob.management.actor import Actor
from keyfob.management.authority import RoleAuthority
from keyfob.management.idempotency import IdempotencyKey
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_issuer import KeyIssuer
from keyfob.management.key_listing import KeySearch
from keyfob.management.keys import CreatedKey, KeyLifecycle
from keyfob.management.people.offboarding import Offboard
from keyfob.management.people.people import People
from keyfob.management.people.person_links import PersonLinks
from keyfob.management.teams import Teams
from keyfob.people.record import PersonState
from keyfob.policy.catalogue import Catalogue, build_catalogue
from keyfob.policy.roles import DEFAULT_ROLES
from keyfob.store.contract.key_store import EventQuery, KeyStore
from keyfob.store.opening import open_store
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from keyfob.audit import Event
    from keyfob.people.record import Person
    from keyfob.store.contract.transaction import Transaction

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CATALOGUE = build_catalogue(
    permissions={"items:read": "Read items", "items:write": "Change items", "docs:secret": "Read the secret ones"}
)
ROOT = Actor.command_line("operator")


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


@dataclass
class Office:
    """A store with the teams ``a`` and ``b``, and a lifecycle over it."""

    store: KeyStore
    issuer: KeyIssuer
    clock: Clock
    signing_key: SigningKey
    catalogue: Catalogue = CATALOGUE

    @property
    def keys(self) -> KeyLifecycle:
        return KeyLifecycle(
            self.store,
            self.issuer,
            self.catalogue,
            now=self.clock,
            max_staleness=2.0,
            authority=self.authority,
        )

    @property
    def authority(self) -> RoleAuthority:
        return RoleAuthority(DEFAULT_ROLES, self.catalogue, lambda: {self.signing_key.char: self.signing_key})

    @property
    def people(self) -> People:
        links = PersonLinks(self.store, self.authority, signing=lambda: self.signing_key, now=self.clock)
        return People(self.store, self.authority, links, self.clock)

    @property
    def offboarding(self) -> Offboard:
        return Offboard(self.store, self.authority, self.clock)

    async def person(self, email: str, role: str, team: str = "a") -> Person:
        """Let somebody with *role* join a team, as the operator."""
        invited = await self.people.invite(email, team=team, role=role, actor=ROOT)
        active = replace(invited.person, state=PersonState.ACTIVE)
        await self.store.change(lambda rows: rows.put_person(active))
        return active

    async def acting(self, person: Person, team: str = "a") -> Actor:
        """Act as *person*, as it is now."""
        actor = self.authority.actor(await self.store.people.one(person.id), team, "192.0.2.8")
        assert actor is not None
        return actor

    async def write_past_keyfob(self, statement: str) -> None:
        """Run *statement*, in which {} stands before the names of tables, as somebody who lacks the keyring could."""
        is_postgres = type(self.store).__name__ == "PostgresStore"
        sql = statement.format("keyfob." if is_postgres else "")

        async def work(rows: Transaction) -> None:
            connection = rows._connection  # type: ignore[attr-defined]
            await (connection.execute(sql) if is_postgres else connection.execute_fetchall(sql))

        await self.store.change(work)

    @property
    def teams(self) -> Teams:
        return Teams(self.store, self.catalogue, self.clock)

    async def key(self, team: str = "a", /, **draft: object) -> CreatedKey:
        """Make a key as the operator, with ``items:read`` unless told otherwise."""
        fields = {"name": "CI", "permissions": ("items:read",), **draft}
        return await self.keys.create(team, KeyDraft(**fields), actor=ROOT)  # type: ignore[arg-type]

    async def admin(self, *permissions: str, team: str = "a") -> Actor:
        """Make an admin key and act with it."""
        made = await self.key(team, name="Admin", key_type="admin", permissions=permissions)
        return acting(made)

    async def events(self) -> list[Event]:
        """Read the audit log, oldest first."""
        return [chained.event for chained in await self.store.events(EventQuery(oldest_first=True, limit=1000))]

    async def revision(self) -> int:
        return (await self.store.changes(None)).revision


def acting(created: CreatedKey) -> Actor:
    """Who acts with this key."""
    record = created.view.record
    return Actor.of_key(record, "192.0.2.7")


def once(
    key: str = "k-1", *, caller: str = "me", path: str = "/v1/teams/a/keys", body: bytes = b"{}"
) -> IdempotencyKey:
    """Stand for a request that can be sent again."""
    return IdempotencyKey.of(key, caller=caller, method="POST", path=path, body=body)


async def count(office: Office, team: str = "a") -> int:
    return len((await office.keys.list_keys(KeySearch(team, page_size=1000), actor=ROOT)).items)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signing_key() -> SigningKey:
    return Keyring.new(START).newest


@pytest.fixture(scope="session")
def pool() -> Iterator[Argon2Pool]:
    pool = Argon2Pool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
def issuer(signing_key: SigningKey, pool: Argon2Pool) -> KeyIssuer:
    return KeyIssuer(lambda: signing_key, pool, Argon2Parameters(memory_kib=8, time=1), "kf", persist_digests=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_engines` on each."""
    if "empty_store" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_engines"):
        metafunc.parametrize("empty_store", ("sqlite", "postgres"), indirect=True)


@pytest.fixture
async def empty_store(
    request: pytest.FixtureRequest, tmp_path: Path, signing_key: SigningKey
) -> AsyncIterator[KeyStore]:
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path}/keys.db"
        if getattr(request, "param", "sqlite") == "postgres":
            url = await stack.enter_async_context(fresh_database())
        store = open_store(url, audit_key=lambda: signing_key, create=True)
        stack.push_async_callback(store.close)
        yield store


@pytest.fixture
async def office(empty_store: KeyStore, issuer: KeyIssuer, clock: Clock, signing_key: SigningKey) -> Office:
    async def furnish(rows: Transaction) -> None:
        await rows.put_signing_key(
            SigningKeyRecord(signing_key.char, signing_key.fingerprint, SigningKeyState.ACTIVE, START)
        )
        await rows.put_team(Team("a", "Team A", "enterprise", START))
        await rows.put_team(Team("b", "Team B", "enterprise", START))

    await empty_store.change(furnish)
    return Office(empty_store, issuer, clock, signing_key)
