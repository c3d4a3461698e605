"""What a change of a key would have refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob import errors
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.keys import KEYS, changes_of
from keyfob_admin.api.route import Route, guard_rules
from keyfob_admin.wire.key_usage import Preview, shown_preview
from keyfob_admin.wire.requests import PreviewKey

if TYPE_CHECKING:
    from starlette.responses import Response


async def preview(call: Call) -> Response:
    """Judge the key's requests of the last 30 days by the key as the patch would make it."""
    from keyfob_admin.api import TABLE  # noqa: PLC0415 - the table holds this call, too

    previewer = call.runtime.previewer(guard_rules(TABLE))
    patch = changes_of(call.sent(PreviewKey).patch)
    try:
        found = await previewer.preview(call.team, call.key_id, patch, actor=call.actor)
    except errors.Invalid as wrong:
        raise wrong.below("patch") from None
    return answer(shown_preview(found))


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path=KEYS + "/{key}/preview",
        name="preview_key_change",
        summary="Preview what a change would have refused",
        handler=preview,
        tag="Keys",
        any_of=("keys:read",),
        body=PreviewKey,
        answer=Preview,
        refusals=(errors.NotFound, errors.Invalid, errors.FixedPermissions),
    ),
)
