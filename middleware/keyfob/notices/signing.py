"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com): HMAC-SHA-256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret


def read_secret(path: Path) -> bytes:
    """Read a secret: base64 of 24 to 64 bytes, with or without ``whsec_``. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8").strip().removeprefix(PREFIX)
        secret = base64.b64decode(text, validate=True)
    except OSError as error:
        raise ConfigError(f"the secret_file {path} can't be read: {error.strerror}") from None
    except (binascii.Error, ValueError):
        raise ConfigError(f"the secret_file {path} must hold whsec_ and base64") from None
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise ConfigError(f"the secret in {path} must have {_SHORTEST} to {_LONGEST} bytes, as base64")
    return secret


def signed_headers(notice_id: str, seconds: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The three headers of a webhook that is sent at *seconds* since the epoch."""
    said = f"{notice_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, said, hashlib.sha256)).decode()
    return {"webhook-id": notice_id, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}
