"""What every page is sent with, how lists are walked, what is exported, and what is said when things fail."""

from __future__ import annotations

import asyncio
import csv
import gzip
import html
import io
import json
import random
import re
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import ACTIONS
from keyfob.key_drafts import KeyDraft
from keyfob.store import Use, UseDay
from keyfob_admin.console import charts
from keyfob_admin.console import words as said
from keyfob_admin.console.activity import neutral
from tests.console.conftest import ANA, OTHER_TEAM, TEAM, LiveConsole, Visitor, hidden, words

if TYPE_CHECKING:
    from keyfob.runtime import Runtime

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def every_page(key_id: str) -> list[str]:
    """The address of every page there is, and of some that are not."""
    key = f"/keys/{key_id}"
    tails = ("", "/permissions", "/activity", "/edit", "/duplicate", "/disable", "/delete")
    new = [f"/keys/new?type={name}" for name in ("api", "computer", "scim", "admin")]
    places = ["/keys", "/keys/new", *new, "/permissions", "/activity", "/settings"]
    exports = ["/activity/export.csv", "/activity/export.ndjson"]
    return [
        *places,
        *(key + tail for tail in tails),
        *exports,
        "/",
        "/login",
        "/login/link/x",
        "/keys/none",
        "/nowhere",
    ]


def test_co_03_every_answer_of_the_console_is_guarded(visitor: Visitor, live: LiveConsole) -> None:
    """Pages, refusals, redirects and exports carry the policy and the other headers, signed in or not."""
    key, _ = live.make()
    with Visitor(live.url) as stranger:
        for who in (visitor, stranger):
            for path in every_page(key.id):
                answer = who.get(path)
                missing = {name: value for name, value in HEADERS.items() if answer.headers.get(name) != value}
                assert {} == missing, path
        refused = stranger.post("/login", data={"key": "x"})
        assert {} == {name: value for name, value in HEADERS.items() if refused.headers.get(name) != value}


def test_co_03_no_page_holds_a_script_a_style_or_a_handler(visitor: Visitor, live: LiveConsole) -> None:
    """All script and style comes from files, so that the policy needs no exception."""
    key, _ = live.make()
    for path in every_page(key.id):
        text = visitor.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), path


def test_co_11_nothing_may_frame_a_page(visitor: Visitor) -> None:
    """Both headers that refuse to be framed are there."""
    headers = visitor.get("/keys").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "DENY" == headers["x-frame-options"]


def test_files_are_kept_for_ever_under_the_name_of_their_content(visitor: Visitor) -> None:
    """Stylesheet, script and icon may be kept for a year, come packed, and are guarded as well; other names are 404."""
    names = re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.get("/keys").text)
    assert {"css", "js", "svg"} == {name.rpartition(".")[2] for name in names}
    for name in names:
        answer = visitor.get(name)
        assert "public, max-age=31536000, immutable" == answer.headers["cache-control"]
        assert "gzip" == answer.headers["content-encoding"]
        assert "nosniff" == answer.headers["x-content-type-options"]
        plain = visitor.get(name, headers={"Accept-Encoding": "identity"})
        assert answer.content == plain.content
    assert 404 == visitor.get("/static/console.css").status_code


def test_a_page_weighs_little(visitor: Visitor, live: LiveConsole) -> None:
    """A page with all that it loads is at most 12 KB when packed; a full list of keys in lively use, too."""
    key, _ = fill(live, 50, lively=True)[0]
    for path in every_page(key):
        answer = visitor.get(path)
        loads = [visitor.get(name).content for name in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text))]
        weight = sum(len(gzip.compress(content)) for content in (answer.content, *loads))
        assert weight <= 12 * 1024, (path, weight)


def test_every_page_has_a_title_of_its_own(visitor: Visitor, live: LiveConsole) -> None:
    """No two pages of a key are called the same, and a refused form says so before anything else."""
    key, _ = live.make("billing-worker")
    tails = ("", "/permissions", "/activity", "/edit", "/duplicate")
    titles = [title(visitor.get(f"/keys/{key.id}{tail}").text) for tail in tails]
    assert ["billing-worker", "Permissions · billing-worker", "Activity · billing-worker"] == titles[:3]
    assert len(tails) == len(set(titles))
    assert "Error: Create Public API Key" == title(visitor.send_form("/keys/new?type=api").text)
    with Visitor(live.url) as stranger:
        assert "Error: Sign in" == title(stranger.sign_in("wrong").text)


def title(text: str) -> str:
    """What the browser's tab says, without the product's name."""
    return html.unescape(text.partition("<title>")[2].partition(" · keyfob</title>")[0])


