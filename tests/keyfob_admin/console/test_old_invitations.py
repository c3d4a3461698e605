"""Invitations that have run out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.people import CLI, PASSPHRASE, beside
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    from keyfob.runtime.runtime import Runtime

pytestmark = pytest.mark.both_engines


def test_what_makes_an_invitation_void_says_so(live: LiveConsole, visitor: Visitor) -> None:
    """A newer link and another role do; the page of the old one does not claim that somebody has used it."""
    form = {**hidden(visitor.get("/people/invite").text), "email": "ben@example.com", "role": "member"}
    made = [visitor.post("/people/invite", data=form).text for _ in range(2)]
    first, second = (re.findall(r'value="https?://[^/"]+(/invitation/[^"]+)"', page)[0] for page in made)
    assert "Earlier links to them no longer work." in words(made[0])
    with Visitor(live.url) as ben:
        assert (410, 200) == (ben.get(first).status_code, ben.get(second).status_code)
        assert "it has expired, or another one took its place" in words(ben.get(first).text)
        person = re.findall(r'href="(/people/[0-9A-Za-z]{16})"', made[0])[0]
        answer = visitor.post(f"{person}/role", data={"csrf": form["csrf"], "role": "auditor"})
        assert 410 == ben.get(second).status_code
    assert "The link that they were sent no longer works" in words(visitor.get(answer.headers["location"]).text)


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
