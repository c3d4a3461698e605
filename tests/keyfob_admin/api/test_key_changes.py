from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_a_patch_changes_what_it_names_and_moves_the_etag(live_admin: LiveAdmin) -> None:
    """A merge patch leaves the rest, null clears, and the new tag is in header and body."""
    made = live_admin.make(description="old", expires_at="2999-01-01T00:00:00Z")

    answer = live_admin.call(
        "PATCH",
        made.path,
        content=b'{"name": "new", "description": null}',
        headers={"Content-Type": "application/merge-patch+json"},
    )

    key = answer.json()
    assert (200, "new", None, "2999-01-01T00:00:00Z") == (
        answer.status_code,
        key["name"],
        key["description"],
        key["expires_at"],
    )
    assert key["etag"] == answer.headers["etag"] != made.body["etag"]
    assert key == live_admin.call("GET", made.path).json()


@pytest.mark.parametrize("form", ["{}", "*", '"0", {}', "W/{}, {}"])
def test_a_patch_with_the_present_etag_passes(live_admin: LiveAdmin, form: str) -> None:
    """If-Match with the key's tag, alone or in a list, or with any, lets the patch through."""
    made = live_admin.make()
    tag = live_admin.call("GET", made.path).headers["etag"]

    answer = live_admin.call("PATCH", made.path, json={"name": "b"}, headers={"If-Match": form.replace("{}", tag)})

    assert (200, "b") == (answer.status_code, answer.json()["name"])


@pytest.mark.parametrize("form", ['"0"', "W/{}", "0", '"0", "9999"', '"0", W/{}'])
def test_a_patch_with_another_etag_is_412(live_admin: LiveAdmin, form: str) -> None:
    """If-Match without the key's present strong tag changes nothing."""
    made = live_admin.make()

    answer = live_admin.call(
        "PATCH", made.path, json={"name": "b"}, headers={"If-Match": form.replace("{}", made.body["etag"])}
    )

    assert (412, "precondition_failed") == (answer.status_code, answer.json()["code"])
    assert made.body == live_admin.call("GET", made.path).json()


def test_use_does_not_move_the_etag(live_admin: LiveAdmin) -> None:
    """A key's tag is that of its settings, however often it is used."""
    made = live_admin.make_admin("keys:read")
    for _ in range(3):
        live_admin.call("GET", "/v1/whoami", made.secret)
    deadline = time.monotonic() + 60
    while (key := live_admin.call("GET", made.path).json())["last_used"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert ("127.0.0.1", made.body["etag"]) == (key["last_used"]["ip"], key["etag"])
