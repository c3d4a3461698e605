"""What a key did, on its page: addresses, reasons of refusals, and which permissions were needed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from keyfob_admin.console import humanize
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, change, hidden, installed, running, words
from tests.keyfob_admin.console.key_forms import checked

if TYPE_CHECKING:
    from pathlib import Path

RULES = {"GET /items": "items:read", "POST /items": "items:write", "GET /users": "users:read"}


def used(live: LiveConsole, key_id: str, sources: dict[tuple[str, str, str], tuple[int, int]]) -> None:
    """Count requests of a key by address, rule and reason: so many admitted, so many denied, an hour ago."""
    at = datetime.now(UTC) - timedelta(hours=1)
    moment = int(at.timestamp() * 1_000_000)
    details = {Source(at.toordinal(), *key): Tally(moment, moment, *counts) for key, counts in sources.items()}
    use = Use(at, "203.0.113.24", {at.date(): 1}, {}, details)
    change(live.installation, lambda runtime: runtime.store.add_usage({key_id: use}))


def test_where_from_and_why_refused(visitor: Visitor, live: LiveConsole) -> None:
    """Addresses with their requests, the most frequent first; reasons in words."""
    key, _ = live.make("export")
    used(
        live,
        key.id,
        {
            ("198.51.100.7", "GET /items", "permission"): (0, 6_911),
            ("203.0.113.24", "GET /items", ""): (284_016, 0),
            ("203.0.113.24", "", "wrong_address"): (0, 590),
        },
    )
    said = words(visitor.get(f"/keys/{key.id}").text)
    assert "Used from 2 addresses" in said
    assert said.index("203.0.113.24 284,606") < said.index("198.51.100.7 6,911")
    assert "Refused because Refused requests by reason Reason Requests" in said
    assert "Permission missing 6,911 Address not allowed 590" in said


def test_many_addresses_are_counted(visitor: Visitor, live: LiveConsole) -> None:
    """Eight addresses stand on the page, and the number of the others."""
    key, _ = live.make("wanderer")
    used(live, key.id, {(f"203.0.113.{number}", "GET /items", ""): (number, 0) for number in range(1, 13)})
    said = words(visitor.get(f"/keys/{key.id}").text)
    assert "Used from 12 addresses" in said
    assert "and 4 more" in said
    assert "203.0.113.12" in said
    assert "203.0.113.4 4" not in said


def test_permissions_say_when_they_were_needed(tmp_path: Path) -> None:
    """With rules in the configuration each permission has its last use; what nothing needed can be removed."""
    installation = asyncio.run(installed(tmp_path, rules=RULES))
    with running(installation) as url, Visitor(url) as visitor:
        live = LiveConsole(url, installation)
        visitor.sign_in(installation.admin_key)
        key, _ = live.make("worker", permissions=("items:read", "items:write", "reports:read"))
        used(live, key.id, {("203.0.113.24", "GET /items", ""): (188_402, 0)})
        page = visitor.get(f"/keys/{key.id}").text
        said = words(page)
        assert "Resource Permission Last used Requests" in said
        assert "items:read 1 hour ago 188,402" in said
        assert "items:write Never used in 30 days Remove 0" in said
        assert "reports:read – –" in said
        form = visitor.get(f"/keys/{key.id}/edit?without=items:write").text
        assert ["items:read", "reports:read"] == checked(form)


def test_only_rules_that_take_the_key_tell_what_it_needs(tmp_path: Path) -> None:
    """An admin key that manages keys is not said to need nothing, since no rule of the application takes it."""
    installation = asyncio.run(installed(tmp_path, rules=RULES))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        said = words(visitor.get(f"/keys/{installation.admin.id}").text)
        assert "Everything * May do everything" in said
        assert "Never used in 30 days" not in said


def test_a_wildcard_is_needed_by_what_it_covers(tmp_path: Path) -> None:
    """A request that needed items:read used items:* as well."""
    installation = asyncio.run(installed(tmp_path, rules=RULES))
    with running(installation) as url, Visitor(url) as visitor:
        live = LiveConsole(url, installation)
        visitor.sign_in(installation.admin_key)
        key, _ = live.make("wide", permissions=("items:*", "users:read"))
        used(live, key.id, {("203.0.113.24", "GET /items and POST /items", ""): (7, 0)})
        said = words(visitor.get(f"/keys/{key.id}").text)
        assert "items:* 1 hour ago 7" in said
        assert "users:read Never used in 30 days" in said


def test_without_rules_permissions_have_their_meaning(visitor: Visitor, live: LiveConsole) -> None:
    """Where an application gives its rules itself, nothing is claimed about use."""
    key, _ = live.make("plain")
    said = words(visitor.get(f"/keys/{key.id}").text)
    assert "Resource Permission Meaning Items items:read Read items" in said
    assert "Never used" not in said


def test_the_chart_spans_what_was_asked_for(visitor: Visitor, live: LiveConsole) -> None:
    """A day by its hours, seven, thirty or ninety days, thirty unless one of them is named."""
    key, _ = live.make("spans")
    spans = {"": "30 days", "?days=1": "24 hours", "?days=7": "7 days", "?days=90": "90 days", "?days=5": "30 days"}
    for query, span in spans.items():
        assert f"Not used in the last {span}." in words(visitor.get(f"/keys/{key.id}{query}").text)


def test_a_day_is_shown_by_its_hours(tmp_path: Path) -> None:
    """What each hour saw, in the chart and its table; an unused permission is still judged by thirty days."""
    installation = asyncio.run(installed(tmp_path, rules=RULES))
    with running(installation) as url, Visitor(url) as visitor:
        live = LiveConsole(url, installation)
        visitor.sign_in(installation.admin_key)
        key, _ = live.make("hours", permissions=("items:read", "items:write"))
        used(live, key.id, {("203.0.113.24", "GET /items", ""): (7, 0)})
        now = datetime.now(UTC).replace(minute=0)
        hour = int(now.timestamp()) // 3_600
        use = Use(hours={hour - 2: (40, 2, 1), hour - 30: (9, 9, 9)})
        change(live.installation, lambda runtime: runtime.store.add_usage({key.id: use}))
        page = visitor.get(f"/keys/{key.id}?days=1").text
        table = words(visitor.get(f"/keys/{key.id}?days=1&table=yes").text)
    assert 'aria-label="Requests in each of the last 24 hours: 40 admitted, 1 limited and 2 denied"' in page
    said = words(page)
    assert f"{humanize.moment(now - timedelta(hours=2))} 40 2 1" in table
    assert "Used from 1 address since yesterday" in said
    assert "items:write Never used in 30 days Remove 0" in said


def test_narrowing_says_what_it_would_have_refused(tmp_path: Path) -> None:
    """Taking away what requests needed is saved after the numbers were seen, and asked anew for another choice."""
    installation = asyncio.run(installed(tmp_path, rules=RULES))
    with running(installation) as url, Visitor(url) as visitor:
        live = LiveConsole(url, installation)
        visitor.sign_in(installation.admin_key)
        key, _ = live.make("worker", permissions=("items:read", "items:write", "users:read"))
        used(live, key.id, {("203.0.113.24", "GET /items", ""): (412, 0)})
        path, form = f"/keys/{key.id}/edit", {"name": "worker", "expires": "never"}
        assert 303 == visitor.send_form(path, **form, permission=["items:read", "items:write"]).status_code
        warned = visitor.send_form(path, **form, permission=["items:write"])
        said = words(warned.text)
        assert "In the last 30 days this would have refused 412 requests, last 1 hour ago from 203.0.113.24." in said
        assert "Save changes anyway" in said
        again = {**hidden(warned.text), **form, "permission": ["items:write"], "addresses": "10.0.0.0/8"}
        assert "this would have refused 412 requests" in words(visitor.post(path, data=again).text)
        sent = {**hidden(warned.text), **form, "permission": ["items:write"]}
        assert 303 == visitor.post(path, data=sent).status_code
        assert "1 of 5 permissions" in words(visitor.get(f"/keys/{key.id}").text)
