"""The verbs for teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.runtime.in_process.arguments import actor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.keys.record import MetadataValue, Team
    from keyfob.runtime.in_process.arguments import By
    from keyfob.runtime.runtime import Runtime


class TeamVerbs:
    """What can be done with teams."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def create(
        self,
        *,
        team: str,
        actor: By,
        name: str | None = None,
        plan: str | None = None,
        metadata: Mapping[str, MetadataValue] | None = None,
        external_id: str | None = None,
    ) -> Team:
        """Make a team with the id *team*. Raises TeamExists."""
        await self._runtime.ready()
        return await self._runtime.teams.create(
            team, name, plan, metadata=metadata, external_id=external_id, actor=actor_of(actor)
        )

    async def get(self, *, team: str, actor: By) -> Team:
        """Look at one team. Raises NotFound."""
        await self._runtime.ready()
        return await self._runtime.teams.get(team, actor=actor_of(actor))

    async def list(self, *, actor: By) -> tuple[Team, ...]:
        """Give every team that *actor* can see, by id."""
        await self._runtime.ready()
        return await self._runtime.teams.list(actor=actor_of(actor))

    async def update(self, *, team: str, actor: By, **changes: Any) -> Team:  # noqa: ANN401
        """Change name, plan, metadata or external id. A new plan suspends or restores keys immediately."""
        await self._runtime.ready()
        return await self._runtime.teams.update(team, changes, actor=actor_of(actor))
