"""The five ways to be refused, by the names that the list of hostile cases gives them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.end_to_end.raw import Answer

_REALM = r'Bearer realm="(?:[^"\\]|\\.)*"'
_CHALLENGES = {
    "N401": (401, "missing_key", rf"{_REALM}\Z"),
    "B401": (401, "invalid_key", rf'{_REALM}, error="invalid_token"\Z'),
    "B400": (400, "invalid_request", rf'{_REALM}, error="invalid_request"\Z'),
    "F403": (403, "insufficient_scope", rf'{_REALM}, error="insufficient_scope"(?:, scope="[^"]+")?\Z'),
    "P400": (400, "invalid_path", None),
    "M400": (400, "invalid_method", None),
    "S503": (503, "unavailable", None),
}


def kind_of(answer: Answer, presented: str = "") -> str:
    """Name the refusal that *answer* is, or else its status, once all that belongs to a refusal is there.

    *presented* is a credential that may not be found in it.
    """
    if answer.one("content-type") != "application/problem+json":
        return str(answer.status)
    problem = json.loads(answer.body)
    name = next(
        (name for name, row in _CHALLENGES.items() if row[:2] == (answer.status, problem["code"])), str(answer.status)
    )
    challenge = _CHALLENGES[name][2]
    given = answer.one("www-authenticate")
    assert (challenge is None) == (given is None)
    assert challenge is None or given is None or re.match(challenge, given), given
    assert {"type", "title", "status", "detail", "code", *(["request_id"] if name == "F403" else [])} == set(problem)
    assert answer.status == problem["status"]
    assert "no-store" == answer.one("cache-control")
    assert str(len(answer.body)) == answer.one("content-length")
    assert (answer.one("retry-after") or "").isdigit() == (answer.status == 503)
    assert not presented or presented not in f"{answer.headers}{answer.body!r}"
    return name


def scope_of(answer: Answer) -> str | None:
    """The permissions that a challenge says would help (RFC 6750, section 3)."""
    found = re.search(r'scope="([^"]*)"', answer.one("www-authenticate") or "")
    return found[1] if found else None
