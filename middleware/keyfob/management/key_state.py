"""What a key is shown as, and whether a team may have one more of a type: asked by the API, the console and the CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from keyfob.store.contract.key_store import KeyQuery

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord, State, Team
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore

CreateRefusal = Literal["plan_required", "key_type_taken", "policy"]


def state_of(record: KeyRecord, catalogue: Catalogue, now: datetime) -> State:
    """Return the state that people are shown at *now*."""
    return record.state(now, suspended=catalogue.suspends(record.plan, record.key_type))


async def refusal_to_create(
    key_type: str, team: Team, *, store: KeyStore, catalogue: Catalogue, now: datetime
) -> CreateRefusal | None:
    """Return the code that creating a key of *key_type* in *team* would be refused with; None if it may be created."""
    if not catalogue.allows(team.plan, key_type):
        return "plan_required"
    most = catalogue.key_types[key_type].per_team
    if most is None:
        return None
    if await store.count(KeyQuery(team=team.id, now=now, key_type=key_type, replaced=False)) < most:
        return None
    return "key_type_taken" if most == 1 else "policy"
