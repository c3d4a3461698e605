"""What belongs to the whole team: which permissions there are and who holds them, and the team's name and plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.errors import Invalid
from keyfob.policy.permissions import ADMIN_PERMISSIONS, covers
from keyfob_admin.console.permission_choices import groups, label_of
from keyfob_admin.console.permission_matrix import matrix
from keyfob_admin.console.plan_change import effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.responses import Response

    from keyfob.policy.catalogue import KeyType
    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.console.permission_choices import Group


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


async def show_permissions(page_request: PageRequest) -> Response:
    """Show the catalogue, and how many keys hold each entry. Many entries are a table of resources and actions."""
    actor = page_request.actor
    actor.demand("keys:read")
    owner = actor.id if actor.own_keys_only else None
    held = await page_request.console.store.holders(page_request.team.id, owner)
    chosen = groups(page_request.runtime.catalogue, "api", ())
    many = matrix(chosen)
    return page_request.page(
        "permissions.html",
        matrix=many,
        held=held,
        groups=_catalogue(page_request, held, () if many else chosen),
        wildcards=_wildcards(page_request, held),
    )


async def show_settings(page_request: PageRequest) -> Response:
    """Show the team."""
    return _settings(page_request, page_request.team.name, page_request.team.plan)


async def save_settings(page_request: PageRequest) -> Response:
    """Rename the team or change its plan. What that does to keys is said first."""
    name, plan = page_request.form.get("name"), page_request.form.get("plan")
    known = plan in page_request.runtime.catalogue.plans and covers(page_request.actor.permissions, "teams:write")
    if known and page_request.form.get("confirmed") != plan and (said := await effects(page_request, plan)):
        return page_request.page("plan.html", name=name, plan=plan, effects=said)
    try:
        await page_request.runtime.teams.update(
            page_request.team.id, {"name": name, "plan": plan}, actor=page_request.actor
        )
    except Invalid as invalid:
        return _settings(
            page_request, name, plan, 422, {pointer.strip("/"): words for pointer, words in invalid.errors}
        )
    return page_request.goes_to(page_request.url("/settings", done="saved"))


def _settings(
    page_request: PageRequest, name: str, plan: str, status: int = 200, mistakes: Mapping[str, str] | None = None
) -> Response:
    catalogue = page_request.runtime.catalogue
    plans = {known: [label.label for label in _types(page_request, known)] for known in catalogue.plans}
    may_change = covers(page_request.actor.permissions, "teams:write")
    shown = {"name": name, "plan": plan, "plans": plans, "may_change": may_change, "mistakes": mistakes or {}}
    return page_request.page("settings.html", status, types=catalogue.key_types, **shown)


def _types(page_request: PageRequest, plan: str) -> list[KeyType]:
    catalogue = page_request.runtime.catalogue
    return [key_type for name, key_type in catalogue.key_types.items() if catalogue.allows(plan, name)]


def _catalogue(page_request: PageRequest, held: Mapping[str, int], few: Iterable[Group]) -> list[HeldGroup]:
    catalogue = page_request.runtime.catalogue
    chosen = [
        HeldGroup(group.title, None, tuple(Held(c.name, c.label, held.get(c.name, 0)) for c in group.choices))
        for group in few
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


def _wildcards(page_request: PageRequest, held: Mapping[str, int]) -> list[Held]:
    catalogue = page_request.runtime.catalogue
    return [Held(n, label_of(catalogue, n), held[n]) for n in sorted(held) if n == "*" or n.endswith(":*")]
