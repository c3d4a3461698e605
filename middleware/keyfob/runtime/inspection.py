"""Looks at a key outside a request: `verify`, `keys check` and `keys find`. Nothing of it counts as use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keyfob.gate.verdict import Denied, Granted, Reason
from keyfob.management.key_finder import SecretCheck

if TYPE_CHECKING:
    from keyfob.gate.authenticator import Authenticator

_OUTCOMES = {
    **dict.fromkeys((Reason.DISABLED, Reason.SUSPENDED, Reason.EXPIRED), SecretCheck.RIGHT),
    **dict.fromkeys((Reason.FORGED, Reason.MALFORMED, Reason.MISMATCH), SecretCheck.FOREIGN),
}


async def inspect(authenticator: Authenticator, text: str) -> Granted | Denied:
    """What the key *text* is good for. Raises StoreUnavailable, and Saturated."""
    found = await authenticator.authenticate(text.encode("utf-8", "surrogatepass"))
    if isinstance(found, Denied):
        return found
    return found.why_invalid(time.time()) or found.granted


async def check_secret(authenticator: Authenticator, text: str) -> SecretCheck:
    """Verify the secret of the key *text*, whatever its state. Raises StoreUnavailable, and Saturated."""
    verdict = await inspect(authenticator, text)
    return _OUTCOMES.get(verdict.reason, SecretCheck.NOTHING) if isinstance(verdict, Denied) else SecretCheck.RIGHT
