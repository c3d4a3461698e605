"""Checks the permissions that a route requires, beyond the rule that admitted the request.

`keyfob.fastapi` and `keyfob.litestar` adapt this to their framework. The middleware around the application has verified
the key; only the grant that it left is read here.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from keyfob.asgi.denial_log import shown_method, shown_path
from keyfob.asgi.responses import DenialResponses, status_of
from keyfob.errors import ConfigError
from keyfob.gate.verdict import Denied, Grant, Reason
from keyfob.policy.permissions import is_permission

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("keyfob")

_without_middleware = lru_cache(maxsize=1)(DenialResponses)  # in tests that put a grant into the scope themselves


class DenialParts(NamedTuple):
    """A denial in the parts that frameworks need; *headers* excludes those that describe the body."""

    status: int
    headers: dict[str, str]
    problem: dict[str, Any]


def needed_of(permissions: Iterable[object]) -> tuple[str, ...]:
    """Return *permissions* in order, without repeats. Raises ConfigError for any that no rule could name."""
    return tuple(dict.fromkeys(map(_permission, permissions)))


def _permission(named: object) -> str:
    if not isinstance(named, str) or not is_permission(named):
        raise ConfigError(f'{named!r} is not a permission; name one like "items:read", without wildcards')
    return named


def check_route(scope: Mapping[str, Any], needed: tuple[str, ...]) -> Grant | Denied:
    """Return the grant of the request if it covers all of *needed*.

    Raises ConfigError if no `keyfob.APIKeyMiddleware` is around the route, so that nothing has verified the key.
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
    record = refusals_of(scope).route_log
    if record is not None:
        return record(denied, scope)
    log.info(
        "refused %d %s by the route: %s %a, key %s",
        status_of(denied.reason),
        denied.reason,
        shown_method(scope),
        shown_path(scope),
        denied.key_id,
        extra={"event": "request_refused"},
    )
    return denied


def refusals_of(scope: Mapping[str, Any]) -> DenialResponses:
    """Return the responses of the middleware that judged the request, with its realm."""
    refusals: DenialResponses | None = scope.get("keyfob.refusals")
    return refusals or _without_middleware()


def refusal_of(denied: Denied, refusals: DenialResponses) -> DenialParts:
    """Split the response of *refusals* to *denied* into its parts."""
    start, body = refusals.response(denied)
    headers = {name.decode("ascii"): value.decode("ascii") for name, value in start["headers"]}
    return DenialParts(
        start["status"],
        {name: value for name, value in headers.items() if not name.startswith("content-")},
        json.loads(body["body"]),
    )