def test_programs_are_told_of_nothing_in_their_own_language(visitor: Visitor) -> None:
    """Where there is no page, people get a page, and who asks for no page a problem."""
    page = visitor.get("/nowhere")
    assert 404 == page.status_code
    assert "There is no such page." in words(page.text)
    assert "application/problem+json" == visitor.get("/nowhere", headers={"Accept": "*/*"}).headers["content-type"]
    assert "application/problem+json" == visitor.get("/v1/nowhere").headers["content-type"]
    assert 405 == visitor.post("/permissions").status_code


def test_the_session_is_for_pages_only(visitor: Visitor) -> None:
    """The admin API does not know the console's session."""
    assert 401 == visitor.get(f"/v1/teams/{TEAM}/keys").status_code


# ---------------------------------------------------------------- lists


def fill(live: LiveConsole, count: int, *, lively: bool = False) -> list[tuple[str, str]]:
    """Make *count* keys that were used, alike or each in its own way, and give ids and names, newest first."""
    made: list[tuple[str, str]] = []
    chance = random.Random(7)  # noqa: S311 - the same numbers every time, no secrets

    async def work() -> None:
        async with live.installation.opened() as runtime:
            made.extend([await _make(runtime, f"key {number:03}") for number in range(count)])
            now = runtime.now()
            alike = Use(now, "203.0.113.24", {now.date() - timedelta(days=n): 7 * n + 1 for n in range(0, 30, 2)})
            await runtime.store.add_usage({key_id: _use(now, chance) if lively else alike for key_id, _ in made})

    asyncio.run(work())
    return made[::-1]


def _use(now: datetime, chance: random.Random) -> Use:
    days = {now.date() - timedelta(days=n): chance.randrange(900) for n in range(30)}
    return Use(now - timedelta(minutes=chance.randrange(9000)), f"203.0.113.{chance.randrange(1, 9)}", days)


async def _make(runtime: Runtime, name: str) -> tuple[str, str]:
    minted = await runtime.lifecycle.create(TEAM, KeyDraft(name, permissions=("items:read",)), actor=ANA)
    return minted.view.record.id, name


def names_on(text: str) -> list[str]:
    return re.findall(r'scope="row"><a href="[^"]+">([^<]+)</a>', text)


