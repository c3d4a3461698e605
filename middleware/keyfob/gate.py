"""The way of a request, from headers to a verdict.

A refused key is a value; a store that cannot answer is an exception. What is asked of a warm key is one digest, one
dictionary lookup, and the two comparisons of `Freshness.is_current`: no await, no parsing, no database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from starlette._utils import get_route_path

from keyfob.credential import read_credential
from keyfob.errors import Saturated, StoreUnavailable
from keyfob.rule_table import WEBSOCKET
from keyfob.safe_path import is_safe_path
from keyfob.verdict import Denied, Granted, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from keyfob.client_address import ClientAddress
    from keyfob.freshness import Freshness
    from keyfob.identification import Identification
    from keyfob.proofs import Entry, Proofs
    from keyfob.rule_table import Match, RuleTable
    from keyfob.stats import Stats
    from keyfob.usage import Usage
    from keyfob.verdict import Verdict

_NO_METHOD = "(WS over HTTP)"
PUBLIC = Granted(None)


class Judged(NamedTuple):
    """A verdict, and what it was reached with: for the refusal's scope, and for the watch over open connections."""

    verdict: Verdict
    match: Match | None = None
    address: str | None = None
    entry: Entry | None = None  # the proved key, where there is one


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

    async def admit(self, scope: Scope) -> Judged:
        """Judge one request. Waits only if the key is not in the cache, or the cache may not be relied on."""
        if not is_safe_path(scope["path"], scope.get("raw_path"), encoded_slash=self._encoded_slash):
            return Judged(Denied(Reason.BAD_PATH))
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        if method == WEBSOCKET and scope["type"] == "http":
            method = _NO_METHOD  # HTTP lets a client call its method WS; that is no handshake
        match = self._rules.match(method, get_route_path(scope))
        if match is not None and match.rule.public:
            return Judged(PUBLIC, match)
        headers = scope["headers"]
        if method == "OPTIONS" and self._allow_preflight and _is_preflight(headers):
            return Judged(PUBLIC, match)

        text = read_credential(headers)
        if isinstance(text, Reason):
            return Judged(Denied(text), match)
        entry = self._proofs.get(text)
        if entry is not None and self._freshness.is_current():
            self._stats.cache_hits += 1
        else:
            identified = await self._identify_or_refuse(text)
            if isinstance(identified, Denied):
                return Judged(identified, match)
            entry = identified

        # No await from the last look at the freshness to here, nor below.
        now, address = self._now(), self._addresses.of(scope)
        verdict = judge(entry, match, address, now)
        if type(verdict) is Granted:
            self._usage.note_use(entry.key_id, now, address, admitted=True)
        elif is_key_valid(verdict):
            self._usage.note_use(entry.key_id, now, address, admitted=False)
        else:
            self._usage.note_refused(entry.key_id, now)
        return Judged(verdict, match, address, entry)

    async def _identify_or_refuse(self, text: bytes) -> Entry | Denied:
        """Find out what *text* is; that it cannot be said is a reason, too."""
        try:
            return await self._identification.identify(text)
        except Saturated:
            return Denied(Reason.SATURATED)
        except StoreUnavailable:
            return Denied(Reason.UNAVAILABLE)


def judge(entry: Entry, match: Match | None, address: str | None, now: float) -> Verdict:  # noqa: PLR0911 - the contract has as many
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


def is_key_valid(verdict: Verdict) -> bool:
    """Whether the key was accepted, though perhaps not for this request: 200 or 403, not 401."""
    return isinstance(verdict, Granted) or verdict.reason in _FORBIDDEN


def _is_preflight(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether this is a CORS preflight as browsers send it (Fetch, section 3.2.2)."""
    names = {name for name, _ in headers}
    return b"origin" in names and b"access-control-request-method" in names
