"""Pointers lead into the body that was sent, also where a part of it is checked by itself (RFC 6901)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.api.conftest import KEYS, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

PAGE = {"team": TEAM, "role": "member", "return_url": "https://app.example.com/"}


def pointers(live_admin: LiveAdmin, path: str, body: dict[str, Any]) -> list[str]:
    answer = live_admin.call("POST", path, json=body)
    assert 422 == answer.status_code, answer.text
    return sorted(error["pointer"] for error in answer.json()["errors"])


def test_a_preview_points_into_its_patch(live_admin: LiveAdmin) -> None:
    """What is wrong with the change stands below `patch`."""
    patch = {"name": "", "expires_at": "2020-01-01T00:00:00Z", "permissions": ["Items"]}

    assert ["/patch/expires_at", "/patch/name", "/patch/permissions/0"] == pointers(
        live_admin, f"{live_admin.make().path}/preview", {"patch": patch}
    )


@pytest.mark.parametrize(
    ("condition", "pointer"),
    [
        ({"q": "\0"}, "/filter/q"),
        ({"owner": "x" * 201}, "/filter/owner"),
        ({"type": "robot"}, "/filter/type"),
        ({"unused_since": "9999-12-31T23:59:59-14:00"}, "/filter/unused_since"),
    ],
)
def test_a_filter_s_conditions_are_below_it(live_admin: LiveAdmin, condition: dict[str, str], pointer: str) -> None:
    """Whether its type or its value is wrong."""
    assert [pointer] == pointers(live_admin, f"{KEYS}/disable", {"filter": condition})


@pytest.mark.parametrize(
    ("person", "pointer"),
    [
        ({"id": "", "name": "Ann", "email": None}, "/person/id"),
        ({"id": "1", "name": " ", "email": None}, "/person/name"),
        ({"id": "1", "name": "Ann", "email": "ann"}, "/person/email"),
    ],
)
def test_a_page_s_person_is_below_it(live_admin: LiveAdmin, person: dict[str, str | None], pointer: str) -> None:
    """The rest of the body is pointed at as it stands."""
    assert [pointer] == pointers(live_admin, "/v1/page-sessions", {**PAGE, "person": person})
    assert ["/role"] == pointers(
        live_admin,
        "/v1/page-sessions",
        {**PAGE, "role": "chief", "person": {"id": "1", "name": "Ann", "email": None}},
    )
