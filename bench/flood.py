"""What good clients notice while bogus keys arrive by the thousand, and what the server spends on them."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import peer_servers, servers
from bench.drivers import programs
from bench.effort import Effort
from bench.flood_results import Flooded, Floods
from bench.guarded import bearer, guarded
from bench.http_load import APP
from bench.peers.presented import MANY, random
from keyfob.keys.format import TAG_LENGTH, compose, new_key_id, new_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from bench.guarded import Guarded
    from bench.peer_environments import Presented
    from bench.peer_servers import Peer

VALID_RATE = 50.0  # requests a second that ought to be let in
RATES = (1_000.0, 3_000.0, 10_000.0)
PEER_RATES = (1_000.0,)
PEERS = tuple(peer for peer in peer_servers.PEERS if peer.quickest)
_COUNTS = ("argon2_verifications", "store_reads", "refused_by_tag")


@dataclass(frozen=True)
class Target:
    """A server, what it is to be asked with, and whether it tells what it counted."""

    title: str
    server: servers.Server
    presented: Presented
    rates: tuple[float, ...]
    tells: bool = False

    def counts(self) -> dict[str, int] | None:
        """What Keyfob counted since it started, read from a public route."""
        if not self.tells:
            return None
        _, body = servers.answer(self.server.port, [], "/stats")
        counted: dict[str, int] = json.loads(body)
        return {name: counted[name] for name in _COUNTS}


async def measure(
    effort: Effort | None = None, peers: Iterable[Peer] = PEERS, rates: tuple[float, ...] = RATES
) -> Floods:
    """Flood Keyfob with each kind of bogus key at each of *rates*, a bare application likewise, and each peer once."""
    effort = effort or Effort.wanted(rounds=1, seconds=4.0)
    async with guarded() as place:
        with ExitStack() as stack:
            ready, absent = peer_servers.start(stack, peers, place.folder)
            targets = [
                *_ours(stack, place, rates),
                *(
                    Target(f"{one.peer.title}, {one.peer.server}", one.server, one.presented, PEER_RATES)
                    for one in ready
                ),
            ]
            rows = [row for target in targets for row in await _flooded(target, effort.seconds)]
    return Floods(effort, VALID_RATE, rows, absent)


def _ours(stack: ExitStack, place: Guarded, rates: tuple[float, ...]) -> list[Target]:
    """Keyfob, and a bare application that answers 200 to all: what the server and the driver cost by themselves."""
    presented = keys(place)
    plain = {"valid": presented["valid"], "anything": presented["random junk"]}
    targets = [
        Target("Keyfob, uvicorn", _server(stack, place, "keyfob"), presented, rates, tells=True),
        Target("bare, uvicorn", _server(stack, place, "starlette"), plain, rates),
    ]
    for target in targets:
        target.server.ready()
    peer_servers.check(targets[0].server.port, presented)
    return targets


def _server(stack: ExitStack, place: Guarded, kind: str) -> servers.Server:
    command = servers.uvicorn(APP, "--factory")
    return stack.enter_context(servers.running(command, place.folder / f"{kind}.log", place.environ(kind)))


def keys(place: Guarded) -> Presented:
    """What Keyfob is asked with: a good key, and four kinds of bogus ones, made by who does not have the keyring."""
    kinds = {
        "valid": [place.good.text],
        "random junk": [random(40) for _ in range(MANY)],
        "well-formed": [_forged(new_key_id(), place) for _ in range(MANY)],
        "real id, wrong secret": [_forged(place.good.record.id, place) for _ in range(MANY)],
        "dead key, replayed": [place.disabled.text],
    }
    return {kind: [bearer(text) for text in texts] for kind, texts in kinds.items()}


def _forged(key_id: str, place: Guarded) -> str:
    char = place.here.signing.char  # it can be read in any key
    tag = random(TAG_LENGTH)
    return compose(key_type="api", key_id=key_id, secret=new_secret(), key_char=char, tag=lambda _: tag).text


async def _flooded(target: Target, seconds: float) -> list[Flooded]:
    """At each rate: a while of peace, and then each kind of bogus key."""
    rows = []
    for rate in target.rates:
        before = target.server.cpu_seconds()
        idle = await _probe(target, seconds)
        spent_idle = target.server.cpu_seconds() - before
        for kind, headers in target.presented.items():
            if kind != "valid":
                flood = programs.fixed_rate(target.server.port, headers, rate, seconds, is_flood=True)
                rows.append(await _flood(target, kind, flood, seconds, (idle, spent_idle)))
    return rows


async def _flood(
    target: Target, kind: str, flood: Awaitable[dict[str, Any]], seconds: float, peace: tuple[dict[str, Any], float]
) -> Flooded:
    counted, spent = target.counts(), target.server.cpu_seconds()
    valid, bogus = await asyncio.gather(_probe(target, seconds), flood)
    idle, spent_idle = peace
    spent = max(0.0, target.server.cpu_seconds() - spent - spent_idle)
    after = target.counts()
    return Flooded(
        target=target.title,
        kind=kind,
        idle=idle,
        valid=valid,
        bogus=bogus,
        cpu_us=spent / max(1, bogus["sent"]) * 1e6,
        counts=None if counted is None or after is None else {name: after[name] - counted[name] for name in _COUNTS},
    )


async def _probe(target: Target, seconds: float) -> dict[str, Any]:
    return await programs.fixed_rate(target.server.port, target.presented["valid"], VALID_RATE, seconds)
