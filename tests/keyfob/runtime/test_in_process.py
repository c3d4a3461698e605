"""The verbs of the admin API in Python: `keyfob.open` and `APIKeyMiddleware(…).management`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import keyfob
from keyfob.errors import (
    AlreadyRotated,
    ExceedsOwnPermissions,
    Forbidden,
    Invalid,
    KeyNotDisabled,
    NotFound,
    PreconditionFailed,
)
from keyfob.gate.verdict import Denied, Grant, Granted, Reason
from tests.keyfob.conftest import ask, in_force, on_both_stores

if TYPE_CHECKING:
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard


def grant_of(issued: Issued) -> Grant:
    record = issued.record
    return Grant(record.id, record.name, record.key_type, record.team, frozenset(record.permissions))


@on_both_stores
async def test_a_key_is_made_used_and_ended_without_the_admin_api(here: Installation, guard: Guard) -> None:
    """What a program makes is a key like any other: it is admitted, listed, changed, and refused once disabled."""
    app = guard(permissions=["items:read", "items:write"], rules={"GET /items": "items:read"})
    async with keyfob.open(**here.options, permissions=["items:read", "items:write"]) as kf:
        await kf.teams.create(team="acme", name="Acme", actor="billing")
        made = await kf.keys.create(team="acme", name="job", permissions=["items:read"], actor="billing")
        assert made.secret
        key, headers = made.key.id, {"Authorization": f"Bearer {made.secret}"}

        assert 200 == (await ask(app, "/items", headers)).status
        assert isinstance(await kf.keys.verify(made.secret), Granted)
        assert [key] == [view.record.id for view in (await kf.keys.list(team="acme", actor="billing")).items]
        changed = await kf.keys.update(team="acme", key=key, permissions=["items:write"], actor="billing")
        assert ("items:write",) == changed.record.permissions
        assert ["items:write"] == list((await kf.keys.get(team="acme", key=key, actor="b")).record.permissions)
        copy = await kf.keys.duplicate(team="acme", key=key, name="copy", actor="billing")
        assert "copy" == copy.key.name
        with pytest.raises(KeyNotDisabled):
            await kf.keys.delete(team="acme", key=key, actor="billing")
        assert (await kf.keys.disable(team="acme", key=key, actor="billing", wait=True)).is_immediate
        await in_force(app)
        assert 401 == (await ask(app, "/items", headers)).status
        assert Denied(Reason.DISABLED, key) == await kf.keys.verify(made.secret)
        await kf.keys.enable(team="acme", key=key, actor="billing")
        await kf.keys.disable(team="acme", key=key, actor="billing")
        await kf.keys.delete(team="acme", key=key, actor="billing")
        with pytest.raises(NotFound):
            await kf.keys.get(team="acme", key=key, actor="billing")
        assert 30 == len(await kf.keys.usage(team="acme", key=copy.key.id, actor="billing"))
        assert [] == await kf.keys.usage_by("rule", team="acme", key=copy.key.id, actor="billing")


async def test_who_acted_is_in_the_audit_log(here: Installation) -> None:
    """A program acts under its own name, which can forge no line."""
    async with keyfob.open(**here.options, permissions=["items:read"]) as kf:
        made = await kf.keys.create(team="default", name="job", permissions=["items:read"], actor="billing")
        [event] = (await kf.audit.events(key=made.key.id, by="billing", actor="audit")).items

        assert ("key.created", "billing") == (event.event.action, event.event.actor_name)
        for wrong in ("", "  ", None, 7, "a\nb"):
            with pytest.raises(Invalid):
                await kf.teams.list(actor=wrong)  # type: ignore[arg-type]


@on_both_stores
async def test_a_key_is_replaced_found_and_ended_with_a_reason(here: Installation) -> None:
    """A successor takes the key's place, both are found in a text, and the audit log has why one was ended."""
    async with keyfob.open(**here.options, permissions=["items:read"]) as kf:
        made = await kf.keys.create(team="default", name="job", permissions=["items:read"], actor="billing")
        after = await kf.keys.rotate(team="default", key=made.key.id, overlap=None, name="job 2", actor="billing")
        assert (made.key.id, "job 2") == (after.key.replaces, after.key.name)
        with pytest.raises(AlreadyRotated):
            await kf.keys.rotate(team="default", key=made.key.id, actor="billing")
        found = await kf.keys.find(f"{made.secret} {after.key.id}", actor="billing")
        assert [(made.key.id, True), (after.key.id, False)] == [
            (match.view.record.id, match.is_checked) for match in found if match.view is not None
        ]
        await kf.keys.disable(team="default", key=made.key.id, actor="billing", reason="leaked")
        await kf.keys.delete(team="default", key=made.key.id, actor="billing", reason="cleaned up")
        events = (await kf.audit.events(key=made.key.id, actor="audit")).items
        assert ["cleaned up", "leaked"] == [sealed.event.detail["reason"] for sealed in events[:2]]


