"""The admin API: one table of calls, and the endpoints that answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob_admin.api import (
    audit,
    explain,
    find,
    key_routes,
    meta,
    page_sessions,
    people,
    preview,
    readiness,
    teams,
    verify,
)
from keyfob_admin.api.call import Call
from keyfob_admin.api.endpoint import Endpoint, log_failure
from keyfob_admin.api.readiness import READYZ, VerboseGuard

if TYPE_CHECKING:
    from keyfob_admin.api.route import Route

TABLE: Final[tuple[Route[Call], ...]] = (
    *key_routes.ROUTES,
    *preview.ROUTES,
    *verify.ROUTES,
    *find.ROUTES,
    *explain.ROUTES,
    *teams.ROUTES,
    *people.ROUTES,
    *page_sessions.ROUTES,
    *audit.ROUTES,
    *meta.ROUTES,
    *readiness.ROUTES,
)

__all__ = ["READYZ", "TABLE", "Call", "Endpoint", "VerboseGuard", "log_failure"]
