"""What the configuration demands of keys of a type, on every road to a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import KeyTypeTaken, PolicyViolation
from keyfob.management.key_drafts import KeyDraft
from keyfob.policy.catalogue import build_catalogue
from tests.keyfob.management.conftest import CATALOGUE, ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

pytestmark = pytest.mark.both_engines
DAY = timedelta(days=1)


def under(office: Office, **policy: object) -> Office:
    """The same installation, with a policy for keys of type ``api``."""
    return replace(office, catalogue=build_catalogue(permissions=CATALOGUE.permissions, key_types={"api": policy}))


def pointers(refusal: pytest.ExceptionInfo[PolicyViolation]) -> list[str]:
    assert "policy" == refusal.value.code
    return [pointer for pointer, _ in refusal.value.errors]


async def test_an_absent_expiry_takes_the_default_lifetime(office: Office) -> None:
    """Null says never, where that is allowed."""
    strict = under(office, default_lifetime="90d")

    absent, never = await strict.key(), await strict.key(expires_at=None)

    assert (START + 90 * DAY, None) == (absent.view.record.expires_at, never.view.record.expires_at)


@pytest.mark.parametrize(
    ("policy", "draft", "broken"),
    [
        ({"expiry": "required"}, {}, ["/expires_at"]),
        ({"expiry": "required", "default_lifetime": "1d"}, {"expires_at": None}, ["/expires_at"]),
        ({"max_lifetime": "1d"}, {}, ["/expires_at"]),
        ({"max_lifetime": "1d"}, {"expires_at": START + 1.01 * DAY}, ["/expires_at"]),
        ({"ip_allow": "required"}, {}, ["/ip_allow"]),
        ({"ip_allow": "required", "expiry": "required"}, {}, ["/expires_at", "/ip_allow"]),
    ],
)
async def test_a_key_that_breaks_the_policy_is_not_made(
    office: Office, policy: dict[str, object], draft: dict[str, object], broken: list[str]
) -> None:
    """Neither created nor copied from one that is older than the policy."""
    strict = under(office, **policy)
    older = (await office.key(**draft)).view.record

    with pytest.raises(PolicyViolation) as made:
        await strict.key(**draft)
    with pytest.raises(PolicyViolation) as copied:
        await strict.keys.duplicate("a", older.id, {}, actor=ROOT)

    assert broken == pointers(made) == pointers(copied)


async def test_a_key_within_the_policy_is_made(office: Office) -> None:
    """The bounds themselves are allowed."""
    strict = under(office, expiry="required", max_lifetime="1d", ip_allow="required")

    made = await strict.key(expires_at=START + DAY, ip_allow=("10.0.0.0/8",))

    assert START + DAY == made.view.record.expires_at


async def test_a_change_is_judged_by_the_members_that_it_touches(office: Office) -> None:
    """A key that is older than the policy can be renamed; its lifetime is counted from its creation."""
    older = (await office.key()).view.record
    strict = under(office, expiry="required", max_lifetime="10d", ip_allow="required")
    office.clock.pass_time(days=5)

    renamed = await strict.keys.update("a", older.id, {"name": "new"}, actor=ROOT)
    with pytest.raises(PolicyViolation) as endless:
        await strict.keys.update("a", older.id, {"expires_at": None}, actor=ROOT)
    with pytest.raises(PolicyViolation) as late:
        await strict.keys.update("a", older.id, {"expires_at": START + 11 * DAY}, actor=ROOT)
    with pytest.raises(PolicyViolation) as anywhere:
        await strict.keys.update("a", older.id, {"ip_allow": []}, actor=ROOT)
    ended = await strict.keys.update("a", older.id, {"expires_at": START + 10 * DAY}, actor=ROOT)

    assert "new" == renamed.record.name
    assert [["/expires_at"], ["/expires_at"], ["/ip_allow"]] == [pointers(one) for one in (endless, late, anywhere)]
    assert START + 10 * DAY == ended.record.expires_at


async def test_rotating_applies_the_policy(office: Office) -> None:
    """A key without expiry gets the default lifetime; one whose lifetime is too long cannot have it again."""
    endless = (await office.key()).view.record
    long = (await office.key(expires_at=START + 100 * DAY)).view.record
    strict = under(office, default_lifetime="10d", max_lifetime="90d")

    created = await strict.keys.rotate("a", endless.id, {}, actor=ROOT)
    with pytest.raises(PolicyViolation):
        await strict.keys.rotate("a", long.id, {}, actor=ROOT)
    await strict.keys.rotate("a", long.id, {"expires_at": START + 90 * DAY}, actor=ROOT)

    assert START + 10 * DAY == created.view.record.expires_at


async def test_a_team_has_so_many_keys_of_a_type_and_no_more(office: Office) -> None:
    """Replaced keys do not count, deleted ones neither; other teams have their own."""
    strict = under(office, per_team=2)
    first = (await strict.key()).view.record
    await strict.key()

    with pytest.raises(PolicyViolation) as third:
        await strict.key()
    with pytest.raises(PolicyViolation):
        await strict.keys.duplicate("a", first.id, {}, actor=ROOT)
    await strict.keys.rotate("a", first.id, {}, actor=ROOT)
    await strict.key("b")
    team = await strict.store.team("a")
    assert team is not None

    assert ["/type"] == pointers(third)
    assert "policy" == await strict.keys.can_create("api", team)


async def test_one_per_team_is_a_conflict_as_ever(office: Office) -> None:
    """`per_team = 1` is 409 `key_type_taken`."""
    strict = under(office, per_team=1)
    await strict.key()

    with pytest.raises(KeyTypeTaken):
        await strict.keys.create("a", KeyDraft("x"), actor=ROOT)


async def test_admin_keys_have_no_policy(office: Office) -> None:
    """They are made as before, whatever other types must be."""
    strict = under(office, expiry="required", ip_allow="required", per_team=1)

    for _ in range(2):
        assert (await strict.key(key_type="admin", permissions=("*",))).secret
