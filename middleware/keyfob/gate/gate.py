"""The way of a request, from its scope to a verdict. `Gate.judge` is all that the ASGI edge knows of it.

A refused key is a value; a store that cannot answer is an exception. A known key costs one digest, one dictionary
lookup, and the two comparisons of `Freshness.is_current`: no await, no parsing, no database.

`judge` answers the requests of known keys itself, and those whose text no server of ours can have issued. Whatever
needs the database, or a closer look at the headers, goes through `_judge_in_full`, which decides the same and awaits.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keyfob.gate.credentials import AUTHORIZATION, BEARER, CredentialReader, one_key, split_headers, stripped
from keyfob.gate.decision import is_key_valid, judge
from keyfob.gate.known_key import CachedRefusal, Entry
from keyfob.gate.rate_limiter import Uncounted
from keyfob.gate.target import Targets, is_preflight, is_shared, needs_key, request_of
from keyfob.gate.verdict import BEYOND_LIMITS, Denied, Granted, Public, Reason
from keyfob.rules.readings import UNKNOWN_ROUTER
from keyfob.rules.table import Match

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Scope

    from keyfob.gate.authenticator import Authenticator
    from keyfob.gate.client_address import ClientAddress
    from keyfob.gate.combined_counter import Counted
    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.key_verifier import Presented
    from keyfob.gate.pending_use import Keeper
    from keyfob.gate.rate_limiter import RateLimiter
    from keyfob.gate.stats import Stats
    from keyfob.gate.usage import Usage
    from keyfob.gate.verdict import Admission, Header, Verdict
    from keyfob.propagation.freshness import Freshness
    from keyfob.rules.readings import Router
    from keyfob.rules.table import Rule, RuleTable

PUBLIC = Public()
_MISSING = Denied(Reason.MISSING)
_CHEAP_REJECTIONS = {reason: Denied(reason) for reason in (Reason.FORGED, Reason.MALFORMED, Reason.RETIRED)}


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
        router: Router = UNKNOWN_ROUTER,
        encoded_slash: bool = False,
        path_parameters: bool = False,
        allow_preflight: bool = False,
        forward_credential: bool = False,
        credentials: CredentialReader | None = None,  # None: as by default
        rate_limiter: RateLimiter | None = None,  # None: there are no limits
        now: Callable[[], float] = time.time,  # seconds since the epoch: only expiry and last use look at it
    ) -> None:
        self.table = rules
        self._targets = Targets(rules, router=router, encoded_slash=encoded_slash, path_parameters=path_parameters)
        self._matches = self._targets.matches
        self._addresses = addresses
        self._key_cache = key_cache
        self._freshness = freshness
        self._authenticator = authenticator
        self._usage = usage
        self._stats = stats
        self._allow_preflight = allow_preflight
        self._forwards_credential = forward_credential
        self._credentials = credentials or CredentialReader()
        self._bearer_header = AUTHORIZATION if self._credentials.takes_bearer else None
        self._rate_limiter = rate_limiter
        self._now = now

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of writing."""
        return self._targets.rules

    def use(self, router: Router) -> None:
        """Judge for *router* from now on."""
        self._targets.use(router)

    def judge(self, scope: Scope) -> Admission | Awaitable[Admission]:
        """Judge one request: immediately where nothing has to be waited for, else in what is returned to be awaited.

        An ordinary request has one *sensitive* header, ``authorization: Bearer <text>`` as servers hand it on. So
        there is no second credential, no forged header of ours, and no preflight. Whether *text* is one whole key
        needs no look where its digest is known.
        """
        plain, sensitive = split_headers(scope["headers"])
        if len(sensitive) != 1:
            return self._judge_in_full(scope, sensitive) if sensitive else self._judge_keyless(scope, plain)
        name, value = sensitive[0]
        if name != self._bearer_header or not value.startswith(BEARER) or not self._freshness.is_current():
            return self._judge_in_full(scope, sensitive)
        known = self._key_cache.get(value[7:])
        try:
            match = self._matches.get(request_of(scope))
        except KeyError:  # a WebSocket, or a server that leaves out what it may
            match = None
        if match is not None and isinstance(known, Entry):
            rule = match.rule
            team = rule.team_parameter
            now = self._now()
            if now < known.ends and (team is None or match.params[team] == known.granted.grant.team):
                client_ip = self._addresses.of(scope)
                cell = known.last.cell
                if cell.rule is rule and cell.ip == client_ip and now < cell.ends:  # `Cell.repeats`, but for a call
                    cell.at = now
                    cell.count += 1
                    self._stats.cache_hits += 1
                    if self._forwards_credential:
                        plain = list(scope["headers"])
                    return known.granted, plain, match, client_ip, None, known.granted.announcement
                admission = self._judge_again(scope, plain, match, known, client_ip, now)
                if admission is not None:
                    return admission
        return self._judge_bearer(scope, plain, sensitive, match, known)

    def _judge_again(  # noqa: PLR0917 - what `judge` found out
        self, scope: Scope, plain: list[Header], match: Match, known: Entry, client_ip: str | None, now: float
    ) -> Admission | None:
        """Judge a request of a key that was found to satisfy the rule before, alone or but for its limits.

        None: it has to be judged as if nothing was known.
        """
        rule, last = match.rule, known.last  # before anything is judged: see `Entry.describe`
        if rule in known.passes:
            self._note_admitted(known, rule, client_ip, now, last)
            announcement = known.granted.announcement
        elif rule in known.counted:
            counted = known.counted[rule]
            standing = counted.again.take()
            if standing is None and self._rate_limiter is not None:
                standing = self._rate_limiter.take_anew(counted)
            if standing is None:
                return None
            if not counted.cell.repeats(rule, client_ip, now):
                self._note_admitted(known, rule, client_ip, now, counted)
            announcement = counted.announcement(standing)
        else:
            return None
        self._stats.cache_hits += 1
        headers = list(scope["headers"]) if self._forwards_credential else plain
        return known.granted, headers, match, client_ip, None, announcement

    def _judge_keyless(self, scope: Scope, plain: list[Header]) -> Admission:
        """Judge a request without a sensitive header: it carries no key, and is no preflight."""
        target = self._targets.of(scope)
        if needs_key(target) and not is_shared(target):
            match = target if isinstance(target, Match) else None
            return _MISSING, plain, match, self._addresses.of(scope), None, None
        if isinstance(target, Match):
            return PUBLIC, plain, target, None, None, None
        return Denied(target), plain, None, None, None, None

    def _judge_bearer(
        self,
        scope: Scope,
        plain: list[Header],
        sensitive: list[Header],
        match: Match | None,
        known: Entry | CachedRefusal | None,
    ) -> Admission | Awaitable[Admission]:
        """Judge an ordinary request whose key was not found to satisfy the rule before."""
        target = match or self._targets.of(scope)
        if not needs_key(target) or is_shared(target):
            return self._judge_in_full(scope, sensitive)
        match = target if isinstance(target, Match) else None
        text = sensitive[0][1][7:]
        client_ip = self._addresses.of(scope)
        known = self._authenticator.believed(known)
        if known is None:
            key = self._authenticator.parse(text)
            if not isinstance(key, Reason):
                return self._judge_in_full(scope, sensitive, key)
            if key is Reason.MALFORMED and one_key(text, sensitive[0]) != text:
                return self._judge_in_full(scope, sensitive)
            return _CHEAP_REJECTIONS[key], plain, match, client_ip, None, None
        verdict = self._judge_known(known, match, client_ip)
        if isinstance(verdict, Uncounted):
            return self._judge_in_full(scope, sensitive)
        announcement = verdict.announcement if isinstance(verdict, Granted) else None
        is_forwarded = self._forwards_credential and isinstance(verdict, Granted)
        headers = list(scope["headers"]) if is_forwarded else plain
        return verdict, headers, match, client_ip, None, announcement

    async def _judge_in_full(self, scope: Scope, sensitive: list[Header], key: Presented | None = None) -> Admission:
        """Judge any request. Waits only if the key is not in the cache, or the cache may not be relied on.

        *key* is the presented text, taken apart, where it was found to carry our tag and not to be in the cache.
        """
        target = self._targets.of(scope)
        match = target if isinstance(target, Match) else None
        verdict: Verdict = PUBLIC
        carrier = client_ip = None
        if needs_key(target) and not (self._allow_preflight and is_preflight(scope)):
            text, carrier = self._credentials.read(sensitive)
            client_ip = self._addresses.of(scope)
            if is_shared(target) and self._credentials.is_foreign(sensitive):
                carrier = None  # whatever the headers hold, the application is to see it
            elif carrier is None or isinstance(text, Reason):
                verdict = Denied(text if isinstance(text, Reason) else Reason.MISSING)
            else:
                verdict = await self._judge_text(text, carrier, key, match, client_ip)
        elif isinstance(target, Reason) and target is not Reason.NO_RULE:
            verdict = Denied(target)
        is_forwarded = self._forwards_credential and isinstance(verdict, Granted)
        headers = stripped(scope["headers"], sensitive, None if is_forwarded else carrier)
        varies_by = None if carrier is None or carrier[0].lower() == AUTHORIZATION else carrier[0].lower()
        announcement = verdict.announcement if isinstance(verdict, Granted) else None
        return verdict, headers, match, client_ip, varies_by, announcement

    async def _judge_text(
        self, text: bytes, carrier: Header, key: Presented | None, match: Match | None, client_ip: str | None
    ) -> Granted | Denied:
        outcome: Counted | None = None
        while True:
            known: Entry | CachedRefusal | Denied | None = None
            if key is None and self._freshness.is_current():
                known = self._authenticator.believed(self._key_cache.get(text))
            if known is None:
                known = await self._authenticator.authenticate_or_deny(one_key(text, carrier), key, client_ip)
            if isinstance(known, Denied):
                return known
            # No await from the last look at the freshness to here, nor in what judges.
            verdict = self._judge_known(known, match, client_ip, outcome)
            if not isinstance(verdict, Uncounted) or self._rate_limiter is None:
                return _judged(verdict)
            # What is true of the key may change meanwhile, so all is looked at again; it is counted once.
            outcome, key = await self._rate_limiter.count(verdict), None

    def _judge_known(
        self, known: Entry | CachedRefusal, match: Match | None, client_ip: str | None, outcome: Counted | None = None
    ) -> Granted | Denied | Uncounted:
        """Judge a text that is known, and note the use of its key. *outcome* is of a request that was counted."""
        if isinstance(known, CachedRefusal):
            return Denied(known.reason)
        last, passes, dead = known.last, known.passes, known.dead  # in this order: see `Entry.describe`
        rule, now = None if match is None else match.rule, self._now()
        if dead is not None:
            denial = known.last_denial
            if denial is None or not denial.cell.repeats(rule, client_ip, now):
                self._usage.note_denied(known.key_id, now, client_ip, rule, dead.reason, is_use=False, keeper=denial)
            return dead
        verdict = judge(known, match, client_ip, now)
        if isinstance(verdict, Granted):
            if rule is not None and (known.limits is not None or rule.limits):
                return self._judge_limited(known, verdict, rule, client_ip, outcome)
            self._note_admitted(known, rule, client_ip, now, last)
            if rule is not None and known.networks is None:
                passes.add(rule)  # so that type and permissions are not compared again
            return verdict
        is_use = is_key_valid(verdict)
        if is_use:
            verdict = verdict._replace(announcement=known.granted.announcement)
        self._usage.note_denied(known.key_id, now, client_ip, rule, verdict.reason, is_use=is_use)
        return verdict

    def _judge_limited(
        self, known: Entry, granted: Granted, rule: Rule, client_ip: str | None, outcome: Counted | None
    ) -> Granted | Denied | Uncounted:
        """Count a request that nothing but limits can refuse, and note the use of its key."""
        limiter, now = self._rate_limiter, self._now()
        verdict = granted if limiter is None else limiter.judge(known, granted, rule, outcome)
        if isinstance(verdict, Granted):
            self._note_admitted(known, rule, client_ip, now)
        elif isinstance(verdict, Denied) and verdict.reason in BEYOND_LIMITS:
            self._usage.note_denied(known.key_id, now, client_ip, rule, verdict.reason, is_use=True)
        return granted if limiter is not None and limiter.observes and isinstance(verdict, Denied) else verdict

    def _note_admitted(
        self, known: Entry, rule: Rule | None, client_ip: str | None, now: float, keeper: Keeper | None = None
    ) -> None:
        if self._usage.note_admitted(known.key_id, now, client_ip, rule, keeper=keeper):
            self._key_cache.touch(known)  # once per flush: the cache needs no finer order of last use


def _judged(verdict: Granted | Denied | Uncounted) -> Granted | Denied:
    """Give *verdict*, or a denial where nobody could count the request."""
    return Denied(Reason.LIMITS_UNAVAILABLE) if isinstance(verdict, Uncounted) else verdict
