"""The store at the other end of a bad line: every version it ever had, and what a process asks of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from keyfob.errors import StoreUnavailable
from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState, sealed
from keyfob.keys.format import KeyText, compose
from keyfob.keys.hashing import verify
from keyfob.keys.record import Creator, KeyRecord, StoredSecret
from keyfob.store.contract.counter import OwnCounter
from keyfob.store.contract.key_store import Changes, Found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from tests.model.virtual_time import Outside

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ENTRY = SigningKey("a", bytes(range(32)), NOON)
KEYRING = Keyring.of([ENTRY])
(MARK,) = sealed([SigningKeyRecord("a", ENTRY.fingerprint, SigningKeyState.ACTIVE, NOON)], ENTRY)
STATES = ("good", "narrow", "disabled", "suspended", "deleted", "absent")


def _key(number: int, secret: str) -> KeyText:
    key_id = f"{number}" * 16
    return compose(key_type="api", key_id=key_id, secret=secret * 43, key_char="a", tag=ENTRY.tag)


KEYS = tuple(_key(number, "s") for number in (1, 2, 3))
GUESS = _key(1, "g")  # the first key's id and a right tag, with a secret that nobody gave out


def _hash(salt: str) -> str:
    return f"$argon2id$v=19$m=8,t=1,p=1${salt * 22}${'A' * 43}"


def _templates(key: KeyText) -> dict[str, KeyRecord]:
    both, one = ("items:read", "items:write"), ("items:read",)
    good = KeyRecord(key.key_id, "key", "api", "team", "paid", both, NOON, Creator("system", None, "model"))
    return {
        "good": good,
        "narrow": replace(good, permissions=one),
        "disabled": replace(good, disabled_at=NOON),
        "suspended": replace(good, plan="free"),
        "deleted": replace(good, deleted_at=NOON),
    }


_TEMPLATES = {key.key_id: _templates(key) for key in KEYS}


@dataclass(frozen=True, slots=True)
class Version:
    """All keys after one commit. An absent key has no record."""

    at: float
    revision: int
    epoch: str
    records: Mapping[str, KeyRecord]


class Primary:
    """The database. It changes at once; only the line to it takes time."""

    def __init__(self, states: Sequence[str]) -> None:
        """Begin with the keys of `KEYS` in *states*."""
        records: dict[str, KeyRecord] = {}
        for revision, (key, state) in enumerate(zip(KEYS, states, strict=True), 1):
            _put(records, key.key_id, state, revision)
        self.versions = [Version(0.0, len(KEYS), "epoch0", records)]
        self.secrets = {key.key_id: StoredSecret(_hash("A"), None) for key in KEYS}
        self.signal = OwnCounter(len(KEYS))

    @property
    def now(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def change(self, at: float, key_id: str, state: str) -> int:
        """Commit another *state* of a key; the revision."""
        revision = self.now.revision + 1
        records = dict(self.now.records)
        _put(records, key_id, state, revision)
        self.versions.append(Version(at, revision, self.now.epoch, records))
        return revision

    def restore(self, at: float, states: Sequence[str]) -> None:
        """Put a backup in place of everything, as ``keyfob db restore`` does: a new epoch, a higher revision."""
        self._replace(at, self.now.revision + 1, states, youngest=self.now.revision)

    def swap(self, at: float, states: Sequence[str], revision: int) -> None:
        """Put the file of a backup in place, as a person might: it is another file, at its own *revision*."""
        self._replace(at, revision, states, youngest=revision)

    def _replace(self, at: float, revision: int, states: Sequence[str], *, youngest: int) -> None:
        records: dict[str, KeyRecord] = {}
        for key, state in zip(KEYS, states, strict=True):
            _put(records, key.key_id, state, youngest)
        self.versions.append(Version(at, revision, f"epoch{len(self.versions)}", records))


def _put(records: dict[str, KeyRecord], key_id: str, state: str, revision: int) -> None:
    if state == "absent":
        records.pop(key_id, None)
    else:
        records[key_id] = replace(_TEMPLATES[key_id][state], revision=revision)


class Leg(Enum):
    """A way that takes time."""

    POLL = auto()
    CHANGES = auto()
    QUESTION = auto()
    ROW = auto()
    DIGEST = auto()
    HASH = auto()


@dataclass(frozen=True, slots=True)
class Weather:
    """How the line is in one schedule."""

    slow: Mapping[Leg, float]  # how likely each takes long
    longest: float  # seconds that it takes then
    grid: float  # seconds; where it is not 0, everything happens at multiples of it, so that much happens at once
    outages: tuple[tuple[float, float, bool], ...] = ()  # from, until, and whether rows are lost as well as polls

    def lasting(self, seconds: float) -> float:
        """*seconds*, on the grid."""
        return seconds if not self.grid else round(seconds / self.grid) * self.grid

    def loses(self, now: float, leg: Leg) -> bool:
        """Whether what is sent at *now* does not arrive."""
        if leg is Leg.HASH:
            return False
        is_poll = leg is Leg.POLL or leg is Leg.CHANGES
        return any(begin <= now < end and (is_poll or rows_too) for begin, end, rows_too in self.outages)


class Line:
    """`KeyLookup`, `ChangeFeed` and the pool of hashes, as one process has them."""

    def __init__(self, primary: Primary, outside: Outside, rng: Random, weather: Weather, *, hears: bool) -> None:
        """A process that does not hear the change signal is on another host."""
        self.change_signal = primary.signal if hears else OwnCounter()
        self._primary = primary
        self._outside = outside
        self._rng = rng
        self._weather = weather

    async def find(self, key_id: str) -> Found:
        """Read one key in a snapshot somewhere between the call and the answer."""
        await self._travel(Leg.QUESTION)
        version = self._primary.now
        record = version.records.get(key_id)
        secret = None if record is None or record.is_deleted else self._primary.secrets[key_id]
        await self._travel(Leg.ROW)
        return Found(record, secret, version.revision, version.epoch)

    async def changes(self, since: int | None) -> Changes:
        """Read what changed in a snapshot somewhere between the call and the answer."""
        await self._travel(Leg.POLL)
        version = self._primary.now
        await self._travel(Leg.CHANGES)
        newer = () if since is None else tuple(one for one in version.records.values() if one.revision > since)
        return Changes(version.revision, version.epoch, newer, (MARK,))

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        """Keep a digest, if the hash is still the one that was checked."""
        await self._travel(Leg.DIGEST)
        if self._primary.secrets[key_id].hash == checked_hash:
            self._primary.secrets[key_id] = secret

    async def run(self, work: Callable[..., Any], *args: Any, key_id: str | None = None) -> Any:
        """Stand in for the pool of hashes: it takes its time, and computes nothing."""
        await self._travel(Leg.HASH)
        return args[1] == "s" * 43 if work is verify else _hash("B")

    async def _travel(self, leg: Leg) -> None:
        """Take some time, or none; what is lost is told at once, late, or never."""
        rng, weather = self._rng, self._weather
        if weather.outages and weather.loses(self._outside.now, leg):
            await asyncio.sleep(rng.choice((0.0, 0.3, 3600.0 if leg is Leg.POLL else 1.0)))
            raise StoreUnavailable("the line is cut")
        luck = rng.random()
        if luck < weather.slow[leg]:
            await asyncio.sleep(weather.lasting(weather.longest * rng.random()))
        elif luck > 0.8:
            await asyncio.sleep(weather.lasting(0.01 * rng.random()))
        elif luck > 0.6:
            await asyncio.sleep(0)
