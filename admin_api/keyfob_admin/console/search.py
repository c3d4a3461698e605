"""The one search box: keys in whatever was pasted, or else a search for words.

What is pasted may hold a secret. So the form is a POST, and only what cannot be one becomes part of an address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyfob_admin.console.key_list import FILTERS, list_page

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.responses import Response

    from keyfob.management.key_finder import Match
    from keyfob_admin.console.page_request import PageRequest

_MOST_WORDS: Final = 100  # characters, as many as a name has
_SECRET_LIKE: Final = re.compile(r"[0-9A-Za-z]{20}")  # names have blanks or dashes by then


async def lead_to_list(page_request: PageRequest) -> Response:
    """Lead on whoever opens the address of a search, which says nothing of what was sought."""
    return page_request.goes_to(page_request.url("/keys"))


async def search(page_request: PageRequest) -> Response:
    """Say which keys the text names, or lead to the list of those with its words."""
    text = page_request.form.get("text").strip()
    if not text:
        return page_request.goes_to(page_request.url("/keys"))
    found = await page_request.runtime.finder.find(text, actor=page_request.actor)
    if not found and len(text) <= _MOST_WORDS and not _SECRET_LIKE.search(text):
        return page_request.goes_to(page_request.url("/keys", q=text))
    nothing: dict[str, str | None] = dict.fromkeys(FILTERS)
    return await list_page(page_request, nothing, found=found, found_teams=await _team_names(page_request, found))


async def _team_names(page_request: PageRequest, found: Collection[Match]) -> dict[str, str]:
    """Give the names of the teams that the found keys belong to."""
    names = {}
    for team_id in {match.view.record.team for match in found if match.view is not None}:
        team = await page_request.runtime.store.team(team_id)
        names[team_id] = team.name if team is not None else team_id
    return names
