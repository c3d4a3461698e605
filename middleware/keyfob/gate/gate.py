"""The way of a request, from headers to a verdict.

A refused key is a value; a store that cannot answer is an exception. What is asked of a warm key is one digest, one
dictionary lookup, and the two comparisons of `Freshness.is_current`: no await, no parsing, no database.

`Gate.admit` is the whole way. `Gate.judge_at_once` is the short one that nearly every request takes: known keys pass,
what was refused before, is no key at all or was never made by our keyring is refused, and all else is left to the
other.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from starlette._utils import get_route_path

from keyfob.errors import Saturated, StoreUnavailable
from keyfob.gate.credentials import AUTHORIZATION, BEARER, one_key, read_credential, stripped
from keyfob.gate.decision import is_key_valid, judge
from keyfob.gate.key_cache import Refusal
from keyfob.gate.verdict import Denied, Granted, Public, Reason
from keyfob.rules.safe_path import hides_separators, is_safe_path
from keyfob.rules.table import WEBSOCKET, Match, Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from keyfob.gate.authenticator import Authenticator
    from keyfob.gate.client_address import ClientAddress
    from keyfob.gate.credentials import Header
    from keyfob.gate.key_cache import Entry, KeyCache
    from keyfob.gate.stats import Stats
    from keyfob.gate.usage import Usage
    from keyfob.gate.verdict import Verdict
    from keyfob.propagation.freshness import Freshness
    from keyfob.rules.table import RuleTable

PUBLIC = Public()
_CHEAP_REJECTIONS = {reason: Denied(reason) for reason in (Reason.FORGED, Reason.MALFORMED)}
Admission = tuple["Verdict", "list[Header]", "Match | None", "str | None"]
"""A verdict; the headers as the application may see them; and what was judged: the rule, and the client's address."""

BAD_PATH = Match(Rule("", frozenset(), ()), {})

_PERCENT = ord("%")  # a number, because bytes are asked for bytes only after they were tried as one, and failed
_PATHS_KEPT = 4096
_LONGEST_KEPT = 256  # characters; so that paths made up by strangers fill a few megabytes at most


