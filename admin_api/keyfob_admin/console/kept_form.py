"""Carry a form over the way to a provider and back, in a cookie of the browser that filled it in; no store has it.

The cookie belongs to one attempt to sign in (`keyfob_admin.sign_in.attempt`): another one's is not read.
"""

from __future__ import annotations

import base64
import hmac
import zlib
from typing import TYPE_CHECKING, Final

from keyfob.keyring.tokens import entry_of

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keyring.tokens import SigningKeys

_LONGEST: Final = 3800  # characters; browsers keep 4096 with name and attributes (RFC 6265, section 6.1)
_MAC: Final = 64  # characters


def fits_cookie(kept: str) -> bool:
    """Whether *kept*, compressed, is short enough."""
    return len(_body(kept)) + _MAC + 2 <= _LONGEST


def write_kept(kept: str, state: str, entry: SigningKey) -> str:
    """Write *kept* as the value of a cookie for the attempt of *state*."""
    body = _body(kept)
    return f"{entry.char}{body}.{_mac(entry, state, body)}"


def read_kept(cookie: str, state: str, keyring: SigningKeys) -> str:
    """Read what `write_kept` wrote for the attempt of *state*; empty for anything else."""
    entry = entry_of(cookie, keyring) if cookie.isascii() and len(cookie) <= _LONGEST else None
    body, _, mac = cookie[1:].partition(".")
    if entry is None or not hmac.compare_digest(mac.encode(), _mac(entry, state, body).encode()):
        return ""
    return zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).decode()


def _body(kept: str) -> str:
    return base64.urlsafe_b64encode(zlib.compress(kept.encode(errors="replace"), 9)).rstrip(b"=").decode("ascii")


def _mac(entry: SigningKey, state: str, body: str) -> str:
    return hmac.new(entry.browser_key, f"kept-form\0{state}\0{body}".encode(), "sha256").hexdigest()
