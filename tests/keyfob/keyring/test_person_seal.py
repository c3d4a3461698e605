from __future__ import annotations

from dataclasses import replace

from keyfob.keyring.person_seal import is_sealed, sealed
from keyfob.people.record import GivenBy, Membership, PersonState, Source
from tests.keyfob.store.people_contract import ANA, ENTRIES
from tests.keyfob.store.samples import NOON, SIGNING_KEY, TEAM


def test_a_seal_covers_what_decides() -> None:
    """Each field that says who somebody is, or what they may do, breaks the seal when it is changed."""
    genuine = sealed(ANA, SIGNING_KEY)
    changes: list[dict[str, object]] = [
        {"id": "other"},
        {"source": Source.OIDC},
        {"subject": "eve@example.com"},
        {"email": "eve@example.com"},
        {"state": PersonState.INVITED},
        {"passphrase": "$argon2id$eve"},
        {"memberships": (Membership(TEAM.id, "team_admin", GivenBy.PERSON),)},
        {"memberships": (Membership(TEAM.id, "owner", GivenBy.GROUP),)},
    ]

    assert is_sealed(replace(genuine, last_sign_in_at=NOON), ENTRIES)
    assert not is_sealed(genuine, {})
    for change in changes:
        assert not is_sealed(replace(genuine, **change), ENTRIES), change  # type: ignore[arg-type]
