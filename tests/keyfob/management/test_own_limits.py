"""Expiry and addresses of the actor's own key bound what it hands on (FF-18)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnLimits
from keyfob.management.escalation import check_limits
from keyfob.management.key_drafts import KeyDraft
from tests.keyfob.management.conftest import ROOT, START, acting

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.management.actor import Actor
    from tests.keyfob.management.conftest import Office

SOON = START + timedelta(days=1)
LATER = START + timedelta(days=2)
HERE = ("10.1.0.0/16",)


pytestmark = pytest.mark.both_engines


async def bound(office: Office, *, expires_at: datetime | None = SOON, ip_allow: tuple[str, ...] = HERE) -> Actor:
    """An admin key that may do everything in its team, until tomorrow, from one network."""
    fields = {"key_type": "admin", "permissions": ("*",), "expires_at": expires_at, "ip_allow": ip_allow}
    return acting(await office.key(name="Bound", **fields))


OUT_OF_REACH = [
    pytest.param({"expires_at": None}, id="for-ever"),
    pytest.param({"expires_at": LATER}, id="longer"),
    pytest.param({"ip_allow": ()}, id="from-everywhere"),
    pytest.param({"ip_allow": ("10.0.0.0/8",)}, id="from-more"),
    pytest.param({"ip_allow": ("10.1.2.3", "192.0.2.1")}, id="from-elsewhere-too"),
    pytest.param({"ip_allow": ("::ffff:10.2.0.1",)}, id="from-a-mapped-address"),
    pytest.param({"ip_allow": ("::/0",)}, id="from-the-other-family"),
]


@pytest.mark.parametrize("fields", OUT_OF_REACH)
async def test_ff_18_nobody_makes_what_outlives_or_out_reaches_them(office: Office, fields: dict[str, object]) -> None:
    """A bound admin key makes, copies, widens and enables nothing that lives longer or works from more addresses."""
    actor = await bound(office)
    within = {"expires_at": SOON, "ip_allow": HERE}
    wide = {"name": "n", "permissions": ("items:read",), **within, **fields}
    outside = (await office.key(**{"expires_at": None, **within, **fields})).view.record
    inside = (await office.key(**within)).view.record
    await office.keys.disable("a", outside.id, actor=ROOT)

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.create("a", KeyDraft(**wide), actor=actor)  # type: ignore[arg-type] # fields of a draft
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.duplicate("a", inside.id, fields, actor=actor)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.duplicate("a", outside.id, {}, actor=actor)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.update("a", inside.id, fields, actor=actor)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.enable("a", outside.id, actor=actor)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.update("a", outside.id, {"permissions": ["items:read", "items:write"]}, actor=actor)


@pytest.mark.parametrize("fields", OUT_OF_REACH)
async def test_ff_18_nobody_frees_their_own_key(office: Office, fields: dict[str, object]) -> None:
    """A key cannot take its own expiry or addresses away."""
    actor = await bound(office)

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.update("a", actor.id or "", fields, actor=actor)


async def test_ff_18_what_stays_within_is_allowed(office: Office) -> None:
    """Keys within one's limits can be made and widened, and wider ones renamed, narrowed and disabled."""
    actor = await bound(office)
    draft = KeyDraft("n", permissions=("items:read",), expires_at=SOON, ip_allow=("10.1.2.0/24", "10.1.0.7"))
    made = (await office.keys.create("a", draft, actor=actor)).view.record
    await office.keys.update("a", made.id, {"ip_allow": list(HERE)}, actor=actor)
    root = (await office.key(permissions=("items:read", "items:write"))).view.record

    for patch in (
        {"name": "other"},
        {"permissions": ["items:read"]},
        {"expires_at": LATER},
        {"ip_allow": ["192.0.2.1"]},
    ):
        await office.keys.update("a", root.id, patch, actor=actor)
    assert (await office.keys.disable("a", root.id, actor=actor)).view.record.is_disabled


async def test_ff_18_limits_are_those_of_now(office: Office) -> None:
    """An actor whose key was bound after its request was admitted is judged by what the key is at the commit."""
    await office.admin("*")
    stale = await bound(office, expires_at=None, ip_allow=())
    await office.keys.update("a", stale.id or "", {"expires_at": SOON}, actor=ROOT)

    with pytest.raises(ExceedsOwnLimits, match="2026-03-02T12:00:00Z"):
        await office.keys.create("a", KeyDraft("n"), actor=stale)


async def test_ff_18_fixed_types_are_bound_too(office: Office) -> None:
    """That nobody chooses the permissions of a type frees them of the escalation check, not of its limits."""
    actor = await bound(office, ip_allow=())

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.create("a", KeyDraft("n", key_type="computer"), actor=actor)


def test_ff_18_the_command_line_has_no_limits() -> None:
    """Whoever can read database and keyring is bound by nothing."""
    check_limits(ROOT, None, ())
