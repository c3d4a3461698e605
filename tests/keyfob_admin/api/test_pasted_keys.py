"""A key that is pasted where a text belongs reaches neither the database nor the audit log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS, TEAM

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from tests.keyfob_admin.api.conftest import LiveAdmin


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Keys of another product are taken, too."""
    return replace(settings, foreign={"legacy": "sk_live_[A-Za-z0-9]{32}"})


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


def test_texts_keep_nothing_of_a_foreign_key(live_admin: LiveAdmin) -> None:
    """Names of keys, teams and people, descriptions and reasons lose what has the form of another product's key."""
    pasted = "sk_live_" + "a1B2" * 8
    made = live_admin.make(name=f"as {pasted}", description=f"for\n{pasted}.")
    assert ("as …", "for\n….") == (made.body["name"], made.body["description"])
    person = {"email": "ana@example.com", "team": TEAM, "role": "member", "name": f"{pasted} Ana"}
    invited = live_admin.call("POST", "/v1/people", json=person).json()["person"]["id"]
    sent = [
        live_admin.call("PATCH", made.path, json={"name": pasted}),
        live_admin.call("PATCH", f"/v1/people/{invited}", json={"name": f"Ana {pasted}"}),
        live_admin.call("POST", "/v1/teams", json={"id": "other", "name": f"the {pasted}"}),
        live_admin.call("PATCH", f"/v1/teams/{TEAM}", json={"name": f"Acme {pasted}"}),
        live_admin.call("POST", f"{made.path}/disable", json={"reason": f"saw {pasted}"}),
        live_admin.call("POST", f"{KEYS}/disable", json={"ids": [live_admin.make().id], "reason": f"saw {pasted}"}),
        live_admin.call("DELETE", made.path, json={"reason": f"saw {pasted}"}),
        live_admin.call("POST", f"/v1/people/{invited}/offboard", json={"keys": "keep", "reason": f"saw {pasted}"}),
    ]
    assert [200, 200, 201, 200, 200, 200, 204, 200] == [one.status_code for one in sent]
    log = live_admin.call("GET", "/v1/audit-events")
    assert pasted not in log.text + "".join(one.text for one in sent)
    assert 3 <= log.text.count("saw …")
