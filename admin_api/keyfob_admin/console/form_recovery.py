"""When a session ends in the midst of a form: what was entered is kept over the sign-in, and nothing is lost.

It travels in the sign-in form and back, or in a cookie to a provider and back; no store has it. What comes back is only
shown, to whoever had filled it in by the form's mark, and sent by a person.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode

from keyfob.keyring.tokens import entry_of, token_digest
from keyfob_admin.console.form import TOKEN

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob.keyring.keyring import SigningKey
    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.sessions import SignedIn

KEPT: Final = "kept"
_WITH_FORM: Final = ("/keys/new", "/duplicate", "/edit")
_ASKING_AGAIN: Final = (*_WITH_FORM, "/settings", "/disable", "/delete", "/replace", "/remove", "/offboard")
_MOST_KEPT: Final = 16_000  # characters; escaped once more it still fits into a form
_NOT_KEPT: Final = {TOKEN, "preset"}
_PLACE: Final = re.compile(r"/people/[^/]+|/sessions")  # the page whose forms are sent below it
_FILLED_BY: Final = "by"


def way_back(page_request: PageRequest) -> str:
    """The page on which what was just sent without a session can be sent again."""
    path, mark, query = page_request.here.partition("?")
    if path.endswith(_ASKING_AGAIN):
        return page_request.here
    if path.startswith("/keys/"):
        return path.removesuffix("/enable").removesuffix("/handover")
    place = _PLACE.match(path)
    return f"{place[0] if place else '/keys'}{mark}{query}"


def form_to_keep(page_request: PageRequest) -> str:
    """What was entered, as one text; empty where there is nothing to keep, or too much."""
    path = page_request.here.partition("?")[0]
    fields = {name: values for name, values in page_request.form.fields.items() if name not in _NOT_KEPT}
    kept = urlencode(fields, doseq=True) if path.endswith(_WITH_FORM) else ""
    return kept if len(kept) <= _MOST_KEPT else ""


def filled_by(page_request: PageRequest) -> str:
    """Mark a form with whoever fills it in."""
    entry = page_request.runtime.keyring.signing()
    return entry.char + _mark(entry, page_request.who)


async def resumed(page_request: PageRequest, token: str, inside: str, kept: str) -> Response | None:
    """Show whoever has the new session of *token* the form of the page *inside* as *kept*; None if it is not theirs."""
    fields = _fields(kept) if inside.partition("?")[0].endswith(_WITH_FORM) else []
    mark = dict(fields).get(_FILLED_BY, "")
    entry = entry_of(mark, page_request.runtime.keyring)
    if entry is None:
        return None
    who = await page_request.console.sign_in.who(token, page_request.ip, page_request.proxied)
    if who is None or not compare_digest(mark[1:].encode(), _mark(entry, who).encode()):
        return None
    here = replace(page_request, signed_in=who)
    return here.page("resume.html", path=page_request.place.url(inside), fields=fields)


def _mark(entry: SigningKey, who: SignedIn) -> str:
    behind = f"key {who.key.id}" if who.key is not None else f"person {who.actor.id}"
    return token_digest(entry, "filled-by", behind).hex()


def _fields(kept: str) -> list[tuple[str, str]]:
    try:
        read = parse_qs(kept, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return []
    return [(name, value) for name, values in read.items() for value in values if name not in _NOT_KEPT]