class Gate:
    """Judges requests by their headers and path. It neither reads bodies nor answers anybody."""

    def __init__(
        self,
        *,
        rules: RuleTable,
        addresses: ClientAddress,
        key_cache: KeyCache,
        freshness: Freshness,
        authenticator: Authenticator,
        usage: Usage,
        stats: Stats,
        encoded_slash: bool = False,
        allow_preflight: bool = False,
        forward_credential: bool = False,
        now: Callable[[], float] = time.time,  # seconds since the epoch: only expiry and last use look at it
    ) -> None:
        self._rules = rules
        self._addresses = addresses
        self._key_cache = key_cache
        self._freshness = freshness
        self._authenticator = authenticator
        self._usage = usage
        self._stats = stats
        self._encoded_slash = encoded_slash
        self._allow_preflight = allow_preflight
        self._forwards_credential = forward_credential
        self._now = now
        self._route = lru_cache(_PATHS_KEPT)(self._find_route)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of writing."""
        return self._rules.rules

    def judge_at_once(self, scope: Scope, plain: list[Header], sensitive: list[Header]) -> Admission | None:
        """Judge an ordinary HTTP request of a known key, or of what can be none; None where `admit` has to look.

        Such a request has one header that is not *ordinary*, ``authorization: Bearer <text>`` as servers hand it on. So
        there is no second credential, nothing of ours that a client made up, and no preflight. That *text* is one
        whole key needs no look: its digest is known.
        """
        path, raw_path = scope["path"], scope.get("raw_path")
        if len(sensitive) != 1 or len(path) > _LONGEST_KEPT or (raw_path is not None and _PERCENT in raw_path):
            return None
        name, value = sensitive[0]
        if name != AUTHORIZATION or value[:7] != BEARER:
            return None
        match = self._route(scope["method"], path, scope.get("root_path", ""))
        entry = self._key_cache.get(value[7:])
        if entry is None:
            return self._refuse_at_once(scope, plain, value[7:], match)
        if match is None or not self._freshness.is_current():
            return None
        now, address = self._now(), self._addresses.of(scope)
        is_plain = match.rule in entry.passes and entry.networks is None and now < entry.ends
        # A public rule is for no type of key, so it is not granted here.
        if not is_plain and (match is BAD_PATH or not _is_admitted(entry, match, address, now)):
            return None
        self._stats.cache_hits += 1
        if self._usage.note_admitted(entry.key_id, now, address):
            self._key_cache.touch(entry)  # once per flush: a cache needs no finer order of what was used last
        return entry.granted, list(scope["headers"]) if self._forwards_credential else plain, match, address

    def _refuse_at_once(self, scope: Scope, plain: list[Header], text: bytes, match: Match | None) -> Admission | None:
        """Refuse what was refused before, and what costs an attacker nothing to make; None for every other text."""
        is_guarded = match is None or not (match is BAD_PATH or match.rule.public)
        # Where nothing is current, it may not be known yet what the database says of the keyring.
        if not is_guarded or not self._freshness.is_current():
            return None
        address = self._addresses.of(scope)
        known = self._authenticator.known(text)
        verdict: Denied | Granted
        if known is not None:
            verdict = self._judge(known, match, address)
        else:
            reason = self._authenticator.reject_cheaply(text)
            if reason is None or (reason is Reason.MALFORMED and one_key(text, (AUTHORIZATION, text)) != text):
                return None
            verdict = _CHEAP_REJECTIONS[reason]
        return verdict, plain, match, address

    async def admit(self, scope: Scope, sensitive: list[Header]) -> Admission:
        """Judge one request by its scope and those of its headers that are not ordinary.

        Waits only if the key is not in the cache, or the cache may not be relied on.
        """
        match = self._match(scope)
        verdict: Verdict = PUBLIC
        carrier = address = None
        if match is BAD_PATH:
            verdict = Denied(Reason.BAD_PATH)
        elif not (match is not None and match.rule.public) and not (self._allow_preflight and _is_preflight(scope)):
            text, carrier = read_credential(sensitive)
            address = self._addresses.of(scope)
            verdict = (
                Denied(text) if isinstance(text, Reason) else await self._judge_text(text, carrier, match, address)
            )
        forwards = self._forwards_credential and type(verdict) is Granted
        return verdict, stripped(scope["headers"], sensitive, None if forwards else carrier), match, address

    async def _judge_text(
        self, text: bytes, carrier: Header | None, match: Match | None, address: str | None
    ) -> Granted | Denied:
        known = self._authenticator.known(text) if self._freshness.is_current() else None
        entry = known or await self._authenticate_or_deny(one_key(text, cast("Header", carrier)))
        # No await from the last look at the freshness to here, nor below.
        return entry if isinstance(entry, Denied) else self._judge(entry, match, address)

    def _judge(self, entry: Entry | Refusal, match: Match | None, address: str | None) -> Granted | Denied:
        """Judge what is known, and note the use."""
        if isinstance(entry, Refusal):
            return Denied(entry.reason)
        now = self._now()
        verdict = judge(entry, match, address, now)
        if isinstance(verdict, Granted):
            self._usage.note_admitted(entry.key_id, now, address)
            self._key_cache.touch(entry)
        elif is_key_valid(verdict):
            self._usage.note_forbidden(entry.key_id, now, address)
        else:
            self._usage.note_refused(entry.key_id, now)
        return verdict

    def _match(self, scope: Scope) -> Match | None:
        """The rule for a request, or BAD_PATH."""
        raw_path = scope.get("raw_path")
        if (
            raw_path is not None
            and _PERCENT in raw_path
            and hides_separators(raw_path, encoded_slash=self._encoded_slash)
        ):
            return BAD_PATH
        path = scope["path"]
        method = scope["method"] if scope["type"] == "http" else None
        # A path is looked at once: what is judged depends on nothing else.
        return (self._route if len(path) <= _LONGEST_KEPT else self._find_route)(
            method, path, scope.get("root_path", "")
        )

    def _find_route(self, method: str | None, path: str, root_path: str) -> Match | None:
        """*method* is None for a WebSocket."""
        if not is_safe_path(path):
            return BAD_PATH
        if method == WEBSOCKET:
            return None  # HTTP lets a client call its method WS; that is no handshake
        return self._rules.match(method or WEBSOCKET, get_route_path({"path": path, "root_path": root_path}) or "/")

    async def _authenticate_or_deny(self, text: bytes | Reason) -> Entry | Denied:
        """Find out what *text* is; that it cannot be said is a reason, too."""
        if isinstance(text, Reason):
            return Denied(text)
        try:
            return await self._authenticator.authenticate(text)
        except Saturated:
            return Denied(Reason.SATURATED)
        except StoreUnavailable:
            return Denied(Reason.UNAVAILABLE)


def _is_admitted(entry: Entry, match: Match, address: str | None, now: float) -> bool:
    """Whether `judge` grants; what type and permissions alone decided is kept, so that it is not judged again."""
    if type(judge(entry, match, address, now)) is not Granted:
        return False
    if match.rule.team_parameter is None:
        entry.passes.add(match.rule)
    return True


def _is_preflight(scope: Scope) -> bool:
    """Whether this is a CORS preflight as browsers send it (Fetch, section 3.2.2)."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"access-control-request-method" in names
