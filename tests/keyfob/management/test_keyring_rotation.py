"""The keyring's states in the database, and the first moment of an installation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import AlreadyInstalled, Forbidden, Invalid, NotFound
from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keyring.states import SigningKeyState
from keyfob.keys.record import Team
from keyfob.management.bootstrap import bootstrap
from keyfob.management.keyring_rotation import KeyringRotation
from keyfob.store.contract.key_store import EventQuery
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.management.key_issuer import KeyIssuer
    from keyfob.store.contract.key_store import KeyStore
    from tests.keyfob.management.conftest import Clock, Office


@pytest.fixture
def keyrings(office: Office, fresh: SigningKey) -> KeyringRotation:
    entries = {entry.char: entry for entry in (office.signing_key, fresh)}
    return KeyringRotation(office.store, office.clock, lambda: entries)


@pytest.fixture
def fresh(office: Office) -> SigningKey:
    return Keyring.of([office.signing_key]).added(START).entries["b"]


async def states(keyrings: KeyringRotation) -> dict[str, str]:
    return {mark.char: str(mark.state) for mark in await keyrings.marks()}


async def test_a_new_entry_mints_once_it_is_activated(
    office: Office, keyrings: KeyringRotation, fresh: SigningKey
) -> None:
    """Adding is only told; activating makes it the newest active one, in one revision."""
    before = await office.revision()
    await keyrings.added(fresh, actor=ROOT)
    added = await states(keyrings)
    office.clock.pass_time(minutes=1)

    mark = await keyrings.activate(fresh, actor=ROOT)

    assert {"a": "active"} == added
    assert mark == (await keyrings.marks())[-1]
    assert (fresh.char, fresh.fingerprint) == (mark.char, mark.fingerprint)
    assert before + 1 == await office.revision()
    assert ["keyring.added", "keyring.activated"] == [event.action for event in await office.events()]


@pytest.mark.parametrize("clock_moves", [timedelta(), timedelta(days=-1)])
async def test_the_entry_activated_last_is_the_newest(
    office: Office, keyrings: KeyringRotation, fresh: SigningKey, clock_moves: timedelta
) -> None:
    """Also when the clock stood still or went back; and activating an older one again makes that one the newest."""
    office.clock.now += clock_moves

    await keyrings.activate(fresh, actor=ROOT)
    assert ["a", "b"] == [mark.char for mark in await keyrings.marks()]
    await keyrings.activate(office.signing_key, actor=ROOT)

    assert ["b", "a"] == [mark.char for mark in await keyrings.marks()]


async def test_activating_what_mints_already_changes_nothing(office: Office, keyrings: KeyringRotation) -> None:
    """Neither revision nor event."""
    before = await office.revision()

    await keyrings.activate(office.signing_key, actor=ROOT)

    assert (before, []) == (await office.revision(), await office.events())


async def test_another_key_under_a_known_character_is_refused(keyrings: KeyringRotation) -> None:
    """A worker with a keyring of its own must not issue what nobody else can check."""
    stranger = Keyring.new(START).newest

    with pytest.raises(Invalid, match="copy the right keyring"):
        await keyrings.activate(stranger, actor=ROOT)
    with pytest.raises(Invalid, match="used before"):
        await keyrings.added(stranger, actor=ROOT)


@pytest.mark.parametrize("end", ["retire", "lost"])
async def test_the_only_active_entry_stays(office: Office, keyrings: KeyringRotation, end: str) -> None:
    """Without it no key could be made; the refusal says what to do first."""
    with pytest.raises(Invalid, match=r"keyfob keyring add.*keyfob keyring activate"):
        await getattr(keyrings, end)("a", actor=ROOT)

    assert {"a": "active"} == await states(keyrings)
    assert [] == await office.events()


@pytest.mark.parametrize("end", ["retire", "lost"])
async def test_an_older_entry_can_end(office: Office, keyrings: KeyringRotation, fresh: SigningKey, end: str) -> None:
    """Retired or lost in one revision, told once, and again changes nothing."""
    await keyrings.activate(fresh, actor=ROOT)
    before = await office.revision()

    mark = await getattr(keyrings, end)("a", actor=ROOT)
    again = await getattr(keyrings, end)("a", actor=ROOT)

    assert mark == again
    assert SigningKeyState("retired" if end == "retire" else "lost") is mark.state
    assert before + 1 == await office.revision()
    assert f"keyring.{mark.state}" == (await office.events())[-1].action


async def test_what_was_retired_comes_back_in_no_way(
    office: Office, keyrings: KeyringRotation, fresh: SigningKey
) -> None:
    """Neither lost, which would let its keys pass again, nor active, nor under its character anew."""
    await keyrings.activate(fresh, actor=ROOT)
    await keyrings.retire("a", actor=ROOT)

    with pytest.raises(Invalid):
        await keyrings.lost("a", actor=ROOT)
    with pytest.raises(Invalid):
        await keyrings.activate(office.signing_key, actor=ROOT)
    with pytest.raises(Invalid):
        await keyrings.added(office.signing_key, actor=ROOT)

    assert {"a": "retired", "b": "active"} == await states(keyrings)


async def test_a_lost_entry_can_be_retired(keyrings: KeyringRotation, fresh: SigningKey) -> None:
    """Once its keys are replaced, they can be refused."""
    await keyrings.activate(fresh, actor=ROOT)
    await keyrings.lost("a", actor=ROOT)

    assert SigningKeyState.RETIRED is (await keyrings.retire("a", actor=ROOT)).state


async def test_an_unknown_character_is_not_found(keyrings: KeyringRotation) -> None:
    """There is nothing to retire or lose."""
    with pytest.raises(NotFound):
        await keyrings.retire("z", actor=ROOT)
    with pytest.raises(NotFound):
        await keyrings.lost("z", actor=ROOT)


async def test_only_who_may_do_everything_touches_the_keyring(
    office: Office, keyrings: KeyringRotation, fresh: SigningKey
) -> None:
    """It is every team's."""
    steward = await office.admin("teams:write", "keys:write", "keys:delete")

    with pytest.raises(Forbidden):
        await keyrings.activate(fresh, actor=steward)


