"""The first moment of an installation: its signing key, its team and the key that can do everything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import AlreadyInstalled
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.record import KeyRecord, Team
from keyfob.management.actor import Actor
from keyfob.management.audited_state import state_of_team
from keyfob.management.key_creation import CreatedKey
from keyfob.management.key_descriptions import description_of
from keyfob.management.validation import clean_name, clean_team_id
from keyfob.policy.catalogue import ADMIN, DEFAULT_PLAN
from keyfob.store.contract.key_store import KeyView

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.key_issuer import IssuedKey, KeyIssuer
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


async def bootstrap(
    store: KeyStore,
    issue: KeyIssuer,
    entry: SigningKey,
    *,
    now: Callable[[], datetime],
    team_id: str = "default",
    admin_name: str = "admin",
) -> CreatedKey:
    """Make *entry* the keyring's first, and the first team and admin key, all in one transaction.

    The store must MAC with *entry* and *issue* must sign with it. There is no other way to a first key, and
    no key that is there by default.

    Raises:
        AlreadyInstalled: the database holds a team or a signing key.
        Invalid: the team's id or the key's name is not acceptable.
    """
    team = Team(clean_team_id(team_id, pointer="/team"), team_id, DEFAULT_PLAN, now())
    name = clean_name(admin_name, pointer="/admin")
    if await store.teams():
        raise AlreadyInstalled(_REFUSAL)
    issued = await issue.issue(ADMIN)

    async def work(rows: Transaction) -> KeyRecord:
        if await rows.signing_keys() or await rows.team(team.id) is not None:
            raise AlreadyInstalled(_REFUSAL)
        await rows.put_signing_key(
            SigningKeyRecord(entry.char, entry.fingerprint, SigningKeyState.ACTIVE, team.created_at), seal_with=entry
        )
        await rows.put_team(team)
        record = _root_key(issued, name, team)
        await rows.add_key(record, issued.secret)
        await _tell(rows, entry, team, record)
        return replace(record, revision=await rows.next_revision())

    return CreatedKey(KeyView(await store.change(work), last_used=None), issued.text)


_REFUSAL = "this database holds an installation already; `keyfob keys create --type admin` makes another admin key"


def _root_key(issued: IssuedKey, name: str, team: Team) -> KeyRecord:
    return KeyRecord(
        id=issued.key_id,
        name=name,
        key_type=ADMIN,
        team=team.id,
        plan=team.plan,
        permissions=("*",),
        created_at=team.created_at,
        created_by=Actor.system().as_creator(),
        key_char=issued.key_char,
    )


async def _tell(rows: Transaction, entry: SigningKey, team: Team, record: KeyRecord) -> None:
    did, at = Actor.system().did, team.created_at
    await rows.append(did("installation.created", at))
    await rows.append(did("keyring.activated", at, char=entry.char, fingerprint=entry.fingerprint))
    await rows.append(did("team.created", at, team=team.id, name=team.name, plan=team.plan, after=state_of_team(team)))
    await rows.append(did("key.created", at, team=team.id, key_id=record.id, **description_of(record)))
