from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, HandoverVoid, Invalid, KeyNotActive, KeyNotPending, LastAdmin
from keyfob.keys.format import parse_key
from keyfob.keys.hashing import verify
from keyfob.keys.record import State
from keyfob.management.key_drafts import KeyDraft
from tests.keyfob.management.conftest import ROOT, START, acting

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.actor import Actor
    from keyfob.management.handover import Collection
    from keyfob.management.keys import CreatedKey
    from tests.keyfob.management.conftest import Office


pytestmark = pytest.mark.both_engines


@dataclass(frozen=True)
class OneKey:
    """A keyring with one entry, retired or not."""

    entry: SigningKey
    retired: bool = False

    def entries(self) -> dict[str, SigningKey]:
        return {self.entry.char: self.entry}

    def is_retired(self, char: str) -> bool:
        return self.retired and char == self.entry.char


async def pending(office: Office, actor: Actor = ROOT, expires_in: str = "72h", **fields: object) -> CreatedKey:
    draft = KeyDraft(**{"name": "partner", "permissions": ("items:read",), **fields})  # type: ignore[arg-type]
    return await office.keys.handovers.create("a", draft, expires_in=expires_in, actor=actor)


async def collect(office: Office, made: CreatedKey, *, retired: bool = False) -> Collection:
    token = made.link.token if made.link else ""
    return await office.keys.handovers.collect(token, OneKey(office.signing_key, retired=retired), ip="203.0.113.9")


async def test_the_secret_is_made_when_it_is_collected(office: Office) -> None:
    """Until then there is nothing that anybody could present; afterwards the key is as any other."""
    made = await pending(office)
    before = await office.store.find(made.key.id)

    found = await collect(office, made)

    after = await office.store.find(made.key.id)
    key = parse_key(found.secret or "")
    assert (None, None, State.PENDING) == (made.secret, before.secret, office.keys.state(made.key))
    assert (made.key.id, "api") == (key and key.key_id, key and key.key_type)
    assert key is not None
    assert after.secret is not None
    assert verify(after.secret.hash, key.secret)
    assert after.secret.digest == office.signing_key.digest(found.secret or "")
    assert after.record is not None
    assert State.ACTIVE is office.keys.state(after.record)
    assert (office.signing_key.char, None) == (after.record.key_char, after.record.pending_until)
    assert after.record.revision > made.key.revision


async def test_a_link_works_once(office: Office) -> None:
    """Whoever comes second gets no secret, and learns when and from where it was collected."""
    made = await pending(office)
    await collect(office, made)

    again = await collect(office, made)

    assert (None, True) == (again.secret, again.is_over)
    assert (START, "203.0.113.9") == (again.handover.collected_at, again.handover.collected_ip)


async def test_a_link_that_has_expired_makes_nothing(office: Office) -> None:
    """The key stays pending until somebody makes a new link."""
    made = await pending(office, expires_in="10min")
    office.clock.pass_time(minutes=10)

    with pytest.raises(HandoverVoid):
        await collect(office, made)

    renewed = await office.keys.handovers.renew("a", made.key.id, actor=ROOT)
    assert (await collect(office, renewed)).secret


async def test_a_new_link_voids_the_one_before(office: Office) -> None:
    """Of several links to a key only the newest works."""
    made = await pending(office)
    renewed = await office.keys.handovers.renew("a", made.key.id, expires_in="1h", actor=ROOT)

    with pytest.raises(HandoverVoid):
        await collect(office, made)

    assert START + timedelta(hours=1) == renewed.key.pending_until
    assert (await collect(office, renewed)).secret
    with pytest.raises(KeyNotPending):
        await office.keys.handovers.renew("a", made.key.id, actor=ROOT)


async def test_what_the_maker_may_grant_is_judged_again(office: Office) -> None:
    """A maker who was narrowed, disabled or has gone since hands nothing on, and a wider one can make a new link."""
    admin = await office.key(name="maker", key_type="admin", permissions=("keys:write", "items:read"))
    made = await pending(office, acting(admin))
    await office.keys.update("a", admin.key.id, {"permissions": ["keys:write"]}, actor=ROOT)

    with pytest.raises(HandoverVoid):
        await collect(office, made)
    await office.keys.update("a", admin.key.id, {"permissions": ["keys:write", "items:read"]}, actor=ROOT)
    await office.keys.disable("a", admin.key.id, actor=ROOT)
    with pytest.raises(HandoverVoid):
        await collect(office, made)

    assert (await office.store.find(made.key.id)).secret is None
    assert (await collect(office, await office.keys.handovers.renew("a", made.key.id, actor=ROOT))).secret


