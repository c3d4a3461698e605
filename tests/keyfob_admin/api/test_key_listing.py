from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines


def test_a_key_may_be_named_as_it_is_displayed(live_admin: LiveAdmin) -> None:
    """Paths take the 16 characters or the display form; a whole key has no place in a path."""
    made = live_admin.make()

    displayed = live_admin.call("GET", f"{KEYS}/{made.body['display']}")

    assert (200, made.id) == (displayed.status_code, displayed.json()["id"])
    assert 404 == live_admin.call("GET", f"{KEYS}/{made.secret}").status_code


def test_usage_has_every_day(live_admin: LiveAdmin) -> None:
    """Days without use are there with zeros, today last."""
    made = live_admin.make()

    days = live_admin.call("GET", f"{made.path}/usage?days=3").json()["days"]

    today = datetime.now(UTC).date()
    assert 3 == len(days)
    assert today - timedelta(days=1) <= datetime.fromisoformat(days[-1]["date"]).date() <= today
    assert {"date", "admitted", "denied", "limited"} == set(days[0])


def test_usage_is_grouped_by_rule_address_or_reason(live_admin: LiveAdmin) -> None:
    """A 403 of the admin API is under its rule, its address and its reason; another grouping is 422."""
    reader = live_admin.make_admin("keys:read")
    path = f"{KEYS}/{reader.id}/usage"
    assert 403 == live_admin.call("POST", "/v1/teams", reader.secret, json={"id": "new"}).status_code
    deadline = time.monotonic() + 60
    while not (found := live_admin.call("GET", f"{path}?by=reason").json())["rows"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (rule,) = live_admin.call("GET", f"{path}?by=rule&days=2").json()["rows"]
    (address,) = live_admin.call("GET", f"{path}?by=address").json()["rows"]

    (reason,) = found["rows"]
    assert ("reason", "permission", 0, 1, 0) == (
        found["by"],
        *[reason[n] for n in ("label", "admitted", "denied", "limited")],
    )
    assert reason["first"] == reason["last"]
    assert ("POST /v1/teams", "127.0.0.1") == (rule["label"], address["label"])
    assert 422 == live_admin.call("GET", f"{path}?by=key").status_code


def test_a_list_is_paged_by_an_opaque_token(live_admin: LiveAdmin) -> None:
    """Pages follow each other without gap or repeat, and the last has no token."""
    names = [f"key {number}" for number in range(5)]
    for name in names:
        live_admin.make(name=name)
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page = live_admin.call("GET", f"{KEYS}?type=api&order_by=-name&page_size=2&page_token={token}").json()
        seen += [key["name"] for key in page["keys"]]
        token = page["next_page_token"]

    assert names[::-1] == seen


def test_a_list_can_be_narrowed(live_admin: LiveAdmin) -> None:
    """State, type, text and disuse each leave out what does not fit."""
    live_admin.make(name="Alpha")
    beta = live_admin.make(name="be%ta")
    live_admin.call("POST", f"{beta.path}/disable")

    def names(query: str) -> list[str]:
        return [key["name"] for key in live_admin.call("GET", f"{KEYS}?{query}").json()["keys"]]

    assert ["be%ta"] == names("state=disabled")
    assert ["root"] == names("type=admin")
    assert ["Alpha"] == names("q=ALPH")
    assert ["be%ta"] == names("q=%25")
    assert ["be%ta"] == names(f"q={beta.secret}")
    assert ["Alpha", "be%ta"] == sorted(names("unused_since=2099-01-01T00:00:00Z&type=api"))
    assert [] == names("state=suspended")
