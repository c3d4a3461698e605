"""The calling key, the catalogue, and the key types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import views
from keyfob_admin.wire.presenters import shown_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import msgspec
    from starlette.responses import Response

    from keyfob.keys.record import Team
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
    shown = [await _key_type(call, key_type, team) for key_type in call.runtime.catalogue.key_types.values()]
    return answer(views.KeyTypeList(call.grant.team, shown))


async def _key_type(call: Call, key_type: KeyType, team: Team | None) -> views.KeyType:
    code = "plan_required" if team is None else await call.runtime.lifecycle.can_create(key_type.name, team)
    return views.KeyType(
        name=key_type.name,
        label=key_type.label,
        per_team=key_type.per_team,
        permissions=None if key_type.permissions is None else list(key_type.permissions),
        can_create=code is None,
        code=code,
    )


def _any_admin(path: str, name: str, summary: str, handler: Handler, shape: type[msgspec.Struct]) -> Route[Call]:
    return Route(method="GET", path=path, name=name, summary=summary, handler=handler, tag="About", answer=shape)


ROUTES: Final[tuple[Route[Call], ...]] = (
    _any_admin("/v1/whoami", "whoami", "Show the calling key", whoami, views.Caller),
    _any_admin("/v1/permissions", "list_permissions", "List what can be granted", permissions, views.PermissionList),
    _any_admin("/v1/key-types", "list_key_types", "List the key types", key_types, views.KeyTypeList),
)
