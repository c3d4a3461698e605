"""Why a request is refused, and what would change that: for people, and never with a secret.

A request that is asked about is judged by the rules of the configuration, as for a router that nothing is known of. One
that was refused is explained by what its rule demanded then, and by what its key is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from keyfob.errors import Invalid, LimitsUnavailable, NotFound
from keyfob.gate.client_address import Networks, canonical
from keyfob.gate.demands import Demands
from keyfob.gate.verdict import Reason
from keyfob.keys.format import key_id_of
from keyfob.management.key_state import state_of
from keyfob.policy.permissions import Held
from keyfob.rules.rule import WEBSOCKET, Match
from keyfob.runtime.configured import rules_of, targets_of
from keyfob.store.contract.refusals import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from keyfob.config.settings import Settings
    from keyfob.gate.target import Targets
    from keyfob.keys.record import KeyRecord, State
    from keyfob.management.actor import Actor
    from keyfob.management.key_standings import Full, KeyStandings
    from keyfob.policy.catalogue import Catalogue
    from keyfob.rules.rule import Rule
    from keyfob.store.contract.key_store import KeyStore

NEEDED = "keys:read"
_BEYOND: Final[Mapping[str, str]] = {
    Reason.LIMITED: "Send less often, or raise the limits of the key or its team.",
    Reason.QUOTA_EXCEEDED: "Wait until the period ends, or give the key or its team a larger quota.",
}


class Obstacle(NamedTuple):
    """One thing that keeps a request from passing, and what would take it away."""

    reason: Reason
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became, or would become, of one request. *reason* is None where it passes."""

    record: KeyRecord
    state: State
    method: str
    path: str
    ip: str | None
    reason: Reason | None
    public: bool = False
    rule: str | None = None
    needed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    refused_at: datetime | None = None  # None: nobody sent it


