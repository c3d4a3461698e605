"""API keys for any ASGI application, self-hosted, in process."""

from __future__ import annotations

from keyfob.asgi import APIKeyMiddleware
from keyfob.errors import ConfigError, KeyfobError, StoreUnavailable
from keyfob.key_format import KeyText, parse_key
from keyfob.verdict import Denied, Grant, Granted, Reason

__all__ = [
    "APIKeyMiddleware",
    "ConfigError",
    "Denied",
    "Grant",
    "Granted",
    "KeyText",
    "KeyfobError",
    "Reason",
    "StoreUnavailable",
    "parse_key",
]
