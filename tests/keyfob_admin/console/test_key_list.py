"""How lists are walked, searched and filtered, and what they and the page of a key show."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from keyfob.store.contract.key_store import Use
from tests.keyfob_admin.console.conftest import OTHER_TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.key_lists import fill, link, names_on


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
    assert "just now · 203.0.113.24" in words(page)
    assert 'aria-label="Used 1,485 times in 30 days"' in page
    assert "in 6 days" in words(page)
    assert "acme team" in words(page)


def test_the_key_page_draws_thirty_days_with_a_table(visitor: Visitor, live: LiveConsole) -> None:
    """The bar chart has a text of its own; its link leads to a table of every day, which leads back."""
    ((key_id, _),) = fill(live, 1)
    page = visitor.get(f"/keys/{key_id}").text
    assert 'aria-label="Requests on each of the last 30 days: 1485 admitted and 0 denied"' in page
    assert 15 == page.count("<rect ")
    assert f'href="/keys/{key_id}?table=yes">View as table</a>' in page
    table = visitor.get(f"/keys/{key_id}?table=yes").text
    assert 30 == len(re.findall(r'<th scope="row">', table))
    assert f'href="/keys/{key_id}">View as chart</a>' in table
    assert f'href="/keys/{key_id}?days=7&amp;table=yes"' in table
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
    assert "* May do everything, in every team, now and in future 1 key" in said_there
    assert ["b", "a"] == names_on(visitor.get("/keys?permission=items:read").text)
