"""Requests and responses of the admin API: reading, checking and presenting them."""

from __future__ import annotations

from keyfob_admin.wire.body import MAX_BODY, read_body
from keyfob_admin.wire.preconditions import Preconditions, etag, idempotency_key
from keyfob_admin.wire.strict_json import is_blank, parse
from keyfob_admin.wire.validation import check_body, check_query, given, or_none

__all__ = [
    "MAX_BODY",
    "Preconditions",
    "check_body",
    "check_query",
    "etag",
    "given",
    "idempotency_key",
    "is_blank",
    "or_none",
    "parse",
    "read_body",
]
