"""The way of a request, from headers to a verdict.

A refused key is a value; a store that cannot answer is an exception. What is asked of a warm key is one digest, one
dictionary lookup, and the two comparisons of `Freshness.is_current`: no await, no parsing, no database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette._utils import get_route_path

from keyfob.credential import read_credential
from keyfob.errors import Saturated, StoreUnavailable
from keyfob.rule_table import WEBSOCKET
from keyfob.safe_path import is_safe_path
from keyfob.verdict import Denied, Granted, Public, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from keyfob.client_address import ClientAddress
    from keyfob.credential import Header
    from keyfob.freshness import Freshness
    from keyfob.identification import Identification
    from keyfob.proofs import Entry, Proofs
    from keyfob.rule_table import Match, RuleTable
    from keyfob.stats import Stats
    from keyfob.usage import Usage
    from keyfob.verdict import Verdict

PUBLIC = Public()


class Gate:
    """Judges requests by their headers and path. It neither reads bodies nor answers anybody."""

    def __init__(
        self,
        *,
        rules: RuleTable,
        addresses: ClientAddress,
        proofs: Proofs,
        freshness: Freshness,
        identification: Identification,
        usage: Usage,
        stats: Stats,
        encoded_slash: bool = False,
        allow_preflight: bool = False,
        now: Callable[[], float] = time.time,  # seconds since the epoch: only expiry and last use look at it
    ) -> None:
        self._rules = rules
        self._addresses = addresses
        self._proofs = proofs
        self._freshness = freshness
        self._identification = identification
        self._usage = usage
        self._stats = stats
        self._encoded_slash = encoded_slash
        self._allow_preflight = allow_preflight
        self._now = now

    async def admit(self, scope: Scope) -> tuple[Verdict, Header | None]:
        """Judge one request; beside a grant stands the header that presented its key.

        Waits only if the key is not in the cache, or the cache may not be relied on.
        """
        if not is_safe_path(scope["path"], scope.get("raw_path"), encoded_slash=self._encoded_slash):
            return Denied(Reason.BAD_PATH), None
        match = self._match(scope)
        if match is not None and match.rule.public:
            return PUBLIC, None
        if self._allow_preflight and _is_preflight(scope):
            return PUBLIC, None

        text, carrier = read_credential(scope["headers"])
        if isinstance(text, Reason):
            return Denied(text), None
        entry = self._proofs.get(text)
        if entry is not None and self._freshness.is_current():
            self._stats.cache_hits += 1
        else:
            identified = await self._identify_or_refuse(text)
            if isinstance(identified, Denied):
                return identified, None
            entry = identified

        # No await from the last look at the freshness to here, nor below.
        now, address = self._now(), self._addresses.of(scope)
        verdict = judge(entry, match, address, now)
        if isinstance(verdict, Granted):
            self._usage.note_use(entry.key_id, now, address, admitted=True)
        elif is_key_valid(verdict):
            self._usage.note_use(entry.key_id, now, address, admitted=False)
        else:
            self._usage.note_refused(entry.key_id, now)
        return verdict, carrier

    def still_admits(self, entry: Entry, scope: Scope, now: float) -> bool:
        """Whether *entry* may still do what the request of *scope* was admitted for; not counted as use."""
        return type(judge(entry, self._match(scope), self._addresses.of(scope), now)) is Granted

    def _match(self, scope: Scope) -> Match | None:
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        if method == WEBSOCKET and scope["type"] == "http":
            return None  # HTTP lets a client call its method WS; that is no handshake
        return self._rules.match(method, get_route_path(scope) or "/")

    async def _identify_or_refuse(self, text: bytes) -> Entry | Denied:
        """Find out what *text* is; that it cannot be said is a reason, too."""
        try:
            return await self._identification.identify(text)
        except Saturated:
            return Denied(Reason.SATURATED)
        except StoreUnavailable:
            return Denied(Reason.UNAVAILABLE)


def judge(entry: Entry, match: Match | None, address: str | None, now: float) -> Granted | Denied:  # noqa: PLR0911 - the contract has as many
    """Whether a proved key may do what *match* asks, from *address*, at *now*. Pure; the order is the contract's."""
    reason = entry.why_invalid(now)
    if reason is not None:
        return Denied(reason, entry.key_id)
    if match is None:
        return Denied(Reason.NO_RULE, entry.key_id)
    rule = match.rule
    grant = entry.grant
    if grant.key_type not in rule.key_types:
        return Denied(Reason.WRONG_TYPE, entry.key_id)
    if rule.team_parameter is not None and match.params[rule.team_parameter] != grant.team:
        return Denied(Reason.WRONG_TEAM, entry.key_id)
    if entry.networks is not None and (address is None or not entry.networks.contains(address)):
        return Denied(Reason.WRONG_ADDRESS, entry.key_id)
    if not rule.allows(entry.held):
        return Denied(Reason.PERMISSION, entry.key_id, rule.needed)
    return entry.granted


_FORBIDDEN = frozenset(
    (Reason.NO_RULE, Reason.WRONG_TYPE, Reason.WRONG_TEAM, Reason.WRONG_ADDRESS, Reason.PERMISSION),
)


def is_key_valid(denied: Denied) -> bool:
    """Whether the key was accepted, though not for this request: 403, not 401."""
    return denied.reason in _FORBIDDEN


def _is_preflight(scope: Scope) -> bool:
    """Whether this is a CORS preflight as browsers send it (Fetch, section 3.2.2)."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"access-control-request-method" in names
