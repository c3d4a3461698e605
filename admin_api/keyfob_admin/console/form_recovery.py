"""When a session ends in the midst of a form: what was entered is kept over the sign-in, and nothing is lost.

It travels in the sign-in form and back; no store has it. The form that comes back is only shown, and sent by a person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode

from keyfob_admin.console.form import TOKEN

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest

KEPT: Final = "kept"
_WITH_FORM: Final = ("/keys/new", "/duplicate", "/edit")
_ASKING_AGAIN: Final = (*_WITH_FORM, "/settings", "/disable", "/delete", "/replace")
_MOST_KEPT: Final = 16_000  # characters; escaped once more it still fits into a form
_NOT_KEPT: Final = {TOKEN, "preset"}


def way_back(page_request: PageRequest) -> str:
    """The page on which what was just sent without a session can be sent again."""
    path = page_request.here.partition("?")[0]
    if path.endswith(_ASKING_AGAIN):
        return page_request.here
    return path.removesuffix("/enable") if path.startswith("/keys/") else "/keys"


def form_to_keep(page_request: PageRequest) -> str:
    """What was entered, as one text; empty where there is nothing to keep, or too much."""
    path = page_request.here.partition("?")[0]
    fields = {name: values for name, values in page_request.form.fields.items() if name not in _NOT_KEPT}
    kept = urlencode(fields, doseq=True) if path.endswith(_WITH_FORM) else ""
    return kept if len(kept) <= _MOST_KEPT else ""


async def resumed(page_request: PageRequest, token: str, inside: str) -> Response:
    """Lead the new session of *token* to the page *inside*, with what was kept if that is a form."""
    path = page_request.place.url(inside)
    fields = _fields(page_request.form.get(KEPT)) if inside.partition("?")[0].endswith(_WITH_FORM) else []
    who = await page_request.console.sign_in.who(token, page_request.ip) if fields else None
    if who is None:
        return page_request.goes_to(path)
    return replace(page_request, signed_in=who).page("resume.html", path=path, fields=fields)


def _fields(kept: str) -> list[tuple[str, str]]:
    try:
        read = parse_qs(kept, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return []
    return [(name, value) for name, values in read.items() for value in values if name not in _NOT_KEPT]
