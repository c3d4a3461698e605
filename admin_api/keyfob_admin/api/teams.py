"""Teams: list, create, read, change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob import errors
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import given, or_none, views
from keyfob_admin.wire.presenters import shown_team
from keyfob_admin.wire.requests import CreateTeam, PageQuery, PatchTeam

if TYPE_CHECKING:
    from starlette.responses import Response

_TEAMS: Final = "/v1/teams"
_TEAM: Final = _TEAMS + "/{team}"


async def list_teams(call: Call) -> Response:
    """Show one page of the teams that the caller can see: its own, or all with ``teams:write``."""
    asked = call.asked(PageQuery)
    page = await call.runtime.teams.page(
        page_size=asked.page_size, page_token=asked.page_token or None, actor=call.actor
    )
    return answer(views.TeamPage([shown_team(team) for team in page.items], page.next_token))


async def create(call: Call) -> Response:
    """Create a team."""
    sent = call.sent(CreateTeam)
    team = await call.runtime.teams.create(
        sent.id,
        name=or_none(sent.name),
        plan=sent.plan,
        metadata=or_none(sent.metadata),
        external_id=sent.external_id,
        actor=call.actor,
    )
    return answer(shown_team(team), 201, {"Location": call.address_of(f"/v1/teams/{team.id}")})


async def get(call: Call) -> Response:
    """Show one team."""
    return answer(shown_team(await call.runtime.teams.get(call.team, actor=call.actor)))


async def patch(call: Call) -> Response:
    """Change what the caller sent and leave the rest."""
    changes = given(call.sent(PatchTeam))
    return answer(shown_team(await call.runtime.teams.update(call.team, changes, actor=call.actor)))


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="GET",
        path=_TEAMS,
        name="list_teams",
        summary="List the teams that you can see",
        handler=list_teams,
        tag="Teams",
        any_of=("teams:read",),
        query=PageQuery,
        answer=views.TeamPage,
    ),
    Route(
        method="POST",
        path=_TEAMS,
        name="create_team",
        summary="Create a team",
        handler=create,
        tag="Teams",
        any_of=("teams:write",),
        body=CreateTeam,
        status=201,
        answer=views.Team,
        refusals=(errors.TeamExists, errors.Invalid),
    ),
    Route(
        method="GET",
        path=_TEAM,
        name="get_team",
        summary="Read a team",
        handler=get,
        tag="Teams",
        any_of=("teams:read",),
        answer=views.Team,
    ),
    Route(
        method="PATCH",
        path=_TEAM,
        name="update_team",
        summary="Change a team",
        handler=patch,
        tag="Teams",
        any_of=("teams:write",),
        body=PatchTeam,
        answer=views.Team,
        refusals=(errors.Invalid,),
    ),
)
