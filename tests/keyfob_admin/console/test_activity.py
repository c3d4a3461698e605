"""The activity: how it is filtered and walked, and what is exported."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from keyfob_admin.console.activity import _csv, neutral
from tests.keyfob_admin.console.conftest import (
    ANA,
    OTHER_TEAM,
    TEAM,
    LiveConsole,
    Visitor,
    change,
    hidden,
    installed,
    running,
    words,
)
from tests.keyfob_admin.console.key_lists import fill, link
from tests.keyfob_admin.console.people import invited, join

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.transaction import Transaction


def test_activity_is_filtered_and_walked(visitor: Visitor, live: LiveConsole) -> None:
    """By action, key, actor and day; older events are a page away."""
    made = fill(live, 60)
    everything = visitor.get("/activity").text
    older = visitor.get(link(everything, "next")).text
    assert "Newest" in older
    assert 50 == everything.count('data-label="When"')
    visitor.send_form(f"/keys/{made[0][0]}/disable")
    assert 1 == visitor.get("/activity?action=key.disabled").text.count('data-label="When"')
    assert 2 == visitor.get(f"/activity?key={made[0][0]}").text.count('data-label="When"')
    assert 2 == visitor.get("/activity?actor=root").text.count('data-label="When"')
    assert "Nothing happened that matches these filters." in visitor.get("/activity?since=2099-01-01").text
    assert "Keyring entry activated" in words(visitor.get("/activity?scope=all&action=keyring.activated").text)
    assert 422 == visitor.get("/activity?key=nothing").status_code
    assert "There is a problem" in visitor.get("/activity?since=yesterday").text


def test_whom_something_happened_to_is_a_link(visitor: Visitor, live: LiveConsole) -> None:
    """People of one name are told apart in the history: each name leads to its person."""
    one, other = invited(live, "sam@example.com")[0], invited(live, "sam@example.org")[0]
    page = visitor.get("/activity?action=person.invited").text
    for person in (one, other):
        assert f'href="/people/{person.id}"' in page
        assert f"Invited {person.name} as member" in words(page)


def test_the_history_says_what_became_of_quotas_and_teams(visitor: Visitor, live: LiveConsole) -> None:
    """A quota that is given, changed for a period and taken away, and a team's metadata, are told like any change."""
    key, _ = live.make("counted")

    async def changes(runtime: Runtime) -> None:
        await runtime.lifecycle.update(TEAM, key.id, {"quota": {"amount": 20_000, "every": "month"}}, actor=ANA)
        await runtime.lifecycle.quotas.adjust(TEAM, key.id, add=500, actor=ANA)
        await runtime.lifecycle.update(TEAM, key.id, {"quota": None}, actor=ANA)
        await runtime.teams.update(TEAM, {"metadata": {"seats": 5}}, actor=ANA)

    change(live.installation, changes)
    said = words(visitor.get(f"/keys/{key.id}/activity").text)
    for part in ("quota: 20,000 a month", "quota changed by +500 until 1 ", "quota of the plan"):
        assert part in said
    assert "Team changed metadata changed: seats" in words(visitor.get("/activity").text)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", "\uff0b1", "-", "\n1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_co_06_a_cell_is_never_a_formula(text: str) -> None:
    """What a spreadsheet could run begins with an apostrophe."""
    assert neutral(text).startswith("'")


ATTACKS = ['=HYPERLINK("//evil.example")', "+1+1", "-1", "@SUM(A1)", "\uff1d1+1", "=cmd|' /C calc'!A0"]
PLACES = [
    "{}",
    "x{sep}{}",
    "x{sep} {}",
    "x{sep}'{sep}{}",
    "{sep}{}",
    'x{sep}"{}',
    'x{sep}"{sep}"{}"',
    "x\n{}",
    "x\r\n{}",
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", " ", "^", "~", "/", "\u00a0"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_ff_54_no_cell_is_a_formula_whatever_separates_cells(separator: str, place: str, attack: str) -> None:
    """A file that is read with another separator than it was written with has no formula in it either."""
    name = place.format(attack, sep=separator)
    written = _csv(("1", name, json.dumps({"name": {"from": name, "to": "x"}}), "end")).decode()

    for delimiter in (separator, ",", ";", "\t"):
        for line in (written, *written.splitlines()):
            cells = [
                cell.strip(' "\u00a0') for row in csv.reader(io.StringIO(line), delimiter=delimiter) for cell in row
            ]
            assert [] == [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "a=b",
        "key.created",
        "1",
        "'quoted",
        "a - b",
        "a-b",
        "me@example.com",
        "2026-11-29T09:00:00Z",
        "a--b",
    ],
)
def test_co_06_other_cells_stay_as_they_are(text: str) -> None:
    """What cannot be taken for a formula is not touched."""
    assert text == neutral(text)


