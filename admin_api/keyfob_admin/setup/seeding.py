"""Fills a store with keys in bulk, for measuring what Keyfob does with many of them.

Each key has a secret, a tag and a digest of its own, so it is admitted like any other. To hash a million secrets would
take hours, though: all share one Argon2id hash, of a secret that is nobody's. So they pass by their digests alone, and
are refused for ever where those are not in use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, NotFound
from keyfob.keys.format import ALPHABET, ID_LENGTH, SECRET_LENGTH, compose, new_secret
from keyfob.keys.hashing import hash_secret
from keyfob.keys.record import KeyRecord, StoredSecret
from keyfob.management.audited_state import AFTER, state_of_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator
    from datetime import datetime

    from keyfob.keys.record import Team
    from keyfob.management.actor import Actor
    from keyfob.management.key_issuer import KeyIssuer
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

AT_ONCE = 10_000  # keys in one transaction: what other changes wait for
SPREAD = timedelta(days=365)  # how far back the keys are said to have been made

_KINDS = ("billing-api", "checkout", "ci-runner", "crm-sync", "data-export", "invoices", "mobile-app", "webhooks")
_PLACES = ("development", "staging", "production", "preview", "sandbox")
_FAIR = len(ALPHABET) * (256 // len(ALPHABET))  # a byte from here on would favour the first letters
_LETTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))


@dataclass(frozen=True, slots=True)
class Seeding:
    """What is to be made: *count* keys of *key_type* in *team*; *keep* of their texts are given back."""

    count: int
    team: str
    actor: Actor
    permissions: tuple[str, ...] = ()
    key_type: str = "api"
    keep: int = 0


@dataclass(frozen=True, slots=True)
class _Seeded:
    text: str = field(repr=False)
    record: KeyRecord
    secret: StoredSecret


async def seed(
    store: KeyStore,
    issuer: KeyIssuer,
    order: Seeding,
    *,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Make the keys, and give the texts of some of them, spread evenly.

    One audit event and one revision stand for all, in a transaction before them: the keys follow in transactions of
    `AT_ONCE`, and *progress* hears how many there are. What is cut short leaves fewer keys than the event says.

    Raises:
        ConfigError: digests are not stored here, so that no such key would be admitted.
        NotFound: there is no such team.
        StoreUnavailable: the database cannot be written.
    """
    if not issuer.persist_digests:
        raise ConfigError("persist_digests is off, and seeded keys pass by their digests alone; turn it on to measure")
    shared = await issuer.pool.run(hash_secret, new_secret(), issuer.parameters)

    team, revision = await store.change(lambda rows: _announce(rows, order, issuer.signing().char, now))
    kept: list[str] = []
    for batch in _batches(issuer, order, team, now, shared):
        await store.change(_adding(batch.values(), revision))
        kept += [one.text for number, one in batch.items() if _is_kept(number, order)]
        progress(max(batch) + 1)
    return kept


async def _announce(rows: Transaction, order: Seeding, key_char: str, now: datetime) -> tuple[Team, int]:
    """Append the one event that stands for all keys. Returns their team and revision."""
    team = await rows.team(order.team)
    if team is None:
        raise NotFound(f"there is no team {order.team!r}")
    sample = KeyRecord(
        id="",
        name="",
        key_type=order.key_type,
        team=team.id,
        plan=team.plan,
        permissions=order.permissions,
        created_at=now,
        created_by=order.actor.as_creator(),
        key_char=key_char,
    )
    detail = {"keys": order.count, "type": order.key_type, "permissions": list(order.permissions)}
    detail[AFTER] = state_of_key(sample)
    await rows.append(order.actor.did("keys.seeded", now, team=team.id, key_id=None, **detail))
    return team, await rows.next_revision()


def _adding(batch: Collection[_Seeded], revision: int) -> Callable[[Transaction], Awaitable[None]]:
    async def work(rows: Transaction) -> None:
        await rows.add_keys([(one.record, one.secret) for one in batch], revision)

    return work


def _is_kept(number: int, order: Seeding) -> bool:
    keep = min(order.keep, order.count)
    return number * keep // order.count != (number + 1) * keep // order.count


def _batches(issuer: KeyIssuer, order: Seeding, team: Team, now: datetime, shared: str) -> Iterator[dict[int, _Seeded]]:
    """All keys by number, so many at a time; their ids ascend, which a growing tree takes best."""
    entry = issuer.signing()
    state = entry.digest_state()
    creator = order.actor.as_creator()
    ids = sorted(random_texts(order.count, ID_LENGTH))
    for start in range(0, order.count, AT_ONCE):
        batch: dict[int, _Seeded] = {}
        some = ids[start : start + AT_ONCE]
        ages = os.urandom(4 * len(some))
        for number, (key_id, secret) in enumerate(zip(some, random_texts(len(some), SECRET_LENGTH), strict=True)):
            key = compose(
                key_type=order.key_type,
                key_id=key_id,
                secret=secret,
                key_char=entry.char,
                tag=entry.tag,
                prefix=issuer.prefix,
            )
            digest = state.copy()
            digest.update(key.text.encode())
            age = SPREAD * (int.from_bytes(ages[4 * number : 4 * number + 4]) / 2**32)
            record = KeyRecord(
                id=key_id,
                name=name_of(start + number),
                key_type=order.key_type,
                team=team.id,
                plan=team.plan,
                permissions=order.permissions,
                created_at=now - age,
                created_by=creator,
                key_char=entry.char,
            )
            batch[start + number] = _Seeded(key.text, record, StoredSecret(shared, digest.digest()))
        yield batch


def name_of(number: int) -> str:
    """What the key of that *number* is called: ``billing-api staging 0000042``."""
    kind, place = _KINDS[number % len(_KINDS)], _PLACES[number // len(_KINDS) % len(_PLACES)]
    return f"{kind} {place} {number:07d}"


def random_texts(count: int, length: int) -> list[str]:
    """*count* texts of *length* characters, each as `keyfob.keys.format` makes one, but many from one draw."""
    wanted = count * length
    letters = b""
    while len(letters) < wanted:
        letters += os.urandom(wanted - len(letters) + 64).translate(_LETTERS, delete=_UNFAIR)
    text = letters[:wanted].decode("ascii")
    return [text[at : at + length] for at in range(0, wanted, length)]
