"""Teams and their plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, Invalid, NotFound, TeamExists, TeamInUse
from keyfob.keys.record import State, Team
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office


async def test_a_team_made_without_a_plan_is_enterprise(office: Office) -> None:
    """And its name is its id."""
    team = await office.teams.create("c-1", actor=ROOT)

    assert Team("c-1", "c-1", "enterprise", START) == team
    assert team == await office.teams.get("c-1", actor=ROOT)


@pytest.mark.parametrize("taken", ["a", "b"])
async def test_an_id_is_taken_once(office: Office, taken: str) -> None:
    """A second team of that id is refused and the first stays as it was."""
    with pytest.raises(TeamExists):
        await office.teams.create(taken, "Other", "teams", actor=ROOT)

    assert "enterprise" == (await office.teams.get(taken, actor=ROOT)).plan


@pytest.mark.parametrize(
    ("team_id", "name", "plan", "pointer"),
    [
        ("", "x", None, "/id"),
        ("-a", "x", None, "/id"),
        ("A", "x", None, "/id"),
        ("a/b", "x", None, "/id"),
        ("a\n", "x", None, "/id"),
        ("x" * 64, "x", None, "/id"),
        ("c", "", None, "/name"),
        ("c", "x", "gold", "/plan"),
        ("c", "x", "", "/plan"),
    ],
)
async def test_a_wrong_team_is_not_made(
    office: Office, team_id: str, name: str, plan: str | None, pointer: str
) -> None:
    """The id is a slug, the name can be seen, and the plan is known."""
    with pytest.raises(Invalid) as refusal:
        await office.teams.create(team_id, name, plan, actor=ROOT)

    assert [pointer] == [at for at, _ in refusal.value.errors]


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [({"id": "c"}, "/id"), ({"plan": None}, "/plan"), ({"plan": "gold"}, "/plan"), ({"name": None}, "/name")],
)
async def test_a_wrong_patch_of_a_team_changes_nothing(office: Office, patch: dict[str, object], pointer: str) -> None:
    """The id can't be changed, and nothing of a team can be empty."""
    with pytest.raises(Invalid) as refusal:
        await office.teams.update("a", {"name": "New", **patch}, actor=ROOT)

    assert [pointer] == [at for at, _ in refusal.value.errors]
    assert "Team A" == (await office.teams.get("a", actor=ROOT)).name


async def test_a_plan_change_stamps_every_key_of_the_team(office: Office) -> None:
    """All live keys carry the new plan under one revision, so that every worker reads them again; others don't."""
    keys = [(await office.key()).view.record, (await office.key(key_type="computer", permissions=None)).view.record]
    gone = (await office.key()).view.record
    await office.keys.disable("a", gone.id, actor=ROOT)
    await office.keys.delete("a", gone.id, actor=ROOT)
    await office.key("b")
    before = await office.revision()

    await office.teams.update("a", {"plan": "teams"}, actor=ROOT)

    changes = await office.store.changes(before)
    assert before + 1 == changes.revision
    assert {key.id: "teams" for key in keys} == {record.id: record.plan for record in changes.records}


async def test_a_lowered_plan_suspends_and_a_raised_one_restores(office: Office) -> None:
    """Keys of types that the plan lacks are kept; disabled is shown before suspended; admin keys never suspend."""
    api = (await office.key()).view.record
    off = (await office.key()).view.record
    computer = (await office.key(key_type="computer", permissions=None)).view.record
    admin = (await office.key(key_type="admin")).view.record
    await office.keys.disable("a", off.id, actor=ROOT)

    async def states() -> list[State]:
        ids = [api.id, off.id, computer.id, admin.id]
        return [office.keys.state((await office.keys.get("a", key_id, actor=ROOT)).record) for key_id in ids]

    await office.teams.update("a", {"plan": "teams"}, actor=ROOT)
    lowered = await states()
    await office.teams.update("a", {"plan": "enterprise"}, actor=ROOT)

    assert [State.SUSPENDED, State.DISABLED, State.ACTIVE, State.ACTIVE] == lowered
    assert [State.ACTIVE, State.DISABLED, State.ACTIVE, State.ACTIVE] == await states()


async def test_an_update_without_a_change_bumps_nothing(office: Office) -> None:
    """Neither a revision nor an event."""
    revision, events = await office.revision(), len(await office.events())

    await office.teams.update("a", {"name": "Team A", "plan": "enterprise"}, actor=ROOT)

    assert (revision, events) == (await office.revision(), len(await office.events()))