def link(text: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', text)
    assert found is not None, rel
    return html.unescape(found[1])


def test_a_long_list_is_walked_forth_and_back(visitor: Visitor, live: LiveConsole) -> None:
    """Next and Previous lead through all keys and back over the same pages, with their numbers, newest first."""
    expected = [name for _, name in fill(live, 120)]
    first = visitor.get("/keys").text
    second = visitor.get(link(first, "next")).text
    third = visitor.get(link(second, "next")).text
    assert [*expected, "root"] == [*names_on(first), *names_on(second), *names_on(third)]
    shown = [re.search(r"Showing [0-9,]+–[0-9,]+", words(page)) for page in (first, second, third)]
    assert ["Showing 1–50", "Showing 51–100", "Showing 101–121"] == [found[0] for found in shown if found]
    assert 'rel="next"' not in third
    assert 'rel="prev"' not in first
    back = visitor.get(link(third, "prev")).text
    assert names_on(second) == names_on(back)
    assert "Showing 51–100" in words(back)
    assert names_on(third) == names_on(visitor.get(link(back, "next")).text)
    assert "/keys" == link(back, "prev")


def test_filters_stay_while_walking(visitor: Visitor, live: LiveConsole) -> None:
    """The next page of a filtered list is filtered, too."""
    fill(live, 60)
    page = visitor.get("/keys?q=KEY 0&type=api&state=active").text
    assert 50 == len(names_on(page))
    following = link(page, "next")
    assert all(part in following for part in ("q=KEY+0", "type=api", "state=active"))
    assert 10 == len(names_on(visitor.get(following).text))


def test_the_list_is_searched_and_filtered(visitor: Visitor, live: LiveConsole) -> None:
    """By name in any case, by id, by state, type, permission, and by not having been used."""
    a, _ = live.make("Alpha", permissions=("users:read",))
    b, _ = live.make("beta")
    live.make("robot", key_type="computer")
    visitor.send_form(f"/keys/{b.id}/disable")
    used = Use(datetime.now(UTC), "192.0.2.1", {datetime.now(UTC).date(): 3})

    async def use() -> None:
        async with live.installation.opened() as runtime:
            await runtime.store.add_usage({a.id: used})

    asyncio.run(use())
    asked = {
        "q=ALPH": ["Alpha"],
        f"q={b.id}": ["beta"],
        f"q=kf_api_{b.id}": None,
        "state=disabled": ["beta"],
        "type=computer": ["robot"],
        "permission=users:read": ["Alpha"],
        "unused=90&type=api": ["beta"],
    }
    for query, expected in asked.items():
        answer = visitor.get(f"/keys?{query}")
        if expected is None:
            assert f"/keys?q={b.id}" == answer.headers["location"]
        else:
            assert expected == names_on(answer.text), query


def test_a_pasted_key_does_not_stay_in_the_address(visitor: Visitor, live: LiveConsole) -> None:
    """Who pastes a whole key into the search is led to its id."""
    key, secret = live.make("pasted")
    answer = visitor.get("/keys", params={"q": secret})
    assert f"/keys?q={key.id}" == answer.headers["location"]
    assert ["pasted"] == names_on(visitor.get(answer.headers["location"]).text)


@pytest.mark.parametrize("query", ["state=flying", "type=none", "after=xxx", "q=" + "x" * 201, "before=xxx&start=51"])
def test_an_address_that_makes_no_sense_leads_to_the_whole_list(visitor: Visitor, query: str) -> None:
    """A filter or a page that there is not is dropped."""
    assert "/keys" == visitor.get(f"/keys?{query}").headers["location"]


def test_an_empty_team_and_an_empty_search_say_what_to_do(visitor: Visitor) -> None:
    """A team without keys is offered to create one, a search without results to clear it."""
    empty = visitor.get(f"/keys?team={OTHER_TEAM}").text
    assert "No keys yet. Create a key to let a script or service call your API. Create Key" in words(empty)
    nothing = words(visitor.get("/keys?q=zzz").text)
    assert "No keys match these filters. Clear filters" in nothing


def test_the_list_shows_use_and_age(visitor: Visitor, live: LiveConsole) -> None:
    """A used key shows when and from where, and a picture of thirty days; one that will expire soon says so."""
    fill(live, 1)
    live.make("brief", expires_at=datetime.now(UTC) + timedelta(days=6, hours=1))
    page = visitor.get("/keys").text
    assert "just now 203.0.113.24" in words(page)
    assert 'aria-label="Used 1,485 times in 30 days"' in page
    assert "Expires in 6 days" in words(page)
    assert "by ana@example.com" in words(page)


def test_the_key_page_draws_thirty_days_with_a_table(visitor: Visitor, live: LiveConsole) -> None:
    """The bar chart has a text of its own, and every day stands in the table."""
    ((key_id, _),) = fill(live, 1)
    page = visitor.get(f"/keys/{key_id}").text
    assert 'aria-label="Requests on each of the last 30 days: 1485 admitted and 0 denied"' in page
    assert 15 == page.count("<rect ")
    assert 30 == len(re.findall(r'<th scope="row">', page))
    assert "View as table" in page
    assert "Updated up to 1 second late" in words(page)


def test_the_permissions_page_says_which_keys_hold_what(visitor: Visitor, live: LiveConsole) -> None:
    """Each permission leads to its holders; wildcards are counted by themselves."""
    live.make("a", permissions=("items:read", "users:read"))
    live.make("b", permissions=("items:read", "reports:*"))
    page = visitor.get("/permissions").text
    said_there = words(page)
    assert "items:read Read items 2 keys" in said_there
    assert "reports:read Read reports No keys" in said_there
    assert "reports:* Everything under reports: 1 key" in said_there
    assert "* Do everything, now and in future 1 key" in said_there
    assert ["b", "a"] == names_on(visitor.get("/keys?permission=items:read").text)


def test_settings_change_the_team(visitor: Visitor) -> None:
    """Who holds teams:write renames the team and changes its plan; a mistake is said and kept."""
    answer = visitor.send_form("/settings", name="Acme Ltd", plan="teams")
    assert "The team was changed." in words(visitor.get(answer.headers["location"]).text)
    wrong = visitor.send_form("/settings", name="", plan="gold")
    assert 422 == wrong.status_code
    assert "Enter a name" in words(wrong.text)
    assert "There is no plan gold" in visitor.send_form("/settings", name="x", plan="gold").text


def test_settings_can_only_be_read_without_the_permission(live: LiveConsole) -> None:
    """Who lacks teams:write sees the team, and a crafted request is 403."""
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        page = visitor.get("/settings").text
        assert "To change these, sign in with an admin key that holds teams:write." in words(page)
        assert 403 == visitor.post("/settings", data={**hidden(page), "name": "x", "plan": "teams"}).status_code


def test_the_theme_is_remembered(visitor: Visitor) -> None:
    """Light or dark is written into every page until the system is chosen again; the page one was on comes back."""
    form = hidden(visitor.get("/permissions").text)
    for theme in ("dark", "light"):
        answer = visitor.post("/theme", data={**form, "theme": theme})
        assert "/permissions" == answer.headers["location"]
        assert f'data-theme="{theme}"' in visitor.get("/keys").text
    visitor.post("/theme", data={**form, "theme": "system"})
    assert "data-theme" not in visitor.get("/keys").text


# ---------------------------------------------------------------- activity


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
    assert "Ring entry activated" in words(visitor.get("/activity?scope=all&action=ring.activated").text)
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


# ---------------------------------------------------------------- failure


def test_the_page_says_when_the_database_is_gone(visitor: Visitor, live: LiveConsole) -> None:
    """While the database cannot be reached every page is 503 and says what still works, and why."""
    file = Path((live.installation.settings.store or "").removeprefix("sqlite:///"))
    away = file.rename(file.with_suffix(".away"))
    answer = visitor.get("/keys")
    assert 503 == answer.status_code
    assert (
        "keyfob can't reach its database. Requests with recently checked keys still work; changes don't. Last error: "
        "there is no database at the store's path Try again"
    ) in words(answer.text)
    away.rename(file)
    for _ in range(200):
        if visitor.get("/keys").status_code == 200:
            break
    assert 200 == visitor.get("/keys").status_code


def test_what_breaks_inside_is_not_shown(visitor: Visitor, live: LiveConsole, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is a page without its cause; the log has the place, without what somebody typed."""
    key, _ = live.make("x")
    file = (live.installation.settings.store or "").removeprefix("sqlite:///")
    with sqlite3.connect(file) as database:
        database.execute("UPDATE audit_events SET detail = '{\"permissions\": {\"added\": 7}}', action = 'key.updated'")
    database.close()
    answer = visitor.get(f"/keys/{key.id}/permissions")
    assert 500 == answer.status_code
    assert "Something went wrong here." in words(answer.text)
    assert "TypeError" in caplog.text


# ---------------------------------------------------------------- words and pictures by themselves


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=3), "3 minutes ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(hours=30), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=65), "2 months ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_times_are_told_as_people_do(ago: timedelta, expected: str) -> None:
    """A time is told by its distance, roughly."""
    assert expected == said.ago(NOON - ago, NOON)


def test_moments_and_days_are_written_out() -> None:
    """Times are in UTC and say so."""
    assert "20 Nov 2026, 09:12 UTC" == said.moment(datetime(2026, 11, 20, 9, 12, tzinfo=UTC))
    assert "1 Jan 2027" == said.day(date(2027, 1, 1))


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=6, hours=3), "Expires in 6 days"),
        (timedelta(hours=1), "Expires in 1 hour"),
        (timedelta(seconds=5), "Expires in 1 minute"),
        (timedelta(days=15), None),
        (timedelta(0), None),
    ],
)
def test_a_near_end_is_announced(left: timedelta, expected: str | None) -> None:
    """Within two weeks the end of a key is said in its list."""
    assert expected == said.expires_in(NOON + left, NOON)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"permissions": {"added": ["a:b"], "removed": ["c:d", "e:f"]}}, "a:b added; c:d, e:f removed"),
        ({"name": {"from": "a", "to": "b"}}, "renamed from a to b"),
        ({"description": "changed"}, "description changed"),
        ({"expires_at": {"from": None, "to": "2027-01-01T00:00:00+00:00"}}, "now expires 1 Jan 2027, 00:00 UTC"),
        ({"expires_at": {"from": "x", "to": None}}, "now never expires"),
        ({"ip_allow": {"from": [], "to": ["10.0.0.0/8"]}}, "limited to 10.0.0.0/8"),
        ({"ip_allow": {"from": ["10.0.0.0/8"], "to": []}}, "usable from every address"),
        ({"plan": {"from": "a", "to": "b"}}, "from a to b"),
        ({"char": "b"}, "entry b"),
        ({"name": "x", "plan": "y", "permissions": [], "expires_at": None, "ip_allow": []}, ""),
    ],
)
def test_changes_are_told_in_a_line(detail: dict[str, object], expected: str) -> None:
    """The log's detail is told in words."""
    assert expected == said.told("key.updated", detail)


def test_every_action_has_a_name() -> None:
    """Nothing that the audit log can hold is shown by its code."""
    assert set(ACTIONS) == set(said.ACTIONS)


def test_a_day_with_one_use_is_seen_beside_one_with_thousands() -> None:
    """Bars are scaled to the highest day, and none disappears."""
    days = [UseDay(date(2026, 11, 1), 1, 0), UseDay(date(2026, 11, 2), 100_000, 1), UseDay(date(2026, 11, 3), 0, 0)]
    chart = charts.bar_chart(days)
    assert 100_001 == chart.highest
    assert [2, charts.CHART_HEIGHT, 0] == [round(bar.admitted) for bar in chart.bars]
    assert [0, 2, 0] == [bar.denied for bar in chart.bars]
    assert all(0 <= bar.top <= charts.CHART_HEIGHT for bar in chart.bars)
    assert charts.sparkline({}, [date(2026, 11, 1)]) is None
