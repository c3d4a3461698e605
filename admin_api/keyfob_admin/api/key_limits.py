"""Where the limits and the quota of a key stand, and more or less of its quota for the present period."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import NoQuota
from keyfob_admin.api.call import REPLAYED, answer
from keyfob_admin.wire import or_none
from keyfob_admin.wire.key_limits import AdjustQuota, shown_limits, shown_quota

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.api.call import Call


async def limits(call: Call) -> Response:
    """Show every limit and quota of a key, and where it stands."""
    standings = call.runtime.standings
    found = await standings.of(call.team, call.key_id, actor=call.actor)
    return answer(shown_limits(found, await standings.quotas(call.team, call.key_id, actor=call.actor)))


async def adjust_quota(call: Call) -> Response:
    """Give a key more, or less, for the present period, and show where its quota stands."""
    sent, runtime = call.sent(AdjustQuota), call.runtime
    adjusted = await runtime.lifecycle.quotas.adjust(
        call.team,
        call.key_id,
        add=or_none(sent.add),
        set_to=or_none(sent.set),
        actor=call.actor,
        idempotency=call.idempotency(f"/v1/teams/{call.team}/keys/{call.key_id}/quota"),
    )
    standing = await runtime.standings.quota_of(adjusted.view.record)
    if standing is None:  # the plan has lost it since
        raise NoQuota("neither the key nor its plan has a quota")
    return answer(shown_quota(standing), headers=REPLAYED if adjusted.replayed else None)
