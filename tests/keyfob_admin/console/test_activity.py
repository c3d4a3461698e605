"""The activity: how it is filtered and walked, and what is exported."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from keyfob_admin.console.activity import neutral
from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.key_lists import fill, link


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


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_co_06_a_cell_is_never_a_formula(text: str) -> None:
    """What a spreadsheet could run begins with an apostrophe."""
    assert f"'{text}" == neutral(text)


@pytest.mark.parametrize("text", ["", "plain", "a=b", "key.created", "1", "'quoted"])
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
    rows = list(csv.DictReader(io.StringIO(answer.text)))
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
