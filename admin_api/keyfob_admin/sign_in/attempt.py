"""One attempt to sign in at a provider, as the browser keeps it in a cookie until the provider sends it back.

The cookie is the proof that whoever comes back is who went: without it a link with somebody else's code would sign the
victim in as somebody else. It carries a MAC under the keyring and ends after ten minutes.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from keyfob.keyring.tokens import entry_of

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keyring.tokens import SigningKeys

LASTS: Final = timedelta(minutes=10)
_LONGEST: Final = 3000  # characters; browsers keep 4096 with the name (RFC 6265, section 6.1)
_LONGEST_PAGE: Final = 1000  # characters of an address


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the provider's answer must fit to. *invitation* is the token of the link that is redeemed, if one is.

    *wanted* is the page to go on to.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)  # RFC 7636
    invitation: str | None = field(default=None, repr=False)
    wanted: str = ""

    @classmethod
    def new(cls, invitation: str | None = None, wanted: str = "") -> Attempt:
        """Begin an attempt with fresh random values. A page whose address is too long for a cookie is not kept."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, invitation, wanted if len(wanted) <= _LONGEST_PAGE else "")

    @property
    def challenge(self) -> str:
        """The code challenge of the verifier, by S256."""
        digest = sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    def fits(self, state: object) -> bool:
        """Whether *state*, from the provider's answer, is this attempt's. Compares in constant time."""
        return isinstance(state, str) and hmac.compare_digest(state.encode(errors="replace"), self.state.encode())


def write_attempt(attempt: Attempt, entry: SigningKey, now: datetime) -> str:
    """Write *attempt* as the value of a cookie."""
    random = attempt.state, attempt.nonce, attempt.verifier
    told = [*random, attempt.invitation, attempt.wanted, int((now + LASTS).timestamp())]
    body = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode("ascii")
    return f"{entry.char}{body}.{_mac(entry, body)}"


def read_attempt(cookie: str | None, keyring: SigningKeys, now: datetime) -> Attempt | None:
    """Read what `write_attempt` wrote; None for anything else, and after ten minutes."""
    if not cookie or len(cookie) > _LONGEST or not cookie.isascii():
        return None
    entry = entry_of(cookie, keyring)
    body, _, mac = cookie[1:].partition(".")
    if entry is None or not hmac.compare_digest(mac.encode(), _mac(entry, body).encode()):
        return None
    *told, expires_at = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return Attempt(*told) if now.timestamp() < expires_at else None


def _mac(entry: SigningKey, body: str) -> str:
    return hmac.new(entry.browser_key, b"oidc-attempt\0" + body.encode("ascii"), "sha256").hexdigest()
