"""What signing in and out leaves behind: events for who may read them, a line in the log for what failed."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from click.testing import CliRunner

from keyfob_admin.cli.main import main
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.sessions import linked

if TYPE_CHECKING:
    import pytest

MANY = 8


def told(visitor: Visitor, action: str = "") -> str:
    """What the Activity page says."""
    return words(visitor.get("/activity", params={"action": action}).text)


def test_signing_in_and_out_is_in_the_activity(live: LiveConsole, visitor: Visitor) -> None:
    """Each sign-in and sign-out is told with the way and the address, there and on the page of the key."""
    with Visitor(live.url) as second:
        second.send_form(linked(live.installation))
        second.post("/logout", data=hidden(second.get("/keys").text))
    assert "Signed in with the admin key" in told(visitor, "console.signed_in")
    assert "Signed in with a one-time link" in told(visitor, "console.signed_in")
    key = live.installation.admin.id
    assert f"Signed out root {key} root {key} 127.0.0.1" in told(visitor, "console.signed_out")
    assert f"Signed out root {key} 127.0.0.1" in words(visitor.get(f"/keys/{key}/activity").text)
    assert "Sign-in link made" in told(visitor, "console.link_created")


def test_a_link_made_at_the_command_line_is_in_the_activity(visitor: Visitor, config: str) -> None:
    """Who made a link, and as which key it signs in, is told."""
    assert 0 == CliRunner().invoke(main, ["console", "login", "--config", config]).exit_code
    shown = told(visitor, "console.link_created")
    assert "Sign-in link made root" in shown
    assert "(command line)" in shown


def test_failed_sign_ins_are_logged_and_do_not_fill_the_audit_log(
    live: LiveConsole, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers leave a line in the log with their address, and nothing in the database but a count; never the key."""
    before = visitor.get("/activity/export.ndjson").text
    typed = "kf_admin_" + "x" * 81
    with Visitor(live.url) as stranger, caplog.at_level(logging.WARNING, "keyfob.console"):
        for _ in range(6):
            stranger.sign_in(typed)
    assert before == visitor.get("/activity/export.ndjson").text
    told = [record.getMessage() for record in caplog.records if record.name == "keyfob.console"]
    *failures, slowed = told
    assert ["a sign-in to the console from 127.0.0.1 failed"] * 5 == failures
    assert slowed.startswith("sign-ins from 127.0.0.1 are slowed down after 5 failures")
    assert "x" * 20 not in caplog.text


def test_of_browsers_that_race_for_a_link_one_gets_in(live: LiveConsole) -> None:
    """Eight browsers press the button of one link at the same moment: one session, and the others are told."""
    path = linked(live.installation)
    visitors = [Visitor(live.url) for _ in range(MANY)]
    forms = [hidden(visitor.get(path).text) for visitor in visitors]
    statuses: list[int] = []

    def press(visitor: Visitor, form: dict[str, str]) -> None:
        statuses.append(visitor.post(path, data=form).status_code)

    threads = [threading.Thread(target=press, args=pair) for pair in zip(visitors, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inside = [visitor for visitor in visitors if visitor.get("/keys").status_code == 200]
    for visitor in visitors:
        visitor.close()
    assert 1 == len(inside)
    assert 1 == statuses.count(303)
    assert set(statuses) <= {303, 410, 429}  # those who were late count as failures of their address
