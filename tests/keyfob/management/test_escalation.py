"""Nobody makes a key that holds more than they do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, Forbidden
from keyfob.management.key_drafts import KeyDraft
from tests.keyfob.management.conftest import ROOT, START, acting, count

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

TOMORROW = START + timedelta(days=1)


async def test_aa_02_nobody_grants_what_they_do_not_hold(office: Office) -> None:
    """A creator with items:read cannot make a key with items:write: refused with the list, and no row."""
    doer = await office.admin("keys:write", "items:read")
    before = await count(office)

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.create(
            "a", KeyDraft("x", permissions=("items:read", "items:write", "docs:secret")), actor=doer
        )

    assert ("docs:secret", "items:write") == refusal.value.missing
    assert before == await count(office)


# held by the creator, asked for the new key
WITHIN = [
    (("items:read",), ("items:read",)),
    (("items:*",), ("items:read", "items:write")),
    (("items:*",), ("items:*",)),
    (("*",), ("items:*", "docs:secret", "*")),
    (("items:read",), ()),
]
BEYOND = [
    (("items:read", "items:write"), ("items:*",)),
    (("items:*", "docs:*"), ("*",)),
    (("items:*",), ("docs:secret",)),
    ((), ("items:read",)),
]


@pytest.mark.parametrize(("held", "asked"), WITHIN)
async def test_what_the_creator_covers_can_be_granted(
    office: Office, held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Wildcards hand on what they cover, and a key may hold nothing at all."""
    doer = await office.admin("keys:write", *held)

    made = await office.keys.create("a", KeyDraft("x", permissions=asked), actor=doer)

    assert tuple(sorted(asked)) == made.view.record.permissions


@pytest.mark.parametrize(("held", "asked"), BEYOND)
async def test_aa_02_what_the_creator_does_not_cover_cannot_be_granted(
    office: Office, held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Only a wildcard covers a wildcard, however much is listed one by one."""
    doer = await office.admin("keys:write", *held)

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("x", permissions=asked), actor=doer)


async def test_aa_02_an_admin_key_hands_on_only_the_admin_permissions_that_it_holds(office: Office) -> None:
    """Making admin keys is under the same ceiling: keys:write alone cannot make a key that deletes."""
    doer = await office.admin("keys:write")

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.create("a", KeyDraft("x", "admin", ("keys:write", "keys:delete")), actor=doer)

    assert ("keys:delete",) == refusal.value.missing


async def test_the_ceiling_is_judged_again_after_hashing(office: Office) -> None:
    """A creator that was narrowed while the new key was hashed grants nothing that it lost."""
    doer = await office.admin("keys:write", "items:read")
    await office.keys.update("a", doer.id or "", {"permissions": ["keys:write"]}, actor=ROOT)
    before = await count(office)

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("x", permissions=("items:read",)), actor=doer)

    assert before == await count(office)


@pytest.mark.parametrize("revoke", ["disable", "expire", "delete"])
async def test_a_creator_that_was_revoked_while_hashing_makes_nothing(office: Office, revoke: str) -> None:
    """A creator that was disabled, deleted or has expired between admission and commit changes nothing."""
    made = await office.key(name="A", key_type="admin", permissions=("keys:write",), expires_at=TOMORROW)
    doer = replace(acting(made), expires_at=None)  # so that its own expiry, not that of the new key, is in the way
    if revoke == "expire":
        office.clock.pass_time(days=2)
    else:
        await office.keys.disable("a", made.view.record.id, actor=ROOT)
    if revoke == "delete":
        await office.keys.delete("a", made.view.record.id, actor=ROOT)

    with pytest.raises(Forbidden):
        await office.keys.create("a", KeyDraft("x", permissions=()), actor=doer)
