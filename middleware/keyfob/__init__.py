"""API keys for any ASGI application, self-hosted, in process."""

from __future__ import annotations

from keyfob.asgi.middleware import APIKeyMiddleware
from keyfob.asgi.refusal import Refusal
from keyfob.errors import ConfigError, KeyfobError, StoreUnavailable
from keyfob.gate.verdict import Denied, Grant, Granted, Reason
from keyfob.keys.format import KeyText, parse_key
from keyfob.runtime.in_process.management import open as open  # noqa: A004 - not in __all__: `import *` must not hide the builtin

__all__ = [
    "APIKeyMiddleware",
    "ConfigError",
    "Denied",
    "Grant",
    "Granted",
    "KeyText",
    "KeyfobError",
    "Reason",
    "Refusal",
    "StoreUnavailable",
    "parse_key",
]
