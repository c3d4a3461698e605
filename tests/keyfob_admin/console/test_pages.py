"""What every page is sent with, and what is said when things fail."""

from __future__ import annotations

import asyncio
import gzip
import html
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob_admin.console.owners import MOST
from keyfob_admin.console.page_request import MOST_TEAMS
from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, hidden, installed, running, words
from tests.keyfob_admin.console.key_lists import fill
from tests.keyfob_admin.console.people import invited, make_team

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
    tails = ("", "/permissions", "/activity", "/edit", "/duplicate", "/disable", "/delete", "/replace")
    new = [f"/keys/new?type={name}" for name in ("api", "computer", "scim", "admin")]
    places = [
        "/keys",
        "/keys/new",
        *new,
        "/teams",
        "/people",
        "/people/invite",
        "/people/0",
        "/permissions",
        "/activity",
        "/settings",
    ]
    exports = ["/activity/export.csv", "/activity/export.ndjson"]
    return [
        *places,
        *(key + tail for tail in tails),
        *exports,
        "/",
        "/login",
        "/login/link/x",
        "/invitation/x",
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


@pytest.mark.parametrize("query", ["page_token=xxx", "state=flying", "after=xxx"])
def test_a_place_in_a_list_that_there_is_no_more_leads_to_the_list(
    visitor: Visitor, live: LiveConsole, query: str
) -> None:
    """An old bookmark of people, or of what was done to a key, opens the list from its beginning."""
    key, _ = live.make("kept")
    path = f"/keys/{key.id}/activity" if query.startswith("after") else "/people"
    answer = visitor.get(f"{path}?{query}")
    assert (303, path) == (answer.status_code, answer.headers["location"])


def test_a_page_weighs_little(visitor: Visitor, live: LiveConsole) -> None:
    """A page with all that it loads is at most 20 KB when packed, even a full list in a large team of many."""
    key, _ = fill(live, 50, lively=True)[0]
    for number in range(MOST + 1):
        invited(live, f"person-{number}@example.com")
    for number in range(MOST_TEAMS):
        make_team(live, f"team-{number}", f"Team {number}")
    for path in every_page(key):
        answer = visitor.get(path)
        loads = [visitor.get(name).content for name in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text))]
        weight = sum(len(gzip.compress(content)) for content in (answer.content, *loads))
        assert weight <= 20 * 1024, (path, weight)


def test_every_page_has_a_title_of_its_own(visitor: Visitor, live: LiveConsole) -> None:
    """No two pages of a key are called the same, and a refused form says so before anything else."""
    key, _ = live.make("billing-worker")
    tails = ("", "/permissions", "/activity", "/edit", "/duplicate")
    titles = [title(visitor.get(f"/keys/{key.id}{tail}").text) for tail in tails]
    assert ["billing-worker", "Permissions · billing-worker", "History · billing-worker"] == titles[:3]
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


# ---------------------------------------------------------------- failure


@pytest.mark.cases("FF-39")
def test_the_page_says_when_the_database_is_gone(visitor: Visitor, live: LiveConsole) -> None:
    """While the database cannot be reached every page is 503 and says what still works, and why."""
    file = Path((live.installation.settings.store or "").removeprefix("sqlite:///"))
    away = file.rename(file.with_suffix(".away"))
    answer = visitor.get("/keys")
    assert 503 == answer.status_code
    assert (
        "Keyfob can't reach its database. Your application is answering 503 to every request with a key. "
        "Nothing can be changed until it is back. Last error: "
        "there is no database at the store's path. Try again"
    ) in words(answer.text)
    assert '<div class="gate">' in answer.text  # in the middle, as the page to sign in
    away.rename(file)
    for _ in range(200):
        if visitor.get("/keys").status_code == 200:
            break
    assert 200 == visitor.get("/keys").status_code


def test_what_was_entered_outlives_an_outage(visitor: Visitor, live: LiveConsole) -> None:
    """A form that met an outage is sent again by a press, as it was; another site's form is not taken over."""
    path, file = "/keys/new?type=api", Path((live.installation.settings.store or "").removeprefix("sqlite:///"))
    form = {**hidden(visitor.get(path).text), "name": "typed", "permission": "items:read", "description": "a\nb"}
    away = file.rename(file.with_suffix(".away"))
    answer = visitor.post(path, data=form)
    assert (503, form) == (answer.status_code, hidden(answer.text))
    assert "What you entered is still here. Try again" in words(answer.text)
    foreign = visitor.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert (503, {}) == (foreign.status_code, hidden(foreign.text))
    sign_in = visitor.post("/login", data={"key": live.installation.admin_key})
    assert (503, False) == (sign_in.status_code, live.installation.admin_key in sign_in.text)
    away.rename(file)
    for _ in range(200):
        if visitor.get("/keys").status_code == 200:
            break
    assert 201 == visitor.post(path, data=hidden(answer.text)).status_code


def test_an_allowance_for_outages_says_until_when(tmp_path: Path) -> None:
    """With `max_stale_on_outage` the page says until when keys that were checked lately still work."""
    installation = asyncio.run(installed(tmp_path, max_stale_on_outage=3600))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        file = Path((installation.settings.store or "").removeprefix("sqlite:///"))
        file.rename(file.with_suffix(".away"))
        said = words(visitor.get("/keys").text)
        until = re.search(r"Recently checked keys still work until ([0-9:]{8}) UTC; then your application", said)
        assert until is not None, said
        left = datetime.strptime(until[1], "%H:%M:%S").replace(tzinfo=UTC) - datetime.now(UTC)
        assert timedelta(minutes=30) < timedelta(seconds=left.total_seconds() % 86_400) <= timedelta(minutes=61)


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