def test_co_06_the_exported_csv_is_neutralised(visitor: Visitor, live: LiveConsole) -> None:
    """A name that is a formula is text in every cell that holds it."""
    key, secret = live.make('=HYPERLINK("http://evil.example")', key_type="admin", permissions=("*",))
    with Visitor(live.url) as other:
        other.sign_in(secret)
        other.send_form(f"/keys/{live.installation.admin.id}/edit", name="renamed", permission="*")
    answer = visitor.get("/activity/export.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert re.search(r'attachment; filename="keyfob-activity-[0-9-]+\.csv"', answer.headers["content-disposition"])
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert "'=HYPERLINK" in {row["actor"][:11] for row in rows}
    assert {"key.created", "key.updated", "team.created"} <= {row["action"] for row in rows}
    assert [] == [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert key.id in {row["key_id"] for row in rows}


def test_the_exported_ndjson_is_the_apis(visitor: Visitor, live: LiveConsole) -> None:
    """One event a line, as the admin API streams them; filters of the page are the file's."""
    live.make("x")
    mine = visitor.get("/activity/export.ndjson?action=key.created").text
    bearer = {"Authorization": f"Bearer {live.installation.admin_key}", "Accept": "application/x-ndjson"}
    theirs = visitor.get(f"/v1/audit-events?action=key.created&team={TEAM}", headers=bearer).text
    assert mine == theirs
    assert {"key.created"} == {json.loads(line)["action"] for line in mine.splitlines()}
    assert "" == visitor.get("/activity/export.ndjson?since=2099-01-01").text


def test_ff_45_the_exported_csv_says_that_it_is_utf_8(visitor: Visitor, live: LiveConsole) -> None:
    """It begins with a byte order mark, once, so that spreadsheets read names as they were written."""
    live.make("Zoë 😀")
    for query in ("", "?since=2099-01-01"):
        content = visitor.get(f"/activity/export.csv{query}").content
        assert content.startswith(b"\xef\xbb\xbfseq,")
        assert 1 == content.count(b"\xef\xbb\xbf")
    assert "Zoë 😀" in visitor.get("/activity/export.csv").content.decode("utf-8-sig")
    assert not visitor.get("/activity/export.ndjson").content.startswith(b"\xef\xbb\xbf")


async def _fill_log(runtime: Runtime) -> None:
    """So many events that no buffer between server and client takes all of them."""

    async def work(rows: Transaction) -> None:
        for number in range(5_000):
            await rows.append(
                ANA.did("team.updated", runtime.now(), team=TEAM, name={"to": f"{number}-" + "x" * 2_400})
            )

    await runtime.store.change(work)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """A console whose log is that long."""
    installation = asyncio.run(installed(tmp_path_factory.mktemp("busy")))
    change(installation, _fill_log)
    with running(installation) as url:
        yield LiveConsole(url, installation)


def _token(visitor: Visitor) -> dict[str, str]:
    return {"csrf": hidden(visitor.get("/settings").text)["csrf"]}


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
@pytest.mark.parametrize("how", ["signed out", "disabled", "narrowed"])
def test_ff_53_an_export_is_cut_when_its_session_ends(busy: LiveConsole, ending: str, how: str) -> None:
    """Whoever signed out, whose key was revoked, or who may no longer read the log gets no more, and no clean end."""
    key, secret = busy.make("reader", key_type="admin", permissions=("audit:read", "keys:read"))
    with Visitor(busy.url) as visitor:
        visitor.sign_in(secret)
        with _begun(busy, visitor, ending) as answer:
            if how == "signed out":
                visitor.post("/logout", data=_token(visitor))
            else:
                change(busy.installation, _ended(key.id, how))

            with pytest.raises(http.client.IncompleteRead) as cut:
                answer.read()

    assert len(cut.value.partial) < 8_000_000  # what was under way; the log has 10 MB and more


def test_ff_53_an_export_is_cut_when_the_membership_ends(busy: LiveConsole) -> None:
    """Whoever loses the role in the team gets no more of its log, whatever they may read in another team."""
    person, _ = invited(busy, "ira@example.com", "auditor")
    change(busy.installation, lambda runtime: runtime.people.set_role(OTHER_TEAM, person.id, "auditor", actor=ANA))
    with Visitor(busy.url) as visitor:
        assert 303 == join(visitor, invited(busy, "ira@example.com", "auditor")[1]).status_code
        with _begun(busy, visitor, "ndjson") as answer:
            change(busy.installation, lambda runtime: runtime.people.remove(TEAM, person.id, actor=ANA))

            with pytest.raises(http.client.IncompleteRead):
                answer.read()
        assert 200 == visitor.get("/activity").status_code


@contextmanager
def _begun(busy: LiveConsole, visitor: Visitor, ending: str) -> Iterator[http.client.HTTPResponse]:
    """The export of the log, whose first bytes were read."""
    address = urlsplit(busy.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    connection.request("GET", f"/activity/export.{ending}", headers={"Cookie": cookies})
    answer = connection.getresponse()
    answer.read(1000)
    yield answer
    connection.close()


def _ended(key_id: str, how: str) -> Callable[[Runtime], Awaitable[object]]:
    async def work(runtime: Runtime) -> None:
        if how == "disabled":
            await runtime.lifecycle.disable(TEAM, key_id, actor=ANA)
        else:
            await runtime.lifecycle.update(TEAM, key_id, {"permissions": ["keys:read"]}, actor=ANA)

    return work
