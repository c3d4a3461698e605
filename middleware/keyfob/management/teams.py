"""Teams: who holds keys together, and by which plan."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from keyfob.errors import Invalid, NotFound, TeamExists, TeamInUse
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.record import NO_METADATA, Team
from keyfob.management.actor import confirmed
from keyfob.management.audited_state import state_of_team
from keyfob.management.key_descriptions import differing_attributes
from keyfob.management.metadata import clean_external_id, clean_metadata, merged
from keyfob.management.pagination import DEFAULT_PAGE, LARGEST_PAGE, Page, read_number, read_token, write_token
from keyfob.management.validation import clean_name, clean_team_id
from keyfob.policy.catalogue import DEFAULT_PLAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from keyfob.keys.record import MetadataValue
    from keyfob.management.actor import Actor
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

_LISTING = "teams"


class Teams:
    """Shows, makes and changes teams. Teams the actor cannot see are reported as not found."""

    def __init__(self, store: KeyStore, catalogue: Catalogue, now: Callable[[], datetime]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clean_name = partial(clean_name, cut=catalogue.cut_foreign)
        self._now = now

    async def list(self, *, actor: Actor) -> tuple[Team, ...]:
        """Every team that *actor* can see, by id. Raises Forbidden without ``teams:read``."""
        actor.demand("teams:read")
        seen = (team for team in await self._store.teams() if actor.may_see(team.id))
        return tuple(sorted(seen, key=lambda team: team.id))

    async def page(
        self, *, page_size: int | str = DEFAULT_PAGE, page_token: str | None = None, actor: Actor
    ) -> Page[Team]:
        """One page of what `list` gives. Raises Forbidden as `list`, and Invalid with the parameter as pointer."""
        most = read_number(page_size, "page_size", most=LARGEST_PAGE)
        after = str(read_token(page_token, listing=_LISTING, kinds=(str,))[0]) if page_token else ""
        rest = [team for team in await self.list(actor=actor) if team.id > after]
        shown = tuple(rest[:most])
        return Page(shown, write_token(_LISTING, shown[-1].id) if len(rest) > most else None)

    async def get(self, team_id: str, *, actor: Actor) -> Team:
        """One team. Raises Forbidden without ``teams:read``, and NotFound."""
        actor.demand("teams:read")
        return await self._seen(team_id, actor)

    async def create(
        self,
        team_id: str,
        name: str | None = None,
        plan: str | None = None,
        *,
        metadata: Mapping[str, MetadataValue] | None = None,
        external_id: str | None = None,
        actor: Actor,
    ) -> Team:
        """Make a team; its name is its id and its plan ``enterprise`` unless said otherwise.

        Raises:
            Forbidden: without ``teams:write``.
            Invalid: the id is no slug, the name is not acceptable, or there is no such plan.
            TeamExists: the id is taken.
        """
        actor.demand("teams:write")
        at = self._now()
        plan = self._known(DEFAULT_PLAN if plan is None else plan)
        team = Team(
            clean_team_id(team_id),
            self._clean_name(team_id if name is None else name),
            plan,
            at,
            metadata=merged(NO_METADATA, clean_metadata(metadata or {})),
            external_id=clean_external_id(external_id),
        )

        async def work(rows: Transaction) -> Team:
            doer = await confirmed(actor, rows, "teams:write", at=at)
            if await rows.team_is_taken(team.id):
                raise TeamExists(f"there is a team {team.id} already, or there was one: its id is not given again")
            await rows.put_team(team)
            await rows.append(
                doer.did("team.created", at, team=team.id, name=team.name, plan=team.plan, after=state_of_team(team))
            )
            return team

        return await self._store.change(work)

    async def update(self, team_id: str, patch: Mapping[str, object], *, actor: Actor) -> Team:
        """Apply a merge patch to ``name``, ``plan``, ``metadata`` and ``external_id``.

        A new plan suspends or restores keys immediately.

        Raises:
            Forbidden: without ``teams:write``.
            NotFound: no such team.
            Invalid: another field, or a value that is not acceptable.
        """
        actor.demand("teams:write")
        await self._seen(team_id, actor)
        changes = self._clean(patch)

        async def work(rows: Transaction) -> Team:
            at = self._now()
            doer = await confirmed(actor, rows, "teams:write", at=at)
            before = _still_there(await rows.team(team_id))
            metadata = merged(before.metadata, changes["metadata"]) if "metadata" in changes else before.metadata
            after = replace(before, **{**changes, "metadata": metadata})
            if after != before:
                await _put(rows, before, after, doer, at)
            return after

        return await self._store.change(work)

    async def delete(self, team_id: str, *, actor: Actor) -> Team:
        """Delete a team that has neither keys nor people. Its deleted keys stay findable; its id is never given again.

        Raises:
            Forbidden: without ``teams:write``.
            NotFound: no such team.
            TeamInUse: it has keys that are not deleted, or people with a role in it.
        """
        actor.demand("teams:write")
        await self._seen(team_id, actor)

        async def work(rows: Transaction) -> Team:
            at = self._now()
            doer = await confirmed(actor, rows, "teams:write", at=at)
            before = _still_there(await rows.team(team_id))
            _check_unused(before, *await rows.team_holds(team_id))
            await rows.delete_team(team_id, at)
            after = replace(before, is_deleted=True)
            await rows.append(doer.did("team.deleted", at, team=team_id, name=before.name, after=state_of_team(after)))
            return after

        return await self._store.change(work)

    async def _seen(self, team_id: str, actor: Actor) -> Team:
        return _still_there(await self._store.team(team_id) if actor.may_see(team_id) else None)

    def _clean(self, patch: Mapping[str, object]) -> dict[str, Any]:
        cleaners: dict[str, Callable[[object], object]] = {
            "name": self._clean_name,
            "plan": self._known,
            "metadata": lambda value: None if value is None else clean_metadata(value),
            "external_id": clean_external_id,
        }
        unknown = [field[:60] for field in patch if field not in cleaners]
        if unknown:
            raise Invalid(*((f"/{field}", "There is no such field, or it can't be set") for field in unknown))
        return {field: cleaners[field](value) for field, value in patch.items()}

    def _known(self, plan: object) -> str:
        if isinstance(plan, str) and plan in self._catalogue.plans:
            return plan
        shown = plan[:60] if isinstance(plan, str) else "such"
        raise Invalid(("/plan", f"There is no plan {shown}{did_you_mean(shown, self._catalogue.plans)}"))


def _still_there(team: Team | None) -> Team:
    if team is None:
        raise NotFound("there is no such team")
    return team


def _check_unused(team: Team, keys: int, people: int) -> None:
    if keys or people:
        holds = f"{keys:,} key{'s'[: keys != 1]} and {people:,} {'person' if people == 1 else 'people'}"
        raise TeamInUse(f"the team {team.id} has {holds}: delete its keys and take its people out first")


async def _put(rows: Transaction, before: Team, after: Team, actor: Actor, at: datetime) -> None:
    await rows.put_team(after)
    told = differing_attributes(before, after)
    if before.plan != after.plan or told:
        await rows.stamp_team_keys(after.id)  # so that every worker reads the keys again, as they are now
    if before.plan != after.plan:
        change = {"from": before.plan, "to": after.plan}
        await rows.append(actor.did("team.plan_changed", at, team=after.id, plan=change, after=state_of_team(after)))
    if before.name != after.name:
        told["name"] = {"from": before.name, "to": after.name}
    if told:
        told["after"] = state_of_team(after)
        await rows.append(actor.did("team.updated", at, team=after.id, key_id=None, **told))
