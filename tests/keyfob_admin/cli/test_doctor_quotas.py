"""What `keyfob doctor` says of quotas."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.keys.quota import Every, period_of
from keyfob.store.contract.quotas import Batch, CountedPeriod, Settlement
from keyfob_admin.cli.context import open_context
from keyfob_admin.cli.times import now
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

PLAN = """
[plans.enterprise]
quota = { amount = 100, every = "month" }
team_quota = { amount = 500, every = "month" }
"""
QUIET_SINCE = 120  # seconds; longer than any worker that runs is quiet with something in its hands


@pytest.fixture
def key_id(home: Home) -> str:
    """A key of an installation with quotas."""
    home.configure(lambda text: text + PLAN)
    return home.make("CI", "--permission", "items:read")[0]


def use(home: Home, subject: str, used: int, *, leased: int = 0, ago: int = QUIET_SINCE) -> None:
    """Lease and use something of a quota, as a worker does that was killed *ago* seconds ago."""
    at = int(now().timestamp())
    counted = CountedPeriod(subject, *period_of(Every.MONTH, at))

    async def work() -> None:
        async with open_context(load_settings(home.folder / "keyfob.toml", environ={})) as context:
            table, whole = context.store.quotas, used + leased
            await table.lease(counted, amount=whole, least=whole, most=whole)
            await table.settle(Batch(subject, 1, [Settlement(counted, used, 0)], at - ago))

    asyncio.run(work())


def said() -> list[tuple[str, str, str]]:
    """Level, detail and fix of what doctor finds about quotas, without times."""
    found = [one for one in typed("doctor", "--json").data["findings"] if one["what"] == "quotas"]
    return [
        (one["level"], *(re.sub(r"until \d\S+", "until T", one[name]) for name in ("detail", "fix"))) for one in found
    ]


def test_without_quotas_nothing_is_said(home: Home) -> None:
    """What is not used is not looked at."""
    home.make("CI", "--permission", "items:read")

    assert [] == said()


def test_quotas_in_use_are_counted(home: Home, key_id: str) -> None:
    """Nothing is wrong with a key that has some left; its team has a quota, too."""
    use(home, f"key/{key_id}", 99)

    assert [("ok", "2 of keys and teams, 1 of them used in the present period", "")] == said()


def test_what_is_used_up_is_named(home: Home, key_id: str) -> None:
    """Whose it is, until when, and how there is more; once there is more, nothing is said."""
    use(home, f"key/{key_id}", 100)
    use(home, "team/default", 500)

    key, team, _ = said()

    more = f"`keyfob keys limits {key_id} --add-quota N` gives it more until then"
    assert ("warn", f"kf_api_{key_id} has used up quota-month (100), and is refused until T", more) == key
    more = "a larger team_quota in [plans.enterprise] gives it more"
    assert ("warn", "team default has used up quota-month-team (500), and is refused until T", more) == team
    typed("keys", "limits", key_id, "--add-quota", "1")
    assert ["warn", "ok"] == [level for level, *_ in said()]


def test_what_killed_workers_held_is_named(home: Home, key_id: str) -> None:
    """Only once no worker has reported for a while: those that run give back what they do not use."""
    use(home, f"key/{key_id}", 10, leased=3)
    held = said()[0]
    use(home, "team/default", 1, ago=-3600)

    assert ("warn", f"kf_api_{key_id}: 3 of quota-month (100) are held by workers that are gone") == held[:2]
    assert held[2].startswith("nothing, if they were killed: it is lost until T")
    assert ["ok"] == [level for level, *_ in said()]


def test_quotas_that_can_never_be_used_are_named(home: Home, key_id: str) -> None:
    """A key that may do more than all keys of its team together, by its own quota or by that of its plan."""
    typed("keys", "limits", key_id, "--quota", "501/month")
    own = said()[0]
    home.configure(lambda text: text.replace("amount = 500", "amount = 99"))

    fix = f"`keyfob keys limits {key_id} --quota 500/month`"
    assert ("warn", f"kf_api_{key_id} has 501 a month, its team 500 a month in all", fix) == own
    detail = "[plans.enterprise] gives each key 100 a month, and all of a team 99 a month"
    assert ("warn", detail, "raise team_quota, or lower quota") == said()[0]


def test_many_are_counted_and_not_all_named(home: Home, key_id: str) -> None:
    """Five of a kind, and how many more there are."""
    for number in range(7):
        made = home.make(f"CI {number}", "--permission", "items:read")[0]
        use(home, f"key/{made}", 100)

    found = [detail for level, detail, _ in said() if level == "warn"]

    assert key_id not in " ".join(found)
    assert (6, "2 more quotas are used up") == (len(found), found[-1])
