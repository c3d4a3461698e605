"""What travels between the admin API and its callers."""

from __future__ import annotations

from keyfob_admin.wire.body import MAX_BODY, read_body
from keyfob_admin.wire.preconditions import etag, idempotency_key, required_revisions
from keyfob_admin.wire.strict_json import parse
from keyfob_admin.wire.validation import check_body, check_query, given, or_none

__all__ = [
    "MAX_BODY",
    "check_body",
    "check_query",
    "etag",
    "given",
    "idempotency_key",
    "or_none",
    "parse",
    "read_body",
    "required_revisions",
]
