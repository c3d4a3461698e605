"""Who may read what of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, Invalid
from keyfob.management.audit.audit_log import AuditLog, EventSearch
from tests.keyfob.management.conftest import ROOT

if TYPE_CHECKING:
    from keyfob.management.actor import Actor
    from tests.keyfob.management.conftest import Office


async def read(office: Office, search: EventSearch, actor: Actor = ROOT) -> list[tuple[str, str | None]]:
    page = await AuditLog(office.store).events(search, actor=actor)
    return [(chained.event.action, chained.event.team) for chained in page.items]


async def test_the_newest_event_comes_first(office: Office) -> None:
    """As the pages put together say, and the stream."""
    key = (await office.key()).view.record
    await office.keys.disable("a", key.id, actor=ROOT)
    await office.keys.delete("a", key.id, actor=ROOT)
    log = AuditLog(office.store)

    first = await log.events(EventSearch(page_size=2), actor=ROOT)
    rest = await log.events(EventSearch(page_size=2, page_token=first.next_token), actor=ROOT)
    streamed = [chained async for chained in log.stream(EventSearch(), actor=ROOT)]

    assert [3, 2, 1] == [chained.seq for chained in first.items + rest.items]
    assert rest.next_token is None
    assert streamed == [*first.items, *rest.items]


async def test_a_page_that_is_just_full_is_the_last(office: Office) -> None:
    """No token leads to an empty page."""
    await office.key()
    await office.key()

    assert (await AuditLog(office.store).events(EventSearch(page_size=2), actor=ROOT)).next_token is None


async def test_aa_08_a_team_reads_its_own_events_alone(office: Office) -> None:
    """Another team's events, and those of no team, are not there; naming the team does not help."""
    await office.key("a")
    await office.key("b")
    reader = await office.admin("audit:read")

    assert [("key.created", "a"), ("key.created", "a")] == await read(office, EventSearch(), reader)
    assert [] == await read(office, EventSearch(team="b"), reader)
    assert [] == [event async for event in AuditLog(office.store).stream(EventSearch(team="b"), actor=reader)]
    assert [("key.created", "b")] == await read(office, EventSearch(team="b"))
    assert [("key.created", "b")] == await read(
        office, EventSearch(team="b"), await office.admin("audit:read", "teams:write")
    )


async def test_events_can_be_searched(office: Office) -> None:
    """By key in either form, by who did it (id or name), by action and by time; all must hold."""
    doer = await office.admin("keys:write", "items:read")
    key = (await office.key()).view.record
    office.clock.pass_time(hours=1)
    await office.keys.disable("a", key.id, actor=doer)
    disabled = [("key.disabled", "a")]

    assert disabled == await read(office, EventSearch(actor=doer.id))
    assert disabled == await read(office, EventSearch(actor="Admin"))
    assert disabled == await read(office, EventSearch(action="key.disabled"))
    assert disabled == await read(office, EventSearch(since="2026-03-01T12:30:00Z"))
    assert [*disabled, ("key.created", "a")] == await read(office, EventSearch(key=f"kf_api_{key.id}"))
    assert [] == await read(office, EventSearch(key=key.id, actor="operator", action="key.disabled"))


async def test_reading_the_log_needs_audit_read(office: Office) -> None:
    """For pages and for the stream, which says so before its first event."""
    nobody = await office.admin("keys:read", "teams:read")

    with pytest.raises(Forbidden):
        await read(office, EventSearch(), nobody)
    with pytest.raises(Forbidden):
        AuditLog(office.store).stream(EventSearch(), actor=nobody)


@pytest.mark.parametrize(
    ("search", "pointer"),
    [
        (EventSearch(action="key.eaten"), "/action"),
        (EventSearch(key="no id"), "/key"),
        (EventSearch(since="soon"), "/since"),
        (EventSearch(page_size=1001), "/page_size"),
        (EventSearch(page_token="x"), "/page_token"),
        (EventSearch(actor="\0"), "/actor"),
        (EventSearch(team="\ud800"), "/team"),
    ],
)
async def test_a_bad_query_names_its_parameter(office: Office, search: EventSearch, pointer: str) -> None:
    """As for keys."""
    with pytest.raises(Invalid) as refusal:
        await read(office, search)

    assert [pointer] == [at for at, _ in refusal.value.errors]
