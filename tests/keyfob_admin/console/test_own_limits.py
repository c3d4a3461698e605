"""A key's own limits in the forms that make and change it: who sees them, and how far they may go."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.store.contract.key_store import KeyQuery
from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, installed, running, words
from tests.keyfob_admin.console.people import beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keyfob.keys.record import KeyRecord
    from keyfob.runtime.runtime import Runtime

LIMITS = {"standard": {"rate": ["100/min", "5000/day"]}, "slow": {"rate": "10/min"}, "wide": {"rate": "1000/h"}}
PLAN = {"enterprise": {"limits": ["standard"], "key_types": ["api", "computer", "scim"]}}
FORM = {"name": "worker", "permission": "items:read", "expires": "never", "has_limits": "yes"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveConsole]:
    """A console whose configuration has limits."""
    installation = asyncio.run(installed(tmp_path, limits=LIMITS, plans=PLAN))
    with running(installation) as url:
        yield LiveConsole(url, installation)


@contextmanager
def signed_in(live: LiveConsole, *permissions: str) -> Iterator[Visitor]:
    """Somebody with an admin key that holds *permissions*."""
    _, secret = live.make("someone", key_type="admin", permissions=permissions)
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        yield visitor


def record_of(live: LiveConsole, key_id: str) -> KeyRecord:
    """The key as it is now."""

    async def read(runtime: Runtime) -> KeyRecord:
        found = await runtime.store.view(key_id)
        assert found is not None
        return found.record

    return beside(live, read)


def test_limits_are_set_with_the_key_and_changed_later(visitor: Visitor, live: LiveConsole) -> None:
    """The form names each limit with its rates; ticks take the place of the plan's, and none means the plan's again."""
    form = words(visitor.get("/keys/new?type=api").text)
    assert "Without a tick, those of the plan apply: standard. standard 100 a minute, 5,000 a day slow 10 a" in form
    assert "wide 1,000 an hour" in form
    made = visitor.send_form("/keys/new?type=api", **FORM, limit=["slow", "wide"])
    assert 201 == made.status_code

    async def only(runtime: Runtime) -> KeyRecord:
        (found,) = [
            one for one in await runtime.store.views(KeyQuery(TEAM, runtime.now())) if one.record.name == "worker"
        ]
        return found.record

    key = beside(live, only)
    assert ("slow", "wide") == key.limits
    path = f"/keys/{key.id}/edit"
    assert 'name="limit" value="slow" checked' in visitor.get(path).text
    assert 303 == visitor.send_form(path, **FORM, limit=["slow"]).status_code
    assert ("slow",) == record_of(live, key.id).limits
    assert 303 == visitor.send_form(path, **FORM).status_code
    assert () == record_of(live, key.id).limits


def test_whoever_lacks_everything_may_only_lower(live: LiveConsole) -> None:
    """Without ``*`` a lower limit is saved, a higher one refused in words, and limits cannot be raised for a day."""
    key, _ = live.make("worker")
    path = f"/keys/{key.id}/edit"
    with signed_in(live, "keys:*", "limits:write", "items:read") as visitor:
        assert "Raise limits" not in visitor.get(path).text
        assert 303 == visitor.send_form(path, **FORM, limit=["standard", "slow"]).status_code
        refused = visitor.send_form(path, **FORM, limit=["wide"])
        assert 403 == refused.status_code
        assert "Only whoever holds * may raise limits; you may lower them" in words(refused.text)
        assert 403 == visitor.send_form(path, **FORM, limit=["standard", "slow"], raised="10").status_code
    assert ("standard", "slow") == record_of(live, key.id).limits


def test_limits_are_raised_for_a_day(visitor: Visitor, live: LiveConsole) -> None:
    """A factor counts for 24 hours, stays while it is kept, and is taken back."""
    key, _ = live.make("worker")
    path = f"/keys/{key.id}/edit"
    assert "Raise limits Not raised 2 times as much, for 24 hours" in words(visitor.get(path).text)
    visitor.send_form(path, **FORM, raised="5")
    raised = record_of(live, key.id).limits_raised
    assert raised is not None
    assert 5.0 == raised.factor
    assert "5 times as much, until" in words(visitor.get(path).text)
    visitor.send_form(path, **FORM, raised="keep")
    assert raised == record_of(live, key.id).limits_raised
    assert raised.until - key.created_at >= timedelta(hours=24)
    visitor.send_form(path, **FORM, raised="")
    assert record_of(live, key.id).limits_raised is None
    visitor.send_form(path, **FORM, limit="slow", raised="")
    history = words(visitor.get(f"/keys/{key.id}/activity").text)
    assert "Changed limits: slow" in history
    assert "Changed limits not raised any more" in history
    assert "Changed limits 5 times as high until" in history


def test_without_the_permission_the_form_has_no_limits(live: LiveConsole) -> None:
    """Whoever lacks limits:write neither sees nor changes them, with a form of their own making either."""
    key, _ = live.make("worker")
    with signed_in(live, "keys:*", "items:read") as visitor:
        assert "Limits (optional)" not in visitor.get(f"/keys/{key.id}/edit").text
        assert 403 == visitor.send_form(f"/keys/{key.id}/edit", **FORM, limit=["slow"]).status_code
    assert () == record_of(live, key.id).limits
