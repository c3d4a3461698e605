"""What a form sent, read with the standard library and checked for whose form it was."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from keyfob_admin.problems import Problem
from keyfob_admin.wire import read_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from keyfob_admin.console.origin import Origin

URLENCODED: Final = "application/x-www-form-urlencoded"
TOKEN: Final = "csrf"  # noqa: S105 - the name of the field, not a token
_MOST_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """Fields by name. What was not sent is empty."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str:
        """One field's text, line breaks as people mean them."""
        return self.fields.get(name, [""])[0].replace("\r\n", "\n")

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be sent several times."""
        return list(self.fields.get(name, ()))

    def has(self, name: str) -> bool:
        """Whether the field was sent, as ticked boxes and pressed buttons are."""
        return name in self.fields


async def read_form(request: Request) -> Form:
    """Read the form. Raises Problem: 415 for another content type, 413 if it is too long, 400 if it is none."""
    body = await read_body(request, media_types=(URLENCODED,))
    try:
        text = body.decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Problem(400, "bad_request", "This is not a form that the console has made.") from None


def demand_own_form(request: Request, place: Origin, form: Form, token: str) -> None:
    """Refuse what another site's page sent, and forms without the *token* that this browser was given.

    Raises:
        Problem: 403.
    """
    sent = form.get(TOKEN).encode()
    if not place.is_from_here(request) or not token or not hmac.compare_digest(sent, token.encode()):
        raise Problem(403, "forbidden", "This form is too old, or it came from another site. Nothing was changed.")