class Explainer:
    """Explains requests of the keys that an actor can see."""

    def __init__(
        self,
        store: KeyStore,
        catalogue: Catalogue,
        settings: Settings,
        now: Callable[[], datetime],
        standings: KeyStandings,
    ) -> None:
        """*settings* have the rules, which are compiled when a request is asked about."""
        self._standings = standings
        self._store = store
        self._catalogue = catalogue
        self._settings = settings
        self._now = now

    async def explain(
        self,
        *,
        request_id: str | None,
        key: str | None,
        method: str | None,
        path: str | None,
        ip: str | None,
        actor: Actor,
    ) -> Explanation:
        """Explain the request *request_id*, or what would become of one that is described. Raises Invalid, NotFound."""
        if request_id is not None:
            if (key, method, path, ip) != (None, None, None, None):
                raise Invalid(("/request_id", "The id of a request stands alone, without key, method, path and ip"))
            return await self.refusal(request_id, actor=actor)
        if key is None or method is None or path is None:
            raise Invalid(("", "Name key, method and path, or else a request_id"))
        return await self.request(key, method, path, ip, actor=actor)

    async def request(self, key: str, method: str, path: str, ip: str | None = None, *, actor: Actor) -> Explanation:
        """Explain what would become of a request of *key*, an id in either form, from *ip*; None: from anywhere.

        *method* is `WS` for a WebSocket. Nothing is counted. Raises Forbidden, NotFound for a key that *actor* cannot
        see, and Invalid.
        """
        actor.demand(NEEDED)
        address = None if ip is None else canonical(ip)
        if ip is not None and address is None:
            raise Invalid(("/ip", "This must be an IP address, for example 203.0.113.7 or 2001:db8::7"))
        if not path.startswith("/"):
            raise Invalid(("/path", "A path begins with a slash, for example /items"))
        record = await self._visible(key_id_of(key, self._settings.prefix), actor)
        target = self._targets().of(_scope(method, path))
        demands = Demands.of(target) if isinstance(target, Match) else None
        obstacles = list(self._obstacles(record, demands, address, ip_known=ip is not None))
        if isinstance(target, Match):
            obstacles = [] if target.rule.public else [*obstacles, *await self._full(record, target.rule)]
        elif target is not Reason.NO_RULE:
            obstacles = [Obstacle(target, "Send a path and a method that every program reads alike.")]
        return Explanation(
            record=record,
            state=self._state(record),
            method=method,
            path=path.partition("?")[0],
            ip=address,
            reason=obstacles[0].reason if obstacles else None,
            public=isinstance(target, Match) and target.rule.public,
            rule=None if demands is None else demands.rule,
            needed=() if demands is None else demands.needed,
            missing=_missing(record, demands),
            changes=tuple(one.change for one in obstacles),
        )

    async def refusal(self, request_id: str, *, actor: Actor) -> Explanation:
        """Explain a refusal of the last hour. Raises Forbidden, and NotFound for one that *actor* cannot see."""
        actor.demand(NEEDED)
        found = await self._store.refusals.find(request_id, since=self._now() - KEPT)
        if found is None:
            raise NotFound("no refused request of the last hour has this id")
        record = await self._visible(found.key_id, actor)
        demands = None if found.demands is None else Demands.from_json(found.demands)
        obstacles = list(self._obstacles(record, demands, found.ip, ip_known=True))
        if found.reason in _BEYOND:
            obstacles.insert(0, Obstacle(Reason(found.reason), _BEYOND[found.reason]))
        elif not obstacles:
            obstacles = [Obstacle(Reason(found.reason), "Nothing: since then the key has become able to do this.")]
        return Explanation(
            record=record,
            state=self._state(record),
            method=found.method,
            path=found.path,
            ip=found.ip,
            reason=Reason(found.reason),
            refused_at=found.at,
            rule=None if demands is None else demands.rule,
            needed=() if demands is None else demands.needed,
            missing=_missing(record, demands),
            changes=tuple(one.change for one in obstacles),
        )

    def _targets(self) -> Targets:
        return targets_of(self._settings, rules_of(self._settings.rules, self._catalogue))

    async def _visible(self, key_id: str | None, actor: Actor) -> KeyRecord:
        record = None if key_id is None else (await self._store.find(key_id)).record
        if record is None or record.is_deleted or not actor.may_see_key(record):
            raise NotFound("there is no such key")
        return record

    def _state(self, record: KeyRecord) -> State:
        return state_of(record, self._catalogue, self._now())

    def _obstacles(
        self, record: KeyRecord, demands: Demands | None, ip: str | None, *, ip_known: bool
    ) -> Iterator[Obstacle]:
        """Everything that keeps the request from passing, in the order in which the gate judges."""
        yield from self._invalid(record)
        if demands is None:
            yield Obstacle(Reason.NO_RULE, "Write a rule that names this method and path.")
            return
        if demands.key_types is not None and record.key_type not in demands.key_types:
            types = " or ".join(demands.key_types)
            yield Obstacle(Reason.WRONG_TYPE, f"Use a key of type {types}; this one is of type {record.key_type}.")
        if demands.team is not None and demands.team != record.team:
            yield Obstacle(Reason.WRONG_TEAM, f"Use a key of the team {demands.team}; this one is of {record.team}.")
        if record.ip_allow and not (ip is None and not ip_known) and not Networks(record.ip_allow).contains(ip):
            allowed = ", ".join(record.ip_allow)
            yield Obstacle(
                Reason.WRONG_ADDRESS, f"Send it from {allowed}, or add {ip or 'its address'} to the key's addresses."
            )
        for names, word in _lacks(record, demands):
            yield Obstacle(Reason.PERMISSION, f"Give the key {word}{', '.join(names)}.")

    async def _full(self, record: KeyRecord, rule: Rule) -> list[Obstacle]:
        """Every limit and quota that has no room for one more request under *rule*."""
        if "observe" in {self._settings.limits_mode, self._settings.mode}:
            return []
        try:
            found = await self._standings.full(record, rule.limits, rule.cost)
        except LimitsUnavailable as error:
            unknown = Obstacle(Reason.LIMITS_UNAVAILABLE, f"See why limits cannot be counted: {error}.")
            return [unknown] if self._settings.limits_on_outage == "closed" else []
        return [
            Obstacle(Reason.LIMITED if one.seconds else Reason.QUOTA_EXCEEDED, _room_for(one, rule.cost))
            for one in found
        ]

    def _invalid(self, record: KeyRecord) -> Iterator[Obstacle]:
        if record.is_disabled:
            yield Obstacle(Reason.DISABLED, "Enable the key.")
        if record.is_pending:
            yield Obstacle(Reason.PENDING, "Collect the key with its handover link; it has no secret yet.")
        if self._catalogue.suspends(record.plan, record.key_type):
            yield Obstacle(
                Reason.SUSPENDED, f"Give the team a plan with keys of type {record.key_type}; {record.plan} has none."
            )
        if record.is_expired(self._now()):
            yield Obstacle(Reason.EXPIRED, "Give the key a later end, or use another one.")


def _room_for(full: Full, cost: int) -> str:
    """What would make room for a request that counts *cost*."""
    within = f" in {full.seconds:,} seconds" if full.seconds else ""
    named = f"the {'limit' if full.seconds else 'quota'} {full.name} ({full.amount:,}{within})"
    if full.opens_at is None:
        return f"Raise {named}: this request counts {cost:,}."
    return f"Wait until {full.opens_at:%Y-%m-%dT%H:%M:%SZ}, or raise {named}, which has no room for it."


def _lacks(record: KeyRecord, demands: Demands) -> Iterator[tuple[tuple[str, ...], str]]:
    """The permissions that *record* lacks: all of each, or one of those that come with "one of "."""
    held = Held(record.permissions)
    everything = dict.fromkeys(name for all_of, _ in demands.parts for name in all_of)
    absent = tuple(name for name in everything if not held.covers(name))
    if absent:
        yield absent, ""
    for _, any_of in demands.parts:
        if any_of and not any(map(held.covers, any_of)):
            yield any_of, "one of "


def _missing(record: KeyRecord, demands: Demands | None) -> tuple[str, ...]:
    lacks = () if demands is None else _lacks(record, demands)
    return tuple(dict.fromkeys(name for names, _ in lacks for name in names))


def _scope(method: str, path: str) -> dict[str, object]:
    """Return what a server would make of the request."""
    raw = path.partition("?")[0]
    kind = "websocket" if method == WEBSOCKET else "http"
    escaped = {"raw_path": raw.encode(errors="surrogatepass")} if "%" in raw else {}  # what is no UTF-8 is refused
    return {"type": kind, "method": method, "path": unquote(raw), "root_path": "", "headers": [], **escaped}
