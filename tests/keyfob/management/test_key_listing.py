"""Lists of keys, and how much one was used."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, Invalid, NotFound
from keyfob.management.key_listing import KeySearch
from keyfob.store.contract.key_store import Use, UseDay
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.management.actor import Actor
    from keyfob.store.contract.key_store import KeyView
    from tests.keyfob.management.conftest import Office

pytestmark = pytest.mark.both_engines


async def names(office: Office, search: KeySearch, actor: Actor = ROOT) -> list[str]:
    return [view.record.name for view in (await office.keys.list_keys(search, actor=actor)).items]


async def furnish(office: Office) -> dict[str, str]:
    """Make four keys a minute apart, of which Beta was used first and alpha last; give their ids."""
    ids = {}
    for name in ("Beta", "alpha", "100% _done_", "Gamma"):
        ids[name] = (await office.key(name=name)).view.record.id
        office.clock.pass_time(minutes=1)
    uses = {"Beta": START, "alpha": START + timedelta(hours=1)}
    await office.store.add_usage({ids[name]: Use(last_at=at, ip="192.0.2.1") for name, at in uses.items()})
    return ids


ORDERS = [
    ("created_at", ["Beta", "alpha", "100% _done_", "Gamma"]),
    ("-created_at", ["Gamma", "100% _done_", "alpha", "Beta"]),
    ("name", ["100% _done_", "alpha", "Beta", "Gamma"]),
    ("-name", ["Gamma", "Beta", "alpha", "100% _done_"]),
]


@pytest.mark.parametrize(("order_by", "expected"), ORDERS)
@pytest.mark.parametrize("page_size", [1, 2, 3, 4, "1000"])
async def test_pages_put_together_are_the_whole_list(
    office: Office, order_by: str, expected: list[str], page_size: int | str
) -> None:
    """In every order and page size each key comes once, and the last page has no token."""
    await furnish(office)
    found: list[KeyView] = []
    token: str | None = None
    while True:
        search = KeySearch("a", order_by=order_by, page_size=page_size, page_token=token)
        page = await office.keys.list_keys(search, actor=ROOT)
        found += page.items
        token = page.next_token
        if token is None:
            break
        assert int(page_size) == len(page.items)

    assert expected == [view.record.name for view in found]


@pytest.mark.parametrize("order_by", ["last_used_at", "-last_used_at"])
async def test_keys_never_used_stand_before_those_long_unused(office: Office, order_by: str) -> None:
    """Never is the longest ago; pages go on across the border between never and once."""
    await furnish(office)
    found: list[str] = []
    token: str | None = None
    while token is not None or not found:
        search = KeySearch("a", order_by=order_by, page_size=1, page_token=token)
        page = await office.keys.list_keys(search, actor=ROOT)
        found += [view.record.name for view in page.items]
        token = page.next_token

    ascending = found if order_by == "last_used_at" else found[::-1]
    assert {"100% _done_", "Gamma"} == set(ascending[:2])
    assert ["Beta", "alpha"] == ascending[2:]


async def test_a_list_goes_on_where_it_was_while_keys_come_and_go(office: Office) -> None:
    """Neither a new key nor the end of the last one seen makes the next page skip or repeat one."""
    ids = await furnish(office)
    first = await office.keys.list_keys(KeySearch("a", order_by="-created_at", page_size=2), actor=ROOT)
    await office.key(name="Newest")
    await office.keys.disable("a", ids["100% _done_"], actor=ROOT)
    await office.keys.delete("a", ids["100% _done_"], actor=ROOT)

    rest = KeySearch("a", order_by="-created_at", page_token=first.next_token)

    assert ["alpha", "Beta"] == await names(office, rest)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("ALPHA", ["alpha"]),
        ("%", ["100% _done_"]),
        ("_", ["100% _done_"]),
        ("0% _", ["100% _done_"]),
        ("' OR 1=1 --", []),
        ("*", []),
        ("", ["Beta", "alpha", "100% _done_", "Gamma"]),
    ],
)
async def test_q_is_taken_literally(office: Office, q: str, expected: list[str]) -> None:
    """Letters in any case, and no character means another."""
    await furnish(office)

    assert expected == await names(office, KeySearch("a", q=q))


async def test_a_key_in_q_is_cut_to_its_id(office: Office) -> None:
    """Its id, its display form and the whole key find it; mistyped behind the id it is still found."""
    created = await office.key(name="Sought")
    await office.key(name="Other")
    whole = created.secret or ""
    wrong = whole[:-1] + ("x" if whole[-1] != "x" else "y")

    for q in (created.view.record.id, f"kf_api_{created.view.record.id}", whole, f" {whole}\n", wrong):
        assert ["Sought"] == await names(office, KeySearch("a", q=q))


async def test_lists_can_be_narrowed_by_state_and_type(office: Office) -> None:
    """A key is listed under the one state that it is shown as."""
    await office.key(name="Active")
    await office.key(name="Expired", expires_at=START + timedelta(hours=1))
    off = (await office.key(name="Off", expires_at=START + timedelta(hours=1))).view.record
    await office.keys.disable("a", off.id, actor=ROOT)
    await office.key(name="Laptop", key_type="computer", permissions=None)
    office.clock.pass_time(hours=2)

    assert ["Active", "Laptop"] == sorted(await names(office, KeySearch("a", state="active")))
    assert ["Expired"] == sorted(await names(office, KeySearch("a", state="expired")))
    assert ["Off"] == sorted(await names(office, KeySearch("a", state="disabled")))
    assert ["Laptop"] == sorted(await names(office, KeySearch("a", key_type="computer")))
    await office.teams.update("a", {"plan": "teams"}, actor=ROOT)
    assert ["Active", "Expired"] == sorted(await names(office, KeySearch("a", state="suspended")))
    assert ["Active", "Expired"] == sorted(await names(office, KeySearch(state="suspended")))


async def test_lists_can_be_narrowed_to_what_is_unused(office: Office) -> None:
    """Keys whose last use is before that moment, and those never used; the moment may be text."""
    await furnish(office)
    expected = ["Beta", "100% _done_", "Gamma"]

    assert expected == await names(office, KeySearch("a", unused_since=START + timedelta(minutes=30)))
    assert expected == await names(office, KeySearch("a", unused_since="2026-03-01T13:30:00+01:00"))


WRONG = [
    ({"page_size": 0}, "/page_size"),
    ({"page_size": 1001}, "/page_size"),
    ({"page_size": "ten"}, "/page_size"),
    ({"page_size": "-1"}, "/page_size"),
    ({"page_size": "\u0661"}, "/page_size"),
    ({"page_size": "9" * 5000}, "/page_size"),
    ({"order_by": "secret"}, "/order_by"),
    ({"order_by": "--name"}, "/order_by"),
    ({"order_by": ""}, "/order_by"),
    ({"state": "deleted"}, "/state"),
    ({"state": ""}, "/state"),
    ({"key_type": "robot"}, "/type"),
    ({"unused_since": "yesterday"}, "/unused_since"),
    ({"unused_since": "2026-03-01"}, "/unused_since"),
    ({"unused_since": "2026-03-01T12:00:00"}, "/unused_since"),
    ({"unused_since": "2026-02-30T12:00:00Z"}, "/unused_since"),
    ({"unused_since": "0001-01-01T00:00:00+14:00"}, "/unused_since"),
    ({"q": "x" * 201}, "/q"),
    ({"q": "a\0b"}, "/q"),
    ({"q": "\ud800"}, "/q"),
    ({"expires_before": "soon"}, "/expires_before"),
    ({"expires_after": "2030-01-01"}, "/expires_after"),
    ({"external_id": "a\0"}, "/external_id"),
    ({"created_by": "a\ud800"}, "/created_by"),
    ({"page_token": "x"}, "/page_token"),
    ({"page_token": "é"}, "/page_token"),
    ({"page_token": "A" * 10_000}, "/page_token"),
    ({"page_token": "[" * 2000}, "/page_token"),
]


@pytest.mark.parametrize(("wrong", "pointer"), WRONG)
async def test_a_bad_query_names_its_parameter(office: Office, wrong: dict[str, str], pointer: str) -> None:
    """Refused, never guessed at, and never an error of the store."""
    with pytest.raises(Invalid) as refusal:
        await office.keys.list_keys(KeySearch("a", **wrong), actor=ROOT)  # type: ignore[arg-type] # no parameter of them is a flag

    assert [pointer] == [at for at, _ in refusal.value.errors]


def token(*place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


ID = "0" * 16
FORGED = [
    token("created_at", "text", ID),
    token("created_at", 1.5, ID),
    token("created_at", *[True], ID),
    token("created_at", 2**63, ID),
    token("created_at", None, ID),
    token("created_at", 1),
    token("created_at", 1, "no id"),
    token("created_at", 1, ID, 1),
    token("-created_at", 1, ID),
    token("name", "x", ID),
    token("audit", 1),
    base64.urlsafe_b64encode(b'{"a": 1}').decode(),
    base64.urlsafe_b64encode(b"[" * 1400).decode(),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_token_is_good_for_its_own_listing_alone(office: Office, forged: str) -> None:
    """Tokens of other orders, of other lists, and made up ones are refused."""
    with pytest.raises(Invalid) as refusal:
        await office.keys.list_keys(KeySearch("a", page_token=forged), actor=ROOT)

    assert ["/page_token"] == [at for at, _ in refusal.value.errors]


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_a_token_carries_no_text_that_a_store_cannot_take(office: Office, name: str) -> None:
    """NUL and lone surrogates are refused before the store sees them."""
    with pytest.raises(Invalid):
        await office.keys.list_keys(KeySearch("a", order_by="name", page_token=token("name", name, ID)), actor=ROOT)


async def test_aa_08_a_list_shows_one_team(office: Office) -> None:
    """Another's team is not found, and without a team one's own is listed, or all for who acts in every team."""
    await office.key("a", name="Mine")
    await office.key("b", name="Theirs")
    reader = await office.admin("keys:read")

    assert ["Admin", "Mine"] == sorted(await names(office, KeySearch("a"), reader))
    assert ["Admin", "Mine"] == sorted(await names(office, KeySearch(), reader))
    assert ["Admin", "Mine", "Theirs"] == sorted(await names(office, KeySearch()))
    for team in ("b", "nowhere", ""):
        with pytest.raises(NotFound, match=r"^there is no such team$"):
            await names(office, KeySearch(team), reader)
    with pytest.raises(Forbidden):
        await names(office, KeySearch("b"), await office.admin("keys:write"))


async def test_every_day_of_usage_is_there(office: Office) -> None:
    """Days without use are zeros; the last is today in UTC, whatever the server's own zone."""
    key = (await office.key()).view.record
    day = date(2026, 2, 27)
    await office.store.add_usage({key.id: Use(START, "192.0.2.1", {day: 3, date(2026, 1, 1): 9}, {day: 1})})
    office.clock.now = datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=2)))  # still 1 March in UTC

    days = await office.keys.usage.days("a", key.id, 4, actor=ROOT)

    assert [
        UseDay(date(2026, 2, 26), 0, 0),
        UseDay(day, 3, 1),
        UseDay(date(2026, 2, 28), 0, 0),
        UseDay(date(2026, 3, 1), 0, 0),
    ] == days
    assert 30 == len(await office.keys.usage.days("a", key.id, actor=ROOT))
    assert 365 == len(await office.keys.usage.days("a", key.id, "365", actor=ROOT))


@pytest.mark.parametrize("days", [0, 366, -1, "", "ten", "1.5"])
async def test_usage_goes_back_a_year_at_most(office: Office, days: int | str) -> None:
    """1 to 365 days."""
    key = (await office.key()).view.record

    with pytest.raises(Invalid) as refusal:
        await office.keys.usage.days("a", key.id, days, actor=ROOT)

    assert ["/days"] == [at for at, _ in refusal.value.errors]


async def test_a_change_keeps_the_last_use_in_sight(office: Office) -> None:
    """What a change answers shows when the key was last used, and changes nothing of it."""
    key = (await office.key()).view.record
    await office.store.add_usage({key.id: Use(START, "192.0.2.1")})

    changed = await office.keys.update("a", key.id, {"name": "New"}, actor=ROOT)

    assert changed == await office.keys.get("a", key.id, actor=ROOT)
    assert changed.last_used is not None
    assert START.astimezone(UTC) == changed.last_used.at
