"""A key that is pasted where a text belongs reaches neither the database nor the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_texts_keep_the_form_that_is_shown(live_admin: LiveAdmin) -> None:
    """Name, description, metadata and reason are cut to it, as every field of the console is."""
    pasted = live_admin.make()
    shown = f"kf_api_{pasted.id}_…"

    made = live_admin.make(
        name=pasted.secret,
        description=f"as {pasted.secret}, but\nfor {pasted.secret[:-20]}",
        metadata={"of": f"Bearer {pasted.secret}", "note": "my_long_internationalize_this_text"},
    ).body
    assert (shown, f"as {shown}, but\nfor {shown}") == (made["name"], made["description"])
    assert {"of": f"Bearer {shown}", "note": "my_long_internationalize_this_text"} == made["metadata"]

    assert 200 == live_admin.call("POST", f"{pasted.path}/disable", json={"reason": f"in {pasted.secret}"}).status_code
    log = live_admin.call("GET", "/v1/audit-events")
    assert pasted.secret[-30:] not in log.text + live_admin.call("GET", KEYS).text
    assert f"in {shown}" in log.text


def test_an_id_of_another_system_is_no_key(live_admin: LiveAdmin) -> None:
    """It would be looked up by what it no longer is, so that it is refused."""
    pasted = live_admin.make()
    answer = live_admin.call("PATCH", pasted.path, json={"external_id": pasted.secret})

    assert (422, "/external_id") == (answer.status_code, answer.json()["errors"][0]["pointer"])
    assert pasted.secret not in answer.text


@pytest.mark.parametrize("written", ["{}", "/files/{}", "/files/{}/x"])
def test_an_explanation_never_holds_a_secret(live_admin: LiveAdmin, written: str) -> None:
    """A path that holds a key is explained, and shown without its secret."""
    pasted = live_admin.make()
    path = "/" + written.format(pasted.secret).removeprefix("/")
    answer = live_admin.call("POST", "/v1/explain", json={"key": pasted.id, "method": "GET", "path": path})

    assert 200 == answer.status_code
    assert pasted.secret not in answer.text
    assert f"kf_api_{pasted.id}_…" in answer.json()["path"]
