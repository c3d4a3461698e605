"""What one state of a key admitted or denied last, beside other threads and other days."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as datetime_time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from keyfob.gate.known_key import Entry
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.keys.format import KEY_CHAR_AT
from tests.keyfob.conftest import ask
from tests.keyfob.gate.test_attributes import KEY, entry

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


def test_what_an_older_state_admitted_says_nothing_about_a_newer_one() -> None:
    """If another thread merges a change while a request is judged, the next such request is judged again."""
    known, usage = entry(), Usage(Stats())
    last = known.last
    known.describe(KEY, key_char="a", suspended=False, as_of=2)

    usage.note_admitted(known.key_id, 1.0, "192.0.2.1", "GET /a", keeper=last)

    assert last.cell.repeats("GET /a", "192.0.2.1", 2.0)
    assert not known.last.cell.repeats("GET /a", "192.0.2.1", 2.0)


def test_what_a_dead_key_was_denied_is_never_taken_for_admitted() -> None:
    """A key that is enabled again while its denial is counted is judged by what it is then."""
    known, usage = entry(disabled_at=datetime(2026, 1, 1, tzinfo=UTC)), Usage(Stats())
    assert known.last_denial is not None
    usage.note_denied(known.key_id, 1.0, "192.0.2.1", None, "disabled", is_use=False, keeper=known.last_denial)

    assert not known.last.cell.repeats(None, "192.0.2.1", 2.0)
    assert known.last_denial.cell.repeats(None, "192.0.2.1", 2.0)


async def test_a_key_that_is_enabled_while_it_is_denied_is_judged_by_what_it_may_then(
    here: Installation, guard: Guard
) -> None:
    """If another thread merges a change while a dead key is denied, nothing of the denial admits the next request."""
    middleware = guard()
    issued = await here.issue("members:read", disabled_at=datetime.now(UTC))
    for _ in range(2):
        assert 401 == (await ask(middleware, "/items", issued.headers)).status
    known, now = middleware.runtime.key_cache.get(issued.text.encode()), time.time()
    assert isinstance(known, Entry)
    enabled = replace(issued.record, disabled_at=None)

    looks = count()

    def merging() -> float:  # at the second look at the clock it is known that the key is dead
        if next(looks) == 1:
            known.describe(enabled, key_char=issued.text[KEY_CHAR_AT], suspended=False, as_of=known.revision)
        return now

    middleware.gate._now = merging
    assert 401 == (await ask(middleware, "/items", issued.headers)).status
    middleware.gate._now = lambda: now

    assert [403, 403] == [(await ask(middleware, "/items", issued.headers)).status for _ in range(2)]


async def test_a_request_after_midnight_is_counted_on_its_own_day(here: Installation, guard: Guard) -> None:
    """A key that goes on as before is not counted on the day that ended."""
    middleware = guard(usage_interval=3600.0)
    issued = await here.issue("items:read")
    today = datetime.now(UTC).date()
    midnight = datetime.combine(today + timedelta(days=1), datetime_time(), UTC).timestamp()
    for now in (midnight - 1, midnight - 1, midnight, midnight + 1):
        middleware.gate._now = partial(float, now)
        assert 200 == (await ask(middleware, "/items", issued.headers)).status
    await middleware.runtime.usage.flush(middleware.runtime.store)

    days = await here.store.usage(issued.record.id, today)
    assert [2, 2] == [day.admitted for day in days]
