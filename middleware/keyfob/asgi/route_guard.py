"""What a route asks of the key by itself, beyond the rule that let the request in.

`keyfob.fastapi` and `keyfob.litestar` put the question in their framework's words; here it is answered. The key was
verified by the middleware around the application: all that is read is the grant that the middleware left.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from keyfob.asgi.denial_log import shown_path
from keyfob.asgi.responses import DenialResponses, status_of
from keyfob.errors import ConfigError
from keyfob.gate.verdict import Denied, Grant, Reason
from keyfob.policy.permissions import is_permission

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("keyfob")

_without_middleware = lru_cache(maxsize=1)(DenialResponses)  # in tests that put a grant into the scope by themselves


class DenialParts(NamedTuple):
    """A denial in the parts that frameworks ask for: *headers* are those that do not describe the body."""

    status: int
    headers: dict[str, str]
    problem: dict[str, Any]


def needed_of(permissions: Iterable[object]) -> tuple[str, ...]:
    """Give *permissions* without repeats, in their order. Raises ConfigError for what no rule could name, either."""
    return tuple(dict.fromkeys(map(_permission, permissions)))


def _permission(named: object) -> str:
    if not isinstance(named, str) or not is_permission(named):
        raise ConfigError(f'{named!r} is not a permission; name one like "items:read", without wildcards')
    return named


def check_route(scope: Mapping[str, Any], needed: tuple[str, ...]) -> Grant | Denied:
    """Give the grant of the request if it covers all that is *needed*.

    Raises ConfigError if no `keyfob.APIKeyMiddleware` is around the route, so that nobody has looked at the key.
    """
    if "keyfob" not in scope:
        raise ConfigError(
            "a route asks for an API key, and no APIKeyMiddleware is around it; "
            'wrap the application: app = APIKeyMiddleware(app, config="keyfob.toml")'
        )
    grant: Grant | None = scope["keyfob"]
    if grant is not None and all(map(grant.covers, needed)):
        return grant
    denied = Denied(Reason.MISSING) if grant is None else Denied(Reason.PERMISSION, grant.key_id, needed)
    log.info(
        "refused %d %s by the route: %s %a, key %s",
        status_of(denied.reason),
        denied.reason,
        scope.get("method", "WS"),
        shown_path(scope),
        denied.key_id,
        extra={"event": "request_refused"},
    )
    return denied


def refusals_of(scope: Mapping[str, Any]) -> DenialResponses:
    """Give the answers of the middleware that judged the request, whose realm they name."""
    refusals: DenialResponses | None = scope.get("keyfob.refusals")
    return refusals or _without_middleware()


def refusal_of(denied: Denied, refusals: DenialResponses) -> DenialParts:
    """Take apart what *refusals* answer to *denied*."""
    start, body = refusals.response(denied)
    headers = {name.decode("ascii"): value.decode("ascii") for name, value in start["headers"]}
    return DenialParts(
        start["status"],
        {name: value for name, value in headers.items() if not name.startswith("content-")},
        json.loads(body["body"]),
    )
