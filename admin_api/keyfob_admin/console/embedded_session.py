"""Who is on a Keys page inside an application: asked of the application, and stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import logging
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from keyfob.errors import Invalid, NotFound, PersonLeft
from keyfob.management.people.app_people import PageAuthority
from keyfob.people.app_person import AppPerson
from keyfob.store.contract.console import Session
from keyfob_admin.problems import Problem, request_id_of
from keyfob_admin.sessions import SignedIn

if TYPE_CHECKING:
    from starlette.requests import Request

    from keyfob.people.record import Person
    from keyfob_admin.console.embedding import Embedding, Who
    from keyfob_admin.console.page_request import PageRequest

log = logging.getLogger("keyfob.page")

UNKNOWN: Final = "API keys can't be shown right now. Nothing was changed."
LEFT: Final = "You no longer have access to these API keys."
_REQUEST_LASTS: Final = timedelta(minutes=1)  # of a session that ends with its request


async def signed_in_by(page_request: PageRequest, embedding: Embedding) -> SignedIn | None:
    """Ask the application who is there. None for nobody.

    Raises:
        Problem: 503 if the application cannot tell, or says what cannot be; 403 for somebody who has left, or
            whose team was deleted.
    """
    try:
        given = await _asked(embedding.who, page_request.request)
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody is signed in
        frames = "".join(traceback.format_tb(error.__traceback__))  # without its words, which may hold anything
        _log(page_request, f"who() failed: {type(error).__qualname__}\n{frames}")
        raise Problem(503, "unavailable", UNKNOWN) from None
    if given is None:
        return None
    if not isinstance(given, AppPerson):
        _log(page_request, f"who() gave a {type(given).__qualname__} instead of a Person or None")
        raise Problem(503, "unavailable", UNKNOWN)
    try:
        person = await page_request.runtime.app_people.known(given)
    except Invalid as invalid:
        wrong = "; ".join(f"{pointer}: {said}" for pointer, said in invalid.errors)
        _log(page_request, f"who() gave a Person that cannot be: {wrong}")
        raise Problem(503, "unavailable", UNKNOWN) from None
    except (NotFound, PersonLeft):
        raise Problem(403, "forbidden", LEFT) from None
    return _session_of(page_request, person, given.team)


async def signed_in_again(page_request: PageRequest, embedding: Embedding) -> SignedIn | None:
    """Ask the application once more, for what goes on long after the request was admitted."""
    try:
        return await signed_in_by(page_request, embedding)
    except Problem:
        return None


async def _asked(who: Who, request: Request) -> object:
    """Call *who*; a plain function runs in a thread, since it may wait for a database."""
    is_async = inspect.iscoroutinefunction(who) or inspect.iscoroutinefunction(getattr(who, "__call__", None))  # noqa: B004
    found = who(request) if is_async else await run_in_threadpool(who, request)
    return await found if inspect.isawaitable(found) else found


def _session_of(page_request: PageRequest, person: Person, team: str) -> SignedIn:
    """Make the session of this request; it is stored nowhere."""
    runtime, now = page_request.runtime, page_request.now
    signing = runtime.keyring.signing()
    bound = f"page\n{page_request.browser}\n{person.id}"
    return SignedIn(
        session=Session(b"", None, b"", page_request.ip, now, now + _REQUEST_LASTS, person.id),
        ip=page_request.ip,
        csrf=hmac.new(signing.csrf_key, bound.encode(), hashlib.sha256).digest(),
        signing=signing,
        person=person,
        authority=PageAuthority(runtime.authority, team),
    )


def _log(page_request: PageRequest, what: str) -> None:
    log.error(
        "the Keys page cannot answer request %s: %s",
        request_id_of(page_request.request.scope),
        what,
        extra={"event": "keys_page_failed"},
    )