async def test_what_happens_to_teams_is_told(office: Office) -> None:
    """A new team, a new name and a new plan are events of their own."""
    await office.teams.create("c", actor=ROOT)
    await office.teams.update("c", {"name": "C", "plan": "teams"}, actor=ROOT)

    told = [(event.action, event.team, event.detail) for event in await office.events()]
    assert [
        ("team.created", "c", {"name": "c", "plan": "enterprise", "after": {"plan": "enterprise"}}),
        ("team.plan_changed", "c", {"plan": {"from": "enterprise", "to": "teams"}, "after": {"plan": "teams"}}),
        ("team.updated", "c", {"name": {"from": "c", "to": "C"}, "after": {"plan": "teams"}}),
    ] == told


async def test_aa_08_a_team_sees_itself_alone(office: Office) -> None:
    """With teams:read one's own team is there, and others are as if they had never been."""
    reader = await office.admin("teams:read")

    assert ["a"] == [team.id for team in await office.teams.list(actor=reader)]
    assert "a" == (await office.teams.get("a", actor=reader)).id
    for team in ("b", "nowhere", "", "\ud800"):
        with pytest.raises(NotFound, match=r"^there is no such team$"):
            await office.teams.get(team, actor=reader)


async def test_who_may_write_teams_sees_them_all(office: Office) -> None:
    """teams:write opens every team, for reading with teams:read beside it."""
    steward = await office.admin("teams:read", "teams:write")

    assert ["a", "b"] == [team.id for team in await office.teams.list(actor=steward)]
    assert "teams" == (await office.teams.update("b", {"plan": "teams"}, actor=steward)).plan
    for patch in ({"name": "x"}, {"nonsense": 1}):
        with pytest.raises(NotFound):
            await office.teams.update("nowhere", patch, actor=steward)


async def test_teams_ask_for_their_permissions(office: Office) -> None:
    """Reading needs teams:read, changing needs teams:write; that is said before whether the team is there."""
    nobody, reader, writer = await office.admin(), await office.admin("teams:read"), await office.admin("teams:write")

    for reading in (office.teams.list(actor=nobody), office.teams.get("nowhere", actor=writer)):
        with pytest.raises(Forbidden) as refusal:
            await reading
        assert "teams:read" == refusal.value.needed
    for writing in (office.teams.create("c", actor=reader), office.teams.update("nowhere", {}, actor=reader)):
        with pytest.raises(Forbidden) as refusal:
            await writing
        assert "teams:write" == refusal.value.needed


@pytest.mark.both_engines
async def test_a_team_without_keys_and_people_is_deleted(office: Office) -> None:
    """It is shown no more and takes no key, its deleted keys stay, the log says so, and its id is not given again."""
    gone = await office.key("b")
    await office.keys.disable("b", gone.view.record.id, actor=ROOT)
    await office.keys.delete("b", gone.view.record.id, actor=ROOT)
    await office.teams.delete("b", actor=ROOT)

    assert ["a"] == [team.id for team in await office.teams.list(actor=ROOT)]
    for refused in (
        office.teams.get("b", actor=ROOT),
        office.teams.update("b", {"name": "B"}, actor=ROOT),
        office.teams.delete("b", actor=ROOT),
        office.key("b"),
        office.people.invite("ben@example.com", team="b", role="member", actor=ROOT),
    ):
        with pytest.raises(NotFound):
            await refused
    with pytest.raises(TeamExists, match="not given again"):
        await office.teams.create("b", actor=ROOT)
    tombstone = (await office.store.find(gone.view.record.id)).record
    assert tombstone is not None
    assert tombstone.is_deleted
    assert ("team.deleted", "b") == ((last := (await office.events())[-1]).action, last.team)


@pytest.mark.both_engines
async def test_a_team_with_keys_or_people_is_not_deleted(office: Office) -> None:
    """A disabled key counts, since it may be enabled again; whoever has a role in the team keeps it."""
    key = await office.key("b")
    await office.keys.disable("b", key.view.record.id, actor=ROOT)
    with pytest.raises(TeamInUse, match="1 key and 0 people"):
        await office.teams.delete("b", actor=ROOT)
    await office.keys.delete("b", key.view.record.id, actor=ROOT)
    await office.person("ben@example.com", "member", team="b")
    with pytest.raises(TeamInUse, match="0 keys and 1 person"):
        await office.teams.delete("b", actor=ROOT)

    assert "b" == (await office.teams.get("b", actor=ROOT)).id
    with pytest.raises(Forbidden):
        await office.teams.delete("b", actor=await office.admin("teams:read"))