@on_both_stores
async def test_many_keys_are_ended_as_one(here: Installation) -> None:
    """By name or by filter, all or none; a dry run ends none, and an empty list or filter means nothing."""
    async with keyfob.open(**here.options) as kf:
        made = [(await here.issue("items:read")).record.id for _ in range(3)]
        mistakes: list[dict[str, Any]] = [
            {},
            {"keys": []},
            {"q": ""},
            {"keys": made, "never_used": True},
            {"page_size": 1},
        ]
        for wrong in mistakes:
            with pytest.raises(Invalid):
                await kf.keys.disable_many(team="default", actor="it", **wrong)

        foreseen = await kf.keys.disable_many(team="default", actor="it", keys=made, dry_run=True)
        assert [False] * 3 == [view.record.is_disabled for view in foreseen]
        named = await kf.keys.disable_many(team="default", actor="it", keys=made[:1])
        found = await kf.keys.disable_many(team="default", actor="it", never_used=True, state="active", reason="leaked")
        assert made[:1] == [view.record.id for view in named]
        assert set(made[1:]) == {view.record.id for view in found}
        assert all(view.record.is_disabled for view in found)


@on_both_stores
async def test_what_a_change_would_have_refused_is_told(here: Installation, guard: Guard) -> None:
    """A preview counts past requests; an explanation says what became of one, or would become."""
    app, key = guard(rules={"GET /items": "items:read", "POST /items": "items:write"}), await here.issue("items:read")
    assert 200 == (await ask(app, "/items", key.headers)).status
    refused = await ask(app, "/items", key.headers, method="POST")
    await app.runtime.stop()  # which writes what was used
    rules = {"GET /items": "items:read", "POST /items": "items:write"}
    async with keyfob.open(**here.options, rules=rules, permissions=["items:read", "items:write"]) as kf:
        asked = {"team": "default", "key": key.record.id, "actor": "it"}
        assert 1 == (await kf.keys.preview(**asked, permissions=["items:write"])).refused
        assert 0 == (await kf.keys.preview(**asked, permissions=["items:read"])).refused

        found = await kf.explain(request_id=json.loads(refused.body)["request_id"], actor="it")
        would = await kf.explain(key=key.record.id, method="POST", path="/items", actor="it")
        assert (("items:write",), ("items:write",)) == (found.missing, would.missing)
        for wrong in ({}, {"key": key.record.id}, {"request_id": "0" * 16, "key": key.record.id}):
            with pytest.raises(Invalid):
                await kf.explain(actor="it", **wrong)


@on_both_stores
async def test_limits_and_quotas_are_read_and_changed(here: Installation) -> None:
    """Where they stand is what the admin API says, and what is left grows by what is added."""
    limits = {"reads": {"rate": "5/min"}}
    file = here.folder / "limits"  # which SQLite has beside the database
    async with keyfob.open(**here.options, permissions=["items:read"], limits=limits, limits_file=file) as kf:
        made = await kf.keys.create(
            team="default",
            name="job",
            permissions=["items:read"],
            limits=["reads"],
            quota={"amount": 10, "every": "day"},
            actor="it",
        )
        asked: dict[str, Any] = {"team": "default", "key": made.key.id, "actor": "it"}
        assert [5] == [standing.amount for standing in await kf.keys.limits(**asked)]
        before = (await kf.keys.quotas(**asked)).key
        await kf.keys.adjust_quota(**asked, add=5)
        after = (await kf.keys.quotas(**asked)).key
        assert before is not None
        assert after is not None
        assert (10, 15) == (before.amount, after.amount)


@on_both_stores
async def test_people_come_change_and_leave(here: Installation) -> None:
    """Somebody is invited, found, renamed, given another role, and offboarded, as over the admin API."""
    async with keyfob.open(**here.options) as kf:
        for wrong in ({}, {"email": "a@example.com", "person": "0" * 16}, {"person": "0" * 16, "name": "Ana"}):
            with pytest.raises(Invalid):
                await kf.people.invite(team="default", role="member", actor="it", **wrong)
        ana = await kf.people.invite(team="default", role="member", email="ana@example.com", name="Ana", actor="it")
        assert ana.token
        again = await kf.people.invite(team="default", role="member", person=ana.person.id, actor="it")
        assert again.token not in {None, ana.token}
        await kf.people.update(person=ana.person.id, name="Ana B", actor="it")
        await kf.people.set_role(team="default", person=ana.person.id, role="team_admin", actor="it")
        (found,) = (await kf.people.list(q="ana", actor="it")).items
        assert ("Ana B", ["team_admin"]) == (found.name, [one.role for one in found.memberships])
        assert found.id == (await kf.people.get(person=found.id, actor="it")).id
        await kf.people.remove(team="default", person=found.id, actor="it")
        assert () == (await kf.people.get(person=found.id, actor="it")).memberships
        assert [] == list((await kf.people.offboard(person=found.id, keys="keep", dry_run=True, actor="it")).keys)
        assert not (await kf.people.get(person=found.id, actor="it")).has_left
        await kf.people.offboard(person=found.id, keys="keep", actor="it")
        assert (await kf.people.get(person=found.id, actor="it")).has_left
        assert "member" in kf.people.roles


