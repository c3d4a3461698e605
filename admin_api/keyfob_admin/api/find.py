"""Finding the keys of a pasted text, over all teams that the caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire.found_keys import FoundKeys
from keyfob_admin.wire.requests import FindKeys

if TYPE_CHECKING:
    from starlette.responses import Response

LONGEST_BODY: Final = 512 * 1024  # bytes: JSON writes one character of the text as up to six


async def find(call: Call) -> Response:
    """Say which keys the text holds. It goes nowhere else."""
    found = await call.runtime.finder.find(call.sent(FindKeys).text, actor=call.actor)
    return answer(FoundKeys([call.shown.found(match) for match in found]))


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path="/v1/keys/find",
        name="find_keys",
        summary="Find the keys of a text",
        handler=find,
        tag="Keys",
        any_of=("keys:read",),
        body=FindKeys,
        longest_body=LONGEST_BODY,
        answer=FoundKeys,
    ),
)
