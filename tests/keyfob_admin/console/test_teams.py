"""Switching between more teams than a menu holds."""

from __future__ import annotations

import re

import pytest

from keyfob_admin.console.page_request import MOST_TEAMS
from tests.keyfob_admin.console.conftest import OTHER_TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.people import closing, joined, make_team

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines


def make_teams(live: LiveConsole) -> None:
    """Make as many teams as the menu holds, beside the two there are, one of them with an emoji in its name."""
    names = {f"team-{number:02}": f"Team {number:02}" for number in range(MOST_TEAMS - 2)}
    for team, name in {**names, "team-more": "Team 03 and more", "zz-rockets": "\N{ROCKET} Rockets"}.items():
        make_team(live, team, name)


def in_menu(text: str) -> list[str]:
    """The ids of the teams that the menu leads to."""
    menu = text.partition('class="menu teams"')[2].partition("</details>")[0]
    return re.findall(r"team=([\w-]+)", menu)


def test_few_teams_are_all_in_the_menu(visitor: Visitor) -> None:
    """There is no field to find a team where each has its link."""
    page = visitor.get("/keys").text
    assert ["acme", OTHER_TEAM] == in_menu(page)
    assert 'aria-label="Find a team"' not in page


def test_one_of_many_teams_is_found_by_name(visitor: Visitor, live: LiveConsole) -> None:
    """The field leads to the same kind of page in the only team that is meant, or lists those that could be."""
    make_teams(live)
    page = visitor.get("/people?team=zz-rockets").text
    assert f"Find one of {MOST_TEAMS + 2} teams" in page
    assert MOST_TEAMS + 1 == len(in_menu(page))
    assert "zz-rockets" in in_menu(page)
    for text, team in (("ROCKET", "zz-rockets"), ("team 03", "team-03"), (OTHER_TEAM, OTHER_TEAM)):
        answer = visitor.get("/teams", params={"q": text, "next": "/people"})
        assert (303, f"/people?team={team}") == (answer.status_code, answer.headers["location"])
    said = words(visitor.get("/teams?q=team&next=/people").text)
    assert f"Teams {MOST_TEAMS - 1}" in said
    assert "Team 00 team-00 Team 01 team-01" in said
    assert f"Teams {MOST_TEAMS + 2}" in words(visitor.get("/teams").text)
    assert "No team is called this." in words(visitor.get("/teams?q=nothing").text)


def test_a_search_leads_to_pages_of_the_console_alone(visitor: Visitor, live: LiveConsole) -> None:
    """Whatever an address says comes next, it is one of the places in the navigation."""
    make_teams(live)
    for place in ("https://example.com", "//example.com", "/keys/new", ""):
        answer = visitor.get("/teams", params={"q": "rockets", "next": place})
        assert "/keys?team=zz-rockets" == answer.headers["location"]


def test_teams_of_others_are_not_found(live: LiveConsole) -> None:
    """Who belongs to one team finds no other."""
    _, browser = joined(live, "cleo@example.com", "team_admin")
    assert "Globex" not in browser.get("/teams").text
    assert "No team is called this." in words(browser.get("/teams?q=globex").text)