async def test_nobody_links_to_a_key_beyond_their_own(office: Office) -> None:
    """Making a link is granting: it needs what creating the key would need."""
    made = await pending(office, permissions=("items:read", "items:write"))
    narrow = await office.admin("keys:write", "items:read")

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.handovers.renew("a", made.key.id, actor=narrow)


@pytest.mark.parametrize("ended", ["disabled", "expired", "deleted"])
async def test_the_link_of_a_key_that_would_be_refused_makes_nothing(office: Office, ended: str) -> None:
    """A secret is only made for a key that works."""
    made = await pending(office, expires_at=START + timedelta(hours=1))
    if ended == "expired":
        office.clock.pass_time(hours=2)
    else:
        await office.keys.disable("a", made.key.id, actor=ROOT)
    if ended == "deleted":
        await office.keys.delete("a", made.key.id, actor=ROOT)

    with pytest.raises(HandoverVoid):
        await collect(office, made)


async def test_a_link_moved_to_another_key_is_refused(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Who can write the database but lacks the keyring cannot give a link to another key."""
    made, other = await pending(office), await pending(office, permissions=("items:write",))
    keyring = OneKey(office.signing_key)
    found = await office.keys.handovers.find(made.link.token if made.link else "", keyring)
    forged = replace(found.handover, key_id=other.key.id)

    async def forge(rows: object) -> None:
        await office.store.handovers.add(rows, forged)  # type: ignore[arg-type]

    await office.keys.delete("a", (await office.keys.disable("a", made.key.id, actor=ROOT)).view.record.id, actor=ROOT)
    await office.store.change(forge)

    with pytest.raises(HandoverVoid):
        await collect(office, made)
    assert "was not written by Keyfob" in caplog.text


async def test_a_retired_entry_of_the_keyring_voids_its_links(office: Office) -> None:
    """What it signed may be forged."""
    with pytest.raises(HandoverVoid):
        await collect(office, await pending(office), retired=True)


@pytest.mark.parametrize("length", ["9min", "31d", "72", "0s", "", None])
async def test_a_link_works_ten_minutes_to_thirty_days(office: Office, length: object) -> None:
    """Any other lifetime is refused, with its place in the body."""
    with pytest.raises(Invalid, match="/handover/expires_in"):
        await pending(office, expires_in=length)  # type: ignore[arg-type]


async def test_a_pending_key_is_no_last_admin(office: Office) -> None:
    """Nobody can sign in with it yet, so it does not count among the keys that can do everything."""
    only = await office.key(name="only", key_type="admin", permissions=("*",))
    await pending(office, key_type="admin", permissions=("*",))

    with pytest.raises(LastAdmin):
        await office.keys.disable("a", only.key.id, actor=ROOT)


async def test_a_pending_key_is_not_rotated_but_can_be_copied(office: Office) -> None:
    """A copy is a key with a secret of its own."""
    made = await pending(office)

    with pytest.raises(KeyNotActive):
        await office.keys.rotate("a", made.key.id, {}, actor=ROOT)
    copy = await office.keys.duplicate("a", made.key.id, {}, actor=ROOT)

    assert copy.secret
    assert State.ACTIVE is office.keys.state(copy.key)


async def test_the_audit_log_says_who_made_and_from_where_it_was_collected(office: Office) -> None:
    """The log tells the three steps apart, and each event the state after it; no token and no secret is in it."""
    made = await pending(office)
    renewed = await office.keys.handovers.renew("a", made.key.id, actor=ROOT)
    found = await collect(office, renewed)

    events = (await office.events())[-3:]

    assert ["key.created", "key.handover_created", "key.collected"] == [event.action for event in events]
    assert [True, True, None] == [event.detail["after"].get("pending") for event in events]  # type: ignore[attr-defined]
    assert ("system", "203.0.113.9") == (events[-1].actor_kind, events[-1].ip)
    assert renewed.link is not None
    assert renewed.link.token not in repr(events) + repr(made) + repr(renewed) + repr(found)
    assert (found.secret or "-") not in repr(events) + repr(found)
