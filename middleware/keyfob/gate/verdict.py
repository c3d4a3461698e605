"""What the gate answers: a grant or a reason, and what the ASGI edge needs beside it. All are values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, final

from keyfob.keys.record import NO_METADATA
from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.keys.record import MetadataValue
    from keyfob.rules.table import Match


Header = tuple[bytes, bytes]
"""One header of a request or a response: its name in lower case, as servers hand it on, and its value."""


class Reason(StrEnum):
    """Why a request was refused. For logs; the caller is told less."""

    BAD_METHOD = "bad_method"
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
    PENDING = "pending"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    NO_RULE = "no_rule"
    WRONG_TYPE = "wrong_type"
    WRONG_TEAM = "wrong_team"
    WRONG_ADDRESS = "wrong_address"
    PERMISSION = "permission"
    LIMITED = "limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    LIMITS_UNAVAILABLE = "limits_unavailable"
    UNAVAILABLE = "unavailable"
    SATURATED = "saturated"
    UNTRUSTED = "untrusted"  # of forward-auth: whoever asks is not the gateway
    UNTOLD = "untold"  # of forward-auth: the gateway does not say what was asked for


BEYOND_LIMITS: Final = frozenset((Reason.LIMITED, Reason.QUOTA_EXCEEDED))
"""Why a request that was allowed otherwise is 429."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an admitted key may do, as the application finds it in ``scope["keyfob"]``."""

    key_id: str
    name: str
    key_type: str
    team: str
    permissions: frozenset[str]
    expires_at: datetime | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: NO_METADATA, hash=False)  # for reading only
    external_id: str | None = None  # the key's, else its team's
    plan: str | None = None  # the team's

    def covers(self, needed: str) -> bool:
        """Whether the key holds *needed*, by itself or through a wildcard."""
        return covers(self.permissions, needed)


@final
@dataclass(slots=True)
class Granted:
    """The request may pass with *grant*, by a key that carries *key_char*.

    One object serves a key's every request, but for some of those whose limits are announced in the response.

    *user* and *auth* are what the ASGI edge puts into the scope for Starlette. It makes them with the first request.
    """

    grant: Grant
    key_char: str
    announcement: tuple[Header, ...] | None = None  # headers of the response: that the key was replaced, its limits
    user: object | None = field(default=None, compare=False, repr=False)
    auth: object | None = field(default=None, compare=False, repr=False)


@final
class Public(NamedTuple):
    """The request may pass without a key: on a public path, as a preflight, or for the application to judge."""


@final
class Denied(NamedTuple):
    """The request may not pass. *key_id* is set once the key's secret was proved, or for logs when known."""

    reason: Reason
    key_id: str | None = None
    needed: tuple[str, ...] = ()
    announcement: tuple[Header, ...] | None = None  # headers of the response to a key that is valid, as of `Granted`
    request_id: str | None = None  # of a 403 or 429, in its body and in the log: what `keyfob explain` takes


Verdict = Granted | Public | Denied


Admission = tuple[Verdict, "list[Header]", "Match | None", "str | None", "bytes | None", "tuple[Header, ...] | None"]
"""A verdict on one request, and what was judged: a plain tuple, because every request makes one.

The verdict; the headers as the application may see them; the rule, or None where none applies; the client's address;
the name of the header that carried the key, where caches do not treat that as a credential; and headers to add to the
response of a key that is admitted: that it was replaced, its limits.
"""
