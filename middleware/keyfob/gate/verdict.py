"""What the gate answers: a grant, or a reason. Both are values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from datetime import datetime


class Reason(StrEnum):
    """Why a request was refused. For logs; the caller is told less."""

    BAD_PATH = "bad_path"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    MALFORMED = "malformed"
    FORGED = "forged"
    RETIRED = "retired"
    UNKNOWN = "unknown"
    MISMATCH = "mismatch"
    DELETED = "deleted"
    DISABLED = "disabled"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    NO_RULE = "no_rule"
    WRONG_TYPE = "wrong_type"
    WRONG_TEAM = "wrong_team"
    WRONG_ADDRESS = "wrong_address"
    PERMISSION = "permission"
    UNAVAILABLE = "unavailable"
    SATURATED = "saturated"
    UNTRUSTED = "untrusted"  # of forward-auth: whoever asks is not the gateway
    UNTOLD = "untold"  # of forward-auth: the gateway does not say what was asked for


@dataclass(frozen=True, slots=True)
class Grant:
    """What an admitted key may do, as the application finds it in ``scope["keyfob"]``."""

    key_id: str
    name: str
    key_type: str
    team: str
    permissions: frozenset[str]
    expires_at: datetime | None = None

    def covers(self, needed: str) -> bool:
        """Whether the key holds *needed*, by itself or through a wildcard."""
        return covers(self.permissions, needed)


@dataclass(slots=True)
class Granted:
    """The request may pass with *grant*, by a key that carries *key_char*. One object serves a key's every request."""

    grant: Grant
    key_char: str
    attached: tuple[object, ...] | None = field(default=None, compare=False, repr=False)  # the edge's, made once


class Public(NamedTuple):
    """The request may pass without a key: on a public path, or as a preflight."""


class Denied(NamedTuple):
    """The request may not pass. *key_id* is set once the key's secret was proved, or for logs when known."""

    reason: Reason
    key_id: str | None = None
    needed: tuple[str, ...] = ()


Verdict = Granted | Public | Denied
