"""Invitations that have run out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, hidden
from tests.keyfob_admin.console.people import CLI, PASSPHRASE, beside
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime

pytestmark = pytest.mark.both_engines


@pytest.mark.parametrize(("hours", "status"), [(71, 200), (73, 410)])
def test_an_invitation_ends_after_three_days(live: LiveConsole, hours: int, status: int) -> None:
    """From then on its page is 410 and sets no passphrase; before, it does."""

    async def invited_long_ago(runtime: Runtime) -> str:
        then = runtime.now() - timedelta(hours=hours)
        runtime.people._now = runtime.person_links._now = lambda: then
        made = await runtime.people.invite("ben@example.com", team=TEAM, role="member", actor=CLI)
        return f"/invitation/{made.token}"

    path = beside(live, invited_long_ago)
    with Visitor(live.url) as ben:
        token = hidden(ben.get("/login").text)["csrf"]
        assert status == ben.get(path).status_code
        sent = ben.post(path, data={"csrf": token, "passphrase": PASSPHRASE, "again": PASSPHRASE})
        assert (303 if status == 200 else 410) == sent.status_code
        assert (status == 200) is is_in(ben)
