"""Where there are more teams than a menu holds: a page of them all, and a field that leads to the one it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest

_PLACES: Final = ("/keys", "/people", "/permissions", "/activity", "/settings")


async def show_teams(page_request: PageRequest) -> Response:
    """List the teams with what is written in their name or id, or go on to the only one of them."""
    text, place = page_request.asked("q") or "", page_request.asked("next")
    place = place if place in _PLACES else _PLACES[0]
    folded = text.casefold()
    found = [team for team in page_request.teams if folded in team.name.casefold() or folded == team.id]
    same = [team for team in found if folded in {team.name.casefold(), team.id}]
    only = same if len(same) == 1 else found
    if text and len(only) == 1:
        return page_request.goes_to(page_request.team_url(only[0], place))
    return page_request.page("teams.html", found=found, text=text, place=place)
