"""The table of the calls about keys; `keyfob_admin.api.keys` answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob import errors
from keyfob_admin.api import keys
from keyfob_admin.api.keys import KEYS
from keyfob_admin.api.route import Route
from keyfob_admin.wire import views
from keyfob_admin.wire.requests import (
    CreateKey,
    DisableQuery,
    DuplicateKey,
    ListKeysQuery,
    Nothing,
    PatchKey,
    UsageQuery,
)

if TYPE_CHECKING:
    from keyfob_admin.api.call import Call

KEY: Final = KEYS + "/{key}"
_WRITE: Final = ("keys:write",)
_READ: Final = ("keys:read",)
_REFUSALS: Final = (
    errors.NotFound,
    errors.Invalid,
    errors.FixedPermissions,
    errors.ExceedsOwnPermissions,
    errors.ExceedsOwnLimits,
)

ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path=KEYS,
        name="create_key",
        summary="Create a key",
        handler=keys.create,
        tag="Keys",
        any_of=_WRITE,
        body=CreateKey,
        status=201,
        answer=views.NewKey,
        refusals=(*_REFUSALS, errors.PlanRequired, errors.KeyTypeTaken, errors.LastAdmin),
        repeatable=True,
    ),
    Route(
        method="GET",
        path=KEYS,
        name="list_keys",
        summary="List the team's keys",
        handler=keys.list_keys,
        tag="Keys",
        any_of=_READ,
        query=ListKeysQuery,
        answer=views.KeyPage,
    ),
    Route(
        method="GET",
        path=KEY,
        name="get_key",
        summary="Read a key",
        handler=keys.get,
        tag="Keys",
        any_of=_READ,
        answer=views.Key,
        conditional=True,
        tagged=True,
    ),
    Route(
        method="PATCH",
        path=KEY,
        name="update_key",
        summary="Change a key",
        handler=keys.patch,
        tag="Keys",
        any_of=_WRITE,
        body=PatchKey,
        answer=views.Key,
        refusals=(*_REFUSALS, errors.LastAdmin),
        conditional=True,
        tagged=True,
    ),
    Route(
        method="DELETE",
        path=KEY,
        name="delete_key",
        summary="Delete a disabled key",
        handler=keys.delete,
        tag="Keys",
        any_of=("keys:delete",),
        status=204,
        refusals=(errors.KeyNotDisabled, errors.LastAdmin),
        conditional=True,
    ),
    Route(
        method="POST",
        path=KEY + "/disable",
        name="disable_key",
        summary="Disable a key",
        handler=keys.disable,
        tag="Keys",
        any_of=_WRITE,
        body=Nothing,
        body_required=False,
        query=DisableQuery,
        answer=views.DisabledKey,
        refusals=(errors.LastAdmin,),
        conditional=True,
        tagged=True,
    ),
    Route(
        method="POST",
        path=KEY + "/enable",
        name="enable_key",
        summary="Enable a key",
        handler=keys.enable,
        tag="Keys",
        any_of=_WRITE,
        body=Nothing,
        body_required=False,
        answer=views.ChangedKey,
        refusals=(errors.ExceedsOwnPermissions, errors.ExceedsOwnLimits),
        conditional=True,
        tagged=True,
    ),
    Route(
        method="POST",
        path=KEY + "/duplicate",
        name="duplicate_key",
        summary="Create a key like this one",
        handler=keys.duplicate,
        tag="Keys",
        any_of=_WRITE,
        body=DuplicateKey,
        body_required=False,
        status=201,
        answer=views.NewKey,
        refusals=(*_REFUSALS, errors.PlanRequired, errors.KeyTypeTaken),
        repeatable=True,
    ),
    Route(
        method="GET",
        path=KEY + "/usage",
        name="get_key_usage",
        summary="Read how a key was used",
        handler=keys.usage,
        tag="Keys",
        any_of=_READ,
        query=UsageQuery,
        answer=views.Usage,
    ),
)
