"""The first moment of an installation: its ring entry, its team and the key that can do everything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import AlreadyInstalled
from keyfob.keyring.states import RingMark, RingState
from keyfob.keys.record import KeyRecord, Team
from keyfob.management.actor import Actor
from keyfob.management.key_creation import Minted
from keyfob.management.key_drafts import description_of
from keyfob.management.validation import clean_name, clean_team_id
from keyfob.policy.catalogue import ADMIN, DEFAULT_PLAN
from keyfob.store.contract import KeyView

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keyring.keyring import RingKey
    from keyfob.management.key_issuer import Minter, Minting
    from keyfob.store.contract import KeyStore, Transaction


async def bootstrap(
    store: KeyStore,
    mint: Minter,
    entry: RingKey,
    *,
    now: Callable[[], datetime],
    team_id: str = "default",
    admin_name: str = "admin",
) -> Minted:
    """Make *entry* the ring's first, and the first team and admin key, all in one transaction.

    The store must seal with *entry* and *mint* must sign with it. There is no other way to a first key, and
    no key that is there by default.

    Raises:
        AlreadyInstalled: the database holds a team or a ring entry.
        Invalid: the team's id or the key's name is not acceptable.
    """
    team = Team(clean_team_id(team_id, pointer="/team"), team_id, DEFAULT_PLAN, now())
    name = clean_name(admin_name, pointer="/admin")
    if await store.teams():
        raise AlreadyInstalled(_REFUSAL)
    minting = await mint.mint(ADMIN)

    async def work(rows: Transaction) -> KeyRecord:
        if await rows.ring_marks() or await rows.team(team.id) is not None:
            raise AlreadyInstalled(_REFUSAL)
        await rows.put_ring_mark(RingMark(entry.char, entry.fingerprint, RingState.ACTIVE, team.created_at))
        await rows.put_team(team)
        record = _root_key(minting, name, team)
        await rows.add_key(record, minting.secret)
        await _tell(rows, entry, team, record)
        return replace(record, revision=await rows.next_revision())

    return Minted(KeyView(await store.change(work), last_used=None), minting.text)


_REFUSAL = "this database holds an installation already; `keyfob keys create --type admin` makes another admin key"


def _root_key(minting: Minting, name: str, team: Team) -> KeyRecord:
    return KeyRecord(
        id=minting.key_id,
        name=name,
        key_type=ADMIN,
        team=team.id,
        plan=team.plan,
        permissions=("*",),
        created_at=team.created_at,
        created_by=Actor.system().as_creator(),
    )


async def _tell(rows: Transaction, entry: RingKey, team: Team, record: KeyRecord) -> None:
    did, at = Actor.system().did, team.created_at
    await rows.append(did("installation.created", at))
    await rows.append(did("ring.activated", at, char=entry.char, fingerprint=entry.fingerprint))
    await rows.append(did("team.created", at, team=team.id, name=team.name, plan=team.plan))
    await rows.append(did("key.created", at, team=team.id, key_id=record.id, **description_of(record)))
