"""The verbs of the admin API in Python: `keyfob.open` and `APIKeyMiddleware(…).management`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

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