async def test_a_key_is_made_for_its_owner(here: Installation) -> None:
    """The owner is named as for a change, or by the id alone; what names nobody is a mistake, and no outage."""
    async with keyfob.open(**here.options, permissions=["items:read"]) as kf:
        ana = (await kf.people.invite(team="default", role="member", email="ana@example.com", actor="it")).person.id
        wanted: dict[str, Any] = {"team": "default", "name": "a", "permissions": ["items:read"], "actor": "it"}
        for owner, expected in ((ana, ana), ({"person": ana}, ana), ("team", None), (None, None)):
            assert expected == (await kf.keys.create(**wanted, owner=owner)).key.owner_id
        for wrong in ({"person": "0" * 16}, {"id": ana}, [ana], 5, ""):
            with pytest.raises(Invalid, match="/owner"):
                await kf.keys.create(**wanted, owner=wrong)


async def test_a_grant_may_do_what_its_key_may(here: Installation) -> None:
    """The holder of an admin key is held to its own team and permissions, as at the admin API."""
    admin = await here.issue("keys:write", "keys:read", "items:read", key_type="admin")
    async with keyfob.open(**here.options, permissions=["items:read", "items:write"]) as kf:
        await kf.teams.create(team="acme", actor="setup")
        made = await kf.keys.create(team="default", name="a", permissions=["items:read"], actor=grant_of(admin))
        assert ("key", admin.record.id) == (made.key.created_by.kind, made.key.created_by.id)
        with pytest.raises(NotFound):
            await kf.keys.create(team="acme", name="a", permissions=["items:read"], actor=grant_of(admin))
        with pytest.raises(ExceedsOwnPermissions):
            await kf.keys.create(team="default", name="a", permissions=["items:write"], actor=grant_of(admin))
        await here.disable(admin)
        with pytest.raises(Forbidden):
            await kf.keys.create(team="default", name="a", permissions=["items:read"], actor=grant_of(admin))


async def test_a_key_of_another_type_administers_nothing(here: Installation) -> None:
    """Whatever permissions a key holds that is no admin key, it can't make one."""
    issued = await here.issue("*")
    async with keyfob.open(**here.options) as kf:
        with pytest.raises(Forbidden):
            await kf.keys.list(actor=grant_of(issued))


async def test_a_field_that_there_is_not_is_named(here: Installation) -> None:
    """A misspelt field is a mistake, as it is in the admin API."""
    async with keyfob.open(**here.options, permissions=["a:b"]) as kf:
        with pytest.raises(Invalid, match="expires_at"):
            await kf.keys.create(team="default", name="a", permissions=["a:b"], actor="x", expire_at=None)
        with pytest.raises(Invalid, match="/permissions: This must be a list"):
            await kf.keys.create(team="default", name="a", permissions="a:b", actor="x")
        made = await kf.keys.create(team="default", name="a", type="computer", actor="x")
        assert "computer" == made.key.key_type
        with pytest.raises(PreconditionFailed):
            await kf.keys.update(team="default", key=made.key.id, name="b", if_match=0, actor="x")


async def test_an_application_manages_the_keys_that_it_takes(guard: Guard) -> None:
    """`management` of a middleware works before its first request, and what it changes is in force with it."""
    app = guard()
    made = await app.management.keys.create(team="default", name="a", permissions=["items:read"], actor="shop")
    headers = {"Authorization": f"Bearer {made.secret}"}

    assert 200 == (await ask(app, "/items", headers)).status
    await app.management.keys.disable(team="default", key=made.key.id, actor="shop")
    assert 401 == (await ask(app, "/items", headers)).status


def test_importing_keyfob_stays_small() -> None:
    """`import keyfob` loads nothing that only the admin side needs, and `import *` leaves the builtin open alone."""
    code = (
        "import sys; from keyfob import *; import keyfob; import builtins; assert open is builtins.open;"
        "assert keyfob.open is not open; print(*sorted({'jinja2', 'click', 'uvicorn', 'msgspec'} & {*sys.modules}))"
    )

    assert "\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
