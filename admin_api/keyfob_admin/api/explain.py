"""Explaining why a request was refused, or would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from keyfob import errors
from keyfob.errors import Invalid
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import or_none, views
from keyfob_admin.wire.explanations import shown_explanation
from keyfob_admin.wire.requests import Explain

if TYPE_CHECKING:
    from starlette.responses import Response


async def explain(call: Call) -> Response:
    """Explain one request: one that is described, or one that was refused."""
    asked = call.sent(Explain)
    explainer = call.runtime.explainer
    described = (asked.key, asked.method, asked.path, asked.ip)
    if asked.request_id is not UNSET:
        if any(member is not UNSET for member in described):
            raise Invalid(("/request_id", "The id of a request stands alone, without key, method, path and ip"))
        found = await explainer.refusal(asked.request_id, actor=call.actor)
    elif asked.key is UNSET or asked.method is UNSET or asked.path is UNSET:
        raise Invalid(("", "Name key, method and path, or else a request_id"))
    else:
        found = await explainer.request(asked.key, asked.method, asked.path, or_none(asked.ip), actor=call.actor)
    return answer(shown_explanation(found, call.runtime.prefix))


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path="/v1/explain",
        name="explain_request",
        summary="Explain why a request was refused, or would be",
        handler=explain,
        tag="Keys",
        any_of=("keys:read",),
        body=Explain,
        answer=views.Explanation,
        refusals=(errors.NotFound,),
    ),
)
