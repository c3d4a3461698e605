"""Being strict must not cost what is ordinary: all of this passes, through every framework's own router."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob import APIKeyMiddleware
from tests.differential.applications import FRAMEWORKS, Framework, Ran, ways
from tests.differential.drive import plain_scope, send_to
from tests.differential.installed import installed

if TYPE_CHECKING:
    from pathlib import Path

RULES = {
    "/": {"public": True},
    "GET /health": {"public": True},
    "/docs/{page:path}": {"public": True},
    "GET /items": "p:a",
    "POST /items": "p:b",
    "GET /items/{id}": "p:a",
    "PUT /items/{id}": ["p:a", "p:b"],
    "GET /items/{id}/parts": {"any_of": ["p:a", "p:c"]},
    "GET /items/export": "p:c",
    "GET /teams/{team}/members": {"permission": "p:a", "team": "{team}"},
    "/files/{where:path}": "p:b",
}
ANONYMOUS = ["/", "/health", "/docs/a", "/docs/a/b.html", "/docs/caf%C3%A9", "/docs/a%20b", "/docs/~user/v1.2-rc_3,x=1"]
ANONYMOUS += [
    "/docs/(a)!$&'*+:@",
    "/docs/A/Readme.MD",
    "/docs/100%25",
    "/docs/%23anchor",
    "/docs/...",
    "/docs/.well-known/x",
]
WITH_KEY = ["/items", "/items/7", "/items/550e8400-e29b-41d4-a716-446655440000", "/items/caf%C3%A9", "/items/ITEMS"]
WITH_KEY += [
    "/items/7/parts",
    "/items/export",
    "/teams/default/members",
    "/files/a",
    "/files/a/b/c.tar.gz",
    "/files/A%20b",
]


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=[framework.name for framework in FRAMEWORKS])
async def test_usual_requests_pass(tmp_path: Path, framework: Framework) -> None:
    """Usual paths under usual rules reach their handlers, with a key that holds what they need or without one."""
    ran = Ran()
    written = [
        (
            text.rpartition(" ")[2].replace("{page:", "{p:").replace("{where:", "{p:"),
            (text.partition(" /")[0],) if " " in text else (),
        )
        for text in sorted(RULES, key=lambda text: "{" in text)
    ]
    async with installed(tmp_path) as (runtime, holders):
        inner = framework.make(ways(written), ran, "")
        app = APIKeyMiddleware(inner, runtime=runtime, rules=RULES)
        strong = next(holder.text for holder in holders if len(holder.permissions) == 3 and holder.team == "default")
        asked = [("GET", target, None) for target in ANONYMOUS] + [("GET", target, strong) for target in WITH_KEY]
        asked += [("POST", "/items", strong), ("PUT", "/items/7", strong), ("DELETE", "/files/a", strong)]
        answered = {
            (method, target): await send_to(app, plain_scope(method, target, key)) for method, target, key in asked
        }

    assert {} == {line: status for line, status in answered.items() if not 200 <= status < 300 and status != 404}
    assert len(ran.handlers) >= len(asked) - 3
