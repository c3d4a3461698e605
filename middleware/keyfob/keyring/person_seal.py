"""The seal of a person's row: an HMAC-SHA-256 (RFC 2104) under the keyring, which is never in the database.

It covers everything that decides who a person is and what they may do, memberships and the hash of the passphrase
included. So nobody who can write the database but lacks the keyring can make a person that signs in, or raise a role.
The time of the last sign-in decides nothing and is left out.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.audit import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.keyring.keyring import SigningKey
    from keyfob.people.record import Person


def sealed(person: Person, entry: SigningKey) -> Person:
    """*person* with the seal of *entry*."""
    return replace(person, sealed_by=entry.char, seal=_seal(person, entry))


def is_sealed(person: Person, entries: Mapping[str, SigningKey]) -> bool:
    """Whether one of *entries* made the seal of *person*. Compares in constant time."""
    entry = entries.get(person.sealed_by)
    return entry is not None and hmac.compare_digest(person.seal, _seal(person, entry))


def _seal(person: Person, entry: SigningKey) -> str:
    covered = {
        "id": person.id,
        "source": person.source,
        "subject": person.subject,
        "email": person.email,
        "name": person.name,
        "state": person.state,
        "passphrase": person.passphrase,
        "memberships": [[one.team, one.role, one.by] for one in sorted(person.memberships)],
    }
    return hmac.new(entry.people_key, canonical(covered).encode("ascii"), "sha256").hexdigest()
