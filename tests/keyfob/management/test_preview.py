"""What a narrowing would have refused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.config.settings import Settings
from keyfob.errors import Forbidden, Invalid, NotFound
from keyfob.runtime.preview import Preview, Previewer
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import OTHERS, Source, Tally
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

RULES: dict[str, Any] = {
    "GET /items": "items:read",
    "POST /items": {"any_of": ["items:write", "items:read"]},
    "PUT /items/{id}": ["items:read", "items:write"],
}
DAY = START.date()
MICROS = int(START.timestamp() * 1_000_000)


def previewer(office: Office) -> Previewer:
    return Previewer(office.store, office.keys, office.catalogue, Settings(rules=RULES), lambda: START)


async def used(office: Office, key_id: str, *uses: tuple[str, str, int], days_ago: int = 0) -> None:
    """Write that many admitted requests by rule and address, each a second after the one before."""
    day = DAY - timedelta(days=days_ago)
    details = {
        Source(day.toordinal(), address, rule, ""): Tally(MICROS, MICROS + second * 1_000_000, admitted=count)
        for second, (rule, address, count) in enumerate(uses)
    }
    details[Source(day.toordinal(), "192.0.2.1", "GET /items", "permission")] = Tally(MICROS, MICROS, denied=99)
    await office.store.add_usage({key_id: Use(START, None, {}, {}, details)})


USES = (
    ("GET /items", "192.0.2.1", 1),
    ("POST /items", "192.0.2.2", 10),
    ("PUT /items/{id}", "192.0.2.2", 100),
    ("GET /items and PUT /items/{id}", "192.0.2.3", 1_000),
    ("GET /gone", "192.0.2.3", 10_000),
    ("GET /items", OTHERS, 100_000),
    ("GET /items", "", 1_000_000),
)
LATER = START + timedelta(seconds=3)
CASES: list[tuple[dict[str, object], Preview]] = [
    ({"name": "another"}, Preview(0, 10_000)),
    ({"permissions": ["items:read"]}, Preview(1_100, 10_000, LATER, "192.0.2.3")),
    ({"permissions": []}, Preview(1_101_111, 10_000, START + timedelta(seconds=6), None)),
    (
        {"ip_allow": ["192.0.2.2/31"]},
        Preview(1_000_001, 110_000, START + timedelta(seconds=6), None),
    ),
    (
        {"ip_allow": ["192.0.2.2"], "permissions": ["items:read"]},
        Preview(1_011_101, 100_000, START + timedelta(seconds=6), None),
    ),
]


@pytest.mark.parametrize(("patch", "expected"), CASES)
async def test_past_requests_are_judged_by_the_key_as_it_would_be(
    office: Office,
    patch: dict[str, object],
    expected: Preview,
) -> None:
    """By permission and address; unknown is what no rule of the configuration or no address is left of."""
    key = (await office.key(permissions=("items:read", "items:write"))).view.record
    await used(office, key.id, *USES)

    assert expected == await previewer(office).preview("a", key.id, patch, actor=ROOT)
    assert key == (await office.keys.get("a", key.id, actor=ROOT)).record


async def test_what_a_key_has_lost_already_is_not_lost_again(office: Office) -> None:
    """Requests that the key could not make today are no reason against the patch."""
    key = (await office.key()).view.record
    await used(office, key.id, ("PUT /items/{id}", "192.0.2.1", 7), ("GET /items", "192.0.2.1", 1))

    assert 1 == (await previewer(office).preview("a", key.id, {"permissions": []}, actor=ROOT)).refused


async def test_older_requests_are_left_out(office: Office) -> None:
    """Thirty days count, today with them."""
    key = (await office.key()).view.record
    await used(office, key.id, ("GET /items", "192.0.2.1", 1), days_ago=30)
    await used(office, key.id, ("GET /items", "192.0.2.1", 5), days_ago=29)

    assert 5 == (await previewer(office).preview("a", key.id, {"permissions": []}, actor=ROOT)).refused


async def test_a_preview_is_refused_like_reading_and_like_the_patch(office: Office) -> None:
    """It needs ``keys:read``, of one's own team, and values that could be saved."""
    key = (await office.key()).view.record
    preview = previewer(office).preview

    with pytest.raises(Forbidden):
        await preview("a", key.id, {}, actor=await office.admin("keys:write"))
    with pytest.raises(NotFound):
        await preview("b", key.id, {}, actor=await office.admin("keys:read"))
    for patch in ({"permissions": ["items:nope"]}, {"ip_allow": ["nowhere"]}, {"nope": 1}):
        with pytest.raises(Invalid):
            await preview("a", key.id, patch, actor=ROOT)
