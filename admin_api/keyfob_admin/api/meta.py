"""The calling key, the catalogue, the key types, and whether Keyfob can serve requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from keyfob.errors import StoreUnavailable
from keyfob.propagation.reach import signal_problems
from keyfob.store.contract import KeyQuery
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import views
from keyfob_admin.wire.presenters import shown_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from keyfob.policy.catalogue import KeyType

    Handler = Callable[[Call], Awaitable[Response]]


async def whoami(call: Call) -> Response:
    """Show the calling key."""
    return answer(shown_caller(call.grant, call.runtime.prefix))


async def permissions(call: Call) -> Response:
    """Show what can be granted."""
    catalogue = call.runtime.catalogue
    return answer(views.PermissionList([views.Permission(*entry) for entry in catalogue.permissions.items()]))


async def key_types(call: Call) -> Response:
    """Show the key types, and which of them the caller's team can create keys of."""
    team = await call.runtime.store.team(call.grant.team)
    plan = team.plan if team else ""
    shown = [await _key_type(call, key_type, plan) for key_type in call.runtime.catalogue.key_types.values()]
    return answer(views.KeyTypeList(call.grant.team, shown))


async def _key_type(call: Call, key_type: KeyType, plan: str) -> views.KeyType:
    code = await _why_not(call, key_type, plan)
    return views.KeyType(
        name=key_type.name,
        label=key_type.label,
        per_team=key_type.per_team,
        permissions=None if key_type.permissions is None else list(key_type.permissions),
        can_create=code is None,
        code=code,
    )


async def healthz(_call: Call) -> Response:
    """Respond while the process does."""
    return answer(views.Health("ok"))


async def readyz(call: Call) -> Response:
    """Answer 503 while the store cannot be read, and name what keeps changes from being immediate."""
    try:
        await call.runtime.store.changes(None)
        problems = await signal_problems(call.runtime.store)
    except StoreUnavailable:
        return answer(views.Health("unavailable"), 503, {"Retry-After": "1"})
    return answer(views.Health("ok", problems or msgspec.UNSET))


async def _why_not(call: Call, key_type: KeyType, plan: str) -> views.WhyNot | None:
    """Give the code that creating a key of this type in the caller's team would be refused with."""
    if not call.runtime.catalogue.allows(plan, key_type.name):
        return "plan_required"
    if key_type.per_team is None:
        return None
    query = KeyQuery(team=call.grant.team, now=call.runtime.now(), key_type=key_type.name, limit=key_type.per_team)
    live = await call.runtime.store.views(query)
    return "key_type_taken" if len(live) >= key_type.per_team else None


def _any_admin(path: str, name: str, summary: str, handler: Handler, shape: type[msgspec.Struct]) -> Route[Call]:
    return Route(method="GET", path=path, name=name, summary=summary, handler=handler, tag="About", answer=shape)


ROUTES: Final[tuple[Route[Call], ...]] = (
    _any_admin("/v1/whoami", "whoami", "Show the calling key", whoami, views.Caller),
    _any_admin("/v1/permissions", "list_permissions", "List what can be granted", permissions, views.PermissionList),
    _any_admin("/v1/key-types", "list_key_types", "List the key types", key_types, views.KeyTypeList),
    _any_admin("/healthz", "healthz", "Check that the process responds", healthz, views.Health),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Check that the database can be read",
        handler=readyz,
        tag="About",
        answer=views.Health,
        unready=views.Health,
    ),
)
