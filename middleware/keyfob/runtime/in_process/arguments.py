"""What the verbs are given: who acts, and fields by the admin API's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Forbidden, Invalid
from keyfob.errors.suggestions import did_you_mean
from keyfob.gate.verdict import Grant
from keyfob.management.actor import Actor
from keyfob.policy.key_types import ADMIN

if TYPE_CHECKING:
    from collections.abc import Collection

    By = str | Grant | Actor
    """Who acts: a program's name, the grant of a request, or an `Actor` made by hand."""

_ADMIN_KEY: Final = "*"  # what a key of another type lacks, to whoever asks
_ALSO_CALLED: Final = {"type": "key_type", "by": "actor"}  # the admin API calls it type; actor is who asks


def actor_of(by: By) -> Actor:
    """Who acts. What a key holds is read again in the transaction, so that a grant need not be of this moment."""
    if isinstance(by, Actor):
        return by
    if isinstance(by, Grant):
        if by.key_type != ADMIN:  # as at the admin API, whatever permissions the key holds
            raise Forbidden(_ADMIN_KEY)
        return Actor("key", by.key_id, by.name, by.team, by.permissions, expires_at=by.expires_at)
    name: object = by  # callers without a type checker pass anything
    if not isinstance(name, str) or not name.strip():
        raise Invalid(("/actor", "Name who acts: a text, a grant, or an Actor"))
    return Actor("system", None, name, None, frozenset({"*"}))


def known(given: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Give *given* under the names that the dataclasses have. Raises Invalid for a field that there is not."""
    for name in given:
        if _ALSO_CALLED.get(name, name) not in names:
            raise Invalid((f"/{name}", f"There is no such field{did_you_mean(name, sorted(names))}"))
    return {_ALSO_CALLED.get(name, name): value for name, value in given.items()}
