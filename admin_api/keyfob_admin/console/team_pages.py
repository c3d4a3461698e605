"""What belongs to the whole team: which permissions there are and who holds them, and the team's name and plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.errors import Invalid
from keyfob.policy.permissions import ADMIN_PERMISSIONS, covers
from keyfob_admin.console.permission_choices import groups, label_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from keyfob.policy.catalogue import KeyType
    from keyfob_admin.console.page_request import Visit


@dataclass(frozen=True, slots=True)
class Held:
    """A permission and how many of the team's keys hold it by itself."""

    name: str
    label: str
    keys: int


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Permissions of one resource."""

    title: str
    about: str | None
    entries: tuple[Held, ...]


async def show_permissions(visit: Visit) -> Response:
    """Show the catalogue, and how many keys hold each entry."""
    visit.actor.demand("keys:read")
    held = await visit.console.store.holders(visit.team.id)
    return visit.page("permissions.html", groups=_catalogue(visit, held), wildcards=_wildcards(visit, held))


async def show_settings(visit: Visit) -> Response:
    """Show the team."""
    return _settings(visit, visit.team.name, visit.team.plan)


async def save_settings(visit: Visit) -> Response:
    """Rename the team or change its plan."""
    name, plan = visit.form.get("name"), visit.form.get("plan")
    try:
        await visit.runtime.teams.update(visit.team.id, {"name": name, "plan": plan}, actor=visit.actor)
    except Invalid as invalid:
        return _settings(visit, name, plan, 422, {pointer.strip("/"): words for pointer, words in invalid.errors})
    return visit.goes_to(visit.url("/settings", done="saved"))


def _settings(
    visit: Visit, name: str, plan: str, status: int = 200, mistakes: Mapping[str, str] | None = None
) -> Response:
    catalogue = visit.runtime.catalogue
    plans = {known: [label.label for label in _types(visit, known)] for known in catalogue.plans}
    may_change = covers(visit.actor.permissions, "teams:write")
    shown = {"name": name, "plan": plan, "plans": plans, "may_change": may_change, "mistakes": mistakes or {}}
    return visit.page("settings.html", status, types=catalogue.key_types, **shown)


def _types(visit: Visit, plan: str) -> list[KeyType]:
    catalogue = visit.runtime.catalogue
    return [key_type for name, key_type in catalogue.key_types.items() if catalogue.allows(plan, name)]


def _catalogue(visit: Visit, held: Mapping[str, int]) -> list[HeldGroup]:
    catalogue = visit.runtime.catalogue
    chosen = [
        HeldGroup(group.title, None, tuple(Held(c.name, c.label, held.get(c.name, 0)) for c in group.choices))
        for group in groups(catalogue, "api", ())
    ]
    fixed = [
        HeldGroup(
            key_type.label,
            "Every key of this type holds exactly these.",
            tuple(Held(name, name, held.get(name, 0)) for name in key_type.permissions),
        )
        for key_type in catalogue.key_types.values()
        if key_type.permissions
    ]
    own = tuple(Held(name, label_of(catalogue, name), held.get(name, 0)) for name in ADMIN_PERMISSIONS)
    return [*chosen, *fixed, HeldGroup("Keyfob itself", "Only admin keys can hold these.", own)]


def _wildcards(visit: Visit, held: Mapping[str, int]) -> list[Held]:
    catalogue = visit.runtime.catalogue
    return [Held(n, label_of(catalogue, n), held[n]) for n in sorted(held) if n == "*" or n.endswith(":*")]
