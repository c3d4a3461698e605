"""One's own sessions: which there are, ending one, and signing out everywhere."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.management.people.browser_rows import is_genuine_session
from keyfob_admin.console.origin import SESSION
from keyfob_admin.console.sign_in_pages import sign_out

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob.audit import Event
    from keyfob.store.contract.console import Session
    from keyfob_admin.console.page_request import PageRequest


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One of the sessions of whoever is signed in. *handle* names it in a form of the current session alone."""

    session: Session
    handle: str
    is_this: bool


async def show(page_request: PageRequest) -> Response:
    """List the sessions, the newest first."""
    return page_request.page("sessions.html", sessions=await _own(page_request))


async def end_one(page_request: PageRequest) -> Response:
    """End the session that the form names, if it is one's own and still there."""
    named = page_request.form.get("session").encode()
    for one in await _own(page_request):
        if hmac.compare_digest(one.handle.encode(), named):
            if one.is_this:
                return await sign_out(page_request)
            event = _event(page_request, "another session")
            await page_request.console.store.end_session(one.session.id_hash, event)
    return page_request.goes_to(page_request.url("/sessions", done="ended"))


async def end_all(page_request: PageRequest) -> Response:
    """Sign out everywhere, here included."""
    event = _event(page_request, "every session")
    await page_request.console.store.end_sessions_like(page_request.who.session, event)
    response = page_request.goes_to(page_request.place.url("/login"))
    page_request.place.set_cookie(response, SESSION, "")
    return response


async def _own(page_request: PageRequest) -> list[OwnSession]:
    who, entries = page_request.who, page_request.runtime.keyring.entries().values()
    return [
        OwnSession(one, _handle(page_request, one), one.id_hash == who.session.id_hash)
        for one in reversed(await page_request.console.store.sessions_like(who.session))
        if one.expires_at > page_request.now and any(is_genuine_session(entry, one) for entry in entries)
    ]


def _handle(page_request: PageRequest, session: Session) -> str:
    return hmac.digest(page_request.who.csrf, b"session\0" + session.id_hash, "sha256").hex()


def _event(page_request: PageRequest, ended: str) -> Event:
    who = page_request.who
    told = {} if who.key is None else {"key": who.key.name}
    key_id = None if who.key is None else who.key.id
    return who.actor.did("console.signed_out", page_request.now, team=who.team, key_id=key_id, ended=ended, **told)
