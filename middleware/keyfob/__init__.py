"""API keys for any ASGI application, self-hosted, in process."""

from __future__ import annotations

from keyfob.asgi.middleware import APIKeyMiddleware
from keyfob.errors import ConfigError, KeyfobError, StoreUnavailable
from keyfob.gate.verdict import Denied, Grant, Granted, Reason
from keyfob.keys.format import KeyText, parse_key

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
