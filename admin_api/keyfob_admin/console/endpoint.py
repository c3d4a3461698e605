"""From ASGI to a page and back: who visits, whose form it is, and the one place where exceptions become pages."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from keyfob import errors
from keyfob_admin.console.form import Form, demand_own_form, read_form
from keyfob_admin.console.origin import SESSION, Origin, safe_next
from keyfob_admin.console.page_request import PageRequest
from keyfob_admin.console.redaction import without_secrets
from keyfob_admin.console.sign_in_pages import without_session
from keyfob_admin.problems import TITLES, Problem, internal, problem_of, request_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from keyfob.keys.record import Team
    from keyfob_admin.console.page_request import Console

    Handler = Callable[[PageRequest], Awaitable[Response]]

log = logging.getLogger("keyfob.console")

KEY_GONE: Final = "This key doesn't exist, or it was deleted."
BEYOND: Final = "Only somebody whose role can do at least as much can change this person."
NO_PAGE: Final = "There is no such page."
STORE_AWAY: Final = "API keys can't be shown or changed right now. Try again in a moment."
STORE_DOWN: Final = "Keyfob can't reach its database."
_MOST_NAMED: Final = 3  # permissions in a sentence
_CLIENT_LEFT: Final = 400  # nobody reads it


class Page:
    """One page: reads the session, the team and the form, and has *handler* answer."""

    def __init__(self, console: Console, handler: Handler, *, signed_in: bool = True) -> None:
        """*signed_in* is whether the page is only for those who are."""
        self._console = console
        self._handler = handler
        self._signed_in = signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        place = Origin.of(request, self._console.runtime.settings.admin)
        page_request = PageRequest(request=request, console=self._console, place=place)
        response = await self._answer(page_request)
        await response(scope, receive, send)

    async def _answer(self, page_request: PageRequest) -> Response:
        try:
            if (cut := without_secrets(page_request.here, page_request.runtime.prefix)) != page_request.here:
                return page_request.goes_to(page_request.place.url(safe_next(cut)))
            await page_request.runtime.awaken()
            page_request = await self._with_session(page_request)
            if page_request.request.method == "POST":
                page_request = replace(page_request, form=await read_form(page_request.request))
            if self._signed_in and page_request.signed_in is None:
                return self._without_session(page_request)
            if page_request.request.method == "POST":
                demand_own_form(page_request.request, page_request.place, page_request.form, page_request.form_token)
            return await self._handler(await _in_team(page_request))
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        except Exception as error:  # noqa: BLE001 - a person always gets a page
            return refused(await self._with_own_form(page_request), error)

    async def _with_own_form(self, page_request: PageRequest) -> PageRequest:
        """What was entered, to be sent again after an outage: nothing of another site, and nothing to sign in with."""
        form, request = page_request.form, page_request.request
        if not self._signed_in or request.method != "POST" or not page_request.place.is_from_here(request):
            return replace(page_request, form=Form())
        with suppress(Problem, ClientDisconnect, RuntimeError):  # none, cut off, or read already
            form = form if form.fields else await read_form(request)
        return replace(page_request, form=form)

    async def _with_session(self, page_request: PageRequest) -> PageRequest:
        token = page_request.place.cookie(page_request.request, SESSION)
        if not token or not page_request.place.may_sign_in:
            return page_request
        claims = page_request.proxied
        who = await self._console.sign_in.who(token, page_request.ip, claims)
        if who is not None:
            who = await self._console.people.renewed(who, claims)
        return replace(page_request, signed_in=who)

    def _without_session(self, page_request: PageRequest) -> Response:
        return without_session(page_request)


def refused(page_request: PageRequest, error: Exception) -> Response:
    """Make a page of what went wrong."""
    status, said = _what_to_say(page_request, error)
    if status == 500:  # noqa: PLR2004
        _log(page_request, error)
    page = message_page(page_request, status, said)
    page.headers.update(getattr(error, "headers", None) or {})
    return page


def message_page(page_request: PageRequest, status: int, said: str) -> Response:
    """Make a page that says one thing and leads on. What an outage kept from being done can be sent again."""
    back = (page_request.place.url("/keys"), "Back to Keys")
    away = status == 503  # noqa: PLR2004
    if away:
        back = (page_request.place.url(page_request.here), "Try again")
    shown = {
        "title": TITLES[status],
        "said": said,
        "back": back,
        "again": page_request.form.fields if away else None,
        "request_id": request_id_of(page_request.request.scope),
    }
    return page_request.page("message.html", status, **shown)


def _what_to_say(page_request: PageRequest, error: Exception) -> tuple[int, str]:
    said = _in_our_words(page_request, error)
    if isinstance(error, Problem):
        return error.status, error.detail
    details = problem_of(error) if isinstance(error, errors.KeyfobError) else internal()
    return details.status, said or details.detail


def _in_our_words(page_request: PageRequest, error: Exception) -> str | None:
    """What the console says where the admin API says something else."""
    match error:
        case errors.NotFound():
            return KEY_GONE if "key" in page_request.request.path_params else NO_PAGE
        case errors.ExceedsOwnPermissions() if "person" in page_request.request.path_params:
            return BEYOND
        case errors.Forbidden() | errors.ExceedsOwnPermissions():
            needed = error.needed if isinstance(error, errors.Forbidden) else ", ".join(error.missing[:_MOST_NAMED])
            return f"{page_request.holder} doesn't hold {needed}, which this needs."
        case errors.KeyNotDisabled():
            return "Disable this key before you can delete it."
        case errors.StoreUnavailable():
            down = f"{STORE_DOWN} {_meanwhile(page_request)} Last error: {str(error).rstrip('.')}."
            return STORE_AWAY if page_request.embedding is not None else down
        case _:
            return None


def _meanwhile(page_request: PageRequest) -> str:
    """What happens to requests while the database is away, as it is configured."""
    runtime = page_request.runtime
    left = runtime.freshness.lease_remaining() if runtime.settings.max_stale_on_outage else 0.0
    if left <= 0:
        return "Your application is answering 503 to every request with a key. Nothing can be changed until it is back."
    return (
        f"Recently checked keys still work until {page_request.now + timedelta(seconds=left):%H:%M:%S} UTC; then your "
        "application answers 503. Nothing can be changed until it is back."
    )


async def _in_team(page_request: PageRequest) -> PageRequest:
    """Find the team that is looked at: the key's, the one that the query names, or one's own. Raises NotFound."""
    if page_request.signed_in is None:
        return page_request
    who, store = page_request.who, page_request.runtime.store
    everywhere = who.actor.acts_everywhere
    teams = tuple(await store.teams()) if everywhere or len(who.member_of) > 1 else ()
    teams = tuple(team for team in teams if everywhere or team.id in who.member_of)
    if "key" in page_request.request.path_params:
        team_id = await _team_of_key(page_request)
    else:
        team_id = page_request.asked("team") or who.team
    team = await store.team(team_id) if who.actor_in(team_id).may_see(team_id) else None
    if team is None:
        raise errors.NotFound("there is no such team")
    return replace(page_request, team_or_none=team, teams=_choice(teams))


async def _team_of_key(page_request: PageRequest) -> str:
    found = await page_request.runtime.store.find(page_request.key_id) if page_request.key_id else None
    if found is None or found.record is None or found.record.is_deleted:
        raise errors.NotFound("there is no such key")
    return found.record.team


def _choice(teams: tuple[Team, ...]) -> tuple[Team, ...]:
    return teams if len(teams) > 1 else ()


def _log(page_request: PageRequest, error: Exception) -> None:
    """Log where it broke, without the error's words: they may repeat what somebody typed."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error(
        "page %s failed: %s\n%s",
        request_id_of(page_request.request.scope),
        type(error).__qualname__,
        frames,
        extra={"event": "page_failed"},
    )
