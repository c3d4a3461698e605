"""Explaining why a request was refused, or would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob import errors
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
    found = await call.runtime.explainer.explain(
        request_id=or_none(asked.request_id),
        key=or_none(asked.key),
        method=or_none(asked.method),
        path=or_none(asked.path),
        ip=or_none(asked.ip),
        actor=call.actor,
    )
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
