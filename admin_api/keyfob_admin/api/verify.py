"""Asking about a key that somebody presented elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.gate.verdict import Denied
from keyfob.policy.permissions import is_grant
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import views
from keyfob_admin.wire.requests import VerifyKey

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob.gate.verdict import Grant

_INVALID: Final = views.Verification(valid=False, code="invalid_key")


async def verify(call: Call) -> Response:
    """Say whether a key is valid and covers what is asked. The answer is 200 in either case."""
    asked = call.sent(VerifyKey)
    verdict = await call.runtime.inspect(asked.key)
    grant = None if isinstance(verdict, Denied) else verdict.grant
    if grant is None or not call.actor.may_see(grant.team):
        return answer(_INVALID)
    return answer(_judged(grant, asked))


def _judged(grant: Grant, asked: VerifyKey) -> views.Verification:
    right_team = asked.team in {None, grant.team}
    covered = all(is_grant(needed) and grant.covers(needed) for needed in asked.permissions)
    good = right_team and covered
    return views.Verification(
        valid=good,
        code="valid" if good else "insufficient_scope",
        key_id=grant.key_id,
        name=grant.name,
        key_type=grant.key_type,
        team=grant.team,
        permissions=sorted(grant.permissions),
    )


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path="/v1/verify",
        name="verify_key",
        summary="Ask whether a key is valid and covers permissions",
        handler=verify,
        tag="Keys",
        any_of=("keys:verify", "keys:read"),
        body=VerifyKey,
        answer=views.Verification,
    ),
)