async def first(store: KeyStore, issuer: KeyIssuer, entry: SigningKey, clock: Clock, team: str = "default") -> str:
    made = await bootstrap(store, issuer, entry, now=clock, team_id=team)
    return made.secret or ""


async def test_aa_15_an_installation_begins_with_one_admin_key(
    empty_store: KeyStore, issuer: KeyIssuer, signing_key: SigningKey, clock: Clock
) -> None:
    """The database has no key by default; bootstrap makes the team, the key that holds everything, and says so."""
    made = await bootstrap(empty_store, issuer, signing_key, now=clock, admin_name="Ada")

    record = made.view.record
    assert ("Ada", "admin", "default", ("*",)) == (record.name, record.key_type, record.team, record.permissions)
    assert "system" == record.created_by.kind
    assert (made.secret or "").startswith(f"kf_admin_{record.id}_")
    assert made.view == await empty_store.view(record.id)
    assert ["enterprise"] == [team.plan for team in await empty_store.teams()]
    assert [("a", SigningKeyState.ACTIVE)] == [
        (mark.char, mark.state) for mark in (await empty_store.changes(None)).keyring
    ]
    events = await empty_store.events(EventQuery(oldest_first=True))
    assert ["installation.created", "keyring.activated", "team.created", "key.created"] == [
        chained.event.action for chained in events
    ]


async def test_aa_15_bootstrap_twice_is_refused(
    empty_store: KeyStore, issuer: KeyIssuer, signing_key: SigningKey, clock: Clock
) -> None:
    """Also for another team, and the second changes nothing."""
    await first(empty_store, issuer, signing_key, clock)
    before = (await empty_store.changes(None)).revision

    for team in ("default", "other"):
        with pytest.raises(AlreadyInstalled):
            await first(empty_store, issuer, signing_key, clock, team)

    assert before == (await empty_store.changes(None)).revision


async def test_aa_15_of_two_bootstraps_at_once_one_wins(
    empty_store: KeyStore, issuer: KeyIssuer, signing_key: SigningKey, clock: Clock
) -> None:
    """Even for different teams there is one first key."""
    answers = await asyncio.gather(
        *(first(empty_store, issuer, signing_key, clock, team) for team in ("x", "y", "z")), return_exceptions=True
    )

    assert 2 == sum(isinstance(answer, AlreadyInstalled) for answer in answers)
    assert 1 == len(await empty_store.teams())


@pytest.mark.parametrize(("team", "name", "pointer"), [("No Slug", "x", "/team"), ("x", "", "/admin")])
async def test_bootstrap_points_at_what_is_wrong(
    empty_store: KeyStore, issuer: KeyIssuer, signing_key: SigningKey, clock: Clock, team: str, name: str, pointer: str
) -> None:
    """And leaves the database empty."""
    with pytest.raises(Invalid) as refusal:
        await bootstrap(empty_store, issuer, signing_key, now=clock, team_id=team, admin_name=name)

    assert [pointer] == [at for at, _ in refusal.value.errors]
    assert [] == await empty_store.teams()


async def test_aa_15_a_database_with_teams_is_not_begun_anew(
    empty_store: KeyStore, issuer: KeyIssuer, signing_key: SigningKey, clock: Clock
) -> None:
    """Even if it knows no signing key: a new root key would rule over teams that are there."""
    await empty_store.change(lambda rows: rows.put_team(Team("old", "Old", "enterprise", START)))

    with pytest.raises(AlreadyInstalled):
        await first(empty_store, issuer, signing_key, clock)
