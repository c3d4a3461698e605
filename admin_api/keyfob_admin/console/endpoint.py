"""From ASGI to a page and back: who visits, whose form it is, and the one place where exceptions become pages."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from keyfob import errors
from keyfob_admin.console.form import demand_own_form, read_form
from keyfob_admin.console.origin import SESSION, Place, safe_next
from keyfob_admin.console.page_request import Visit
from keyfob_admin.console.redaction import without_secrets
from keyfob_admin.console.sign_in_pages import without_session
from keyfob_admin.problems import TITLES, Problem, internal, problem_of, request_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from keyfob.keys.record import Team
    from keyfob_admin.console.page_request import Console

    Handler = Callable[[Visit], Awaitable[Response]]

log = logging.getLogger("keyfob.console")

KEY_GONE: Final = "This key doesn't exist, or it was deleted."
NO_PAGE: Final = "There is no such page."
STORE_DOWN: Final = (
    "keyfob can't reach its database. Requests with recently checked keys still work; changes don't. Last error: "
)
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
        place = Place.of(request, self._console.runtime.settings.admin)
        visit = Visit(request=request, console=self._console, place=place)
        response = await self._answer(visit)
        await response(scope, receive, send)

    async def _answer(self, visit: Visit) -> Response:
        try:
            if (cut := without_secrets(visit.here, visit.runtime.brand)) != visit.here:
                return visit.goes_to(visit.place.url(safe_next(cut)))
            await visit.runtime.awaken()
            visit = await self._with_session(visit)
            form = await read_form(visit.request) if visit.request.method == "POST" else visit.form
            visit = replace(visit, form=form)
            if self._signed_in and visit.signed_in is None:
                return without_session(visit)
            if visit.request.method == "POST":
                demand_own_form(visit.request, visit.place, form, visit.form_token)
            return await self._handler(await _in_team(visit))
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        except Exception as error:  # noqa: BLE001 - a person always gets a page
            return refused(visit, error)

    async def _with_session(self, visit: Visit) -> Visit:
        token = visit.place.cookie(visit.request, SESSION)
        if not token or not visit.place.may_sign_in:
            return visit
        return replace(visit, signed_in=await self._console.sign_in.who(token, visit.ip))


def refused(visit: Visit, error: Exception) -> Response:
    """Make a page of what went wrong."""
    status, said = _what_to_say(visit, error)
    if status == 500:  # noqa: PLR2004
        _log(visit, error)
    page = message_page(visit, status, said)
    page.headers.update(getattr(error, "headers", None) or {})
    return page


def message_page(visit: Visit, status: int, said: str) -> Response:
    """Make a page that says one thing and leads on."""
    back = (visit.place.url("/keys"), "Back to Keys")
    if status == 503:  # noqa: PLR2004
        back = (visit.place.url(visit.here), "Try again")
    shown = {"title": TITLES[status], "said": said, "back": back, "request_id": request_id_of(visit.request.scope)}
    return visit.page("message.html", status, **shown)


def _what_to_say(visit: Visit, error: Exception) -> tuple[int, str]:
    said = _in_our_words(visit, error)
    if isinstance(error, Problem):
        return error.status, error.detail
    details = problem_of(error) if isinstance(error, errors.KeyfobError) else internal()
    return details.status, said or details.detail


def _in_our_words(visit: Visit, error: Exception) -> str | None:
    """What the console says where the admin API says something else."""
    match error:
        case errors.NotFound():
            return KEY_GONE if "key" in visit.request.path_params else NO_PAGE
        case errors.Forbidden():
            return f"Your admin key doesn't hold {error.needed}, which this needs."
        case errors.KeyNotDisabled():
            return "Disable this key before you can delete it."
        case errors.StoreUnavailable():
            return f"{STORE_DOWN}{error}"
        case _:
            return None


async def _in_team(visit: Visit) -> Visit:
    """Find the team that is looked at: the key's, the one that the query names, or one's own. Raises NotFound."""
    if visit.signed_in is None:
        return visit
    actor, store = visit.actor, visit.runtime.store
    teams = tuple(await store.teams()) if actor.acts_everywhere else ()
    if "key" in visit.request.path_params:
        team_id = await _team_of_key(visit)
    else:
        team_id = visit.asked("team") or visit.who.key.team
    team = await store.team(team_id) if actor.may_see(team_id) else None
    if team is None:
        raise errors.NotFound("there is no such team")
    return replace(visit, team_or_none=team, teams=_choice(teams))


async def _team_of_key(visit: Visit) -> str:
    found = await visit.runtime.store.find(visit.key_id) if visit.key_id else None
    if found is None or found.record is None or found.record.is_deleted:
        raise errors.NotFound("there is no such key")
    return found.record.team


def _choice(teams: tuple[Team, ...]) -> tuple[Team, ...]:
    return teams if len(teams) > 1 else ()


def _log(visit: Visit, error: Exception) -> None:
    """Log where it broke, without the error's words: they may repeat what somebody typed."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("page %s failed: %s\n%s", request_id_of(visit.request.scope), type(error).__qualname__, frames)
