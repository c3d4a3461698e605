from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.api.conftest import KEYS

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines


def test_rotating_answers_with_the_new_key_and_the_old_ones_end(live_admin: LiveAdmin) -> None:
    """201 with key, secret and what becomes of the old key; both keys are good during the overlap of a day."""
    old = live_admin.make(name="CI")

    answer = live_admin.call("POST", f"{old.path}/rotate")

    said = answer.json()
    assert 201 == answer.status_code
    assert {"key", "secret", "replaced"} == said.keys()
    assert f"{KEYS}/{said['key']['id']}" == answer.headers["location"]
    assert ("CI", old.id) == (said["key"]["name"], said["key"]["replaces"])
    replaced = live_admin.call("GET", old.path).json()
    assert said["replaced"] == {"id": old.id, "ends_at": replaced["expires_at"]}
    length = datetime.fromisoformat(replaced["expires_at"]) - datetime.fromisoformat(replaced["replaced_at"])
    assert timedelta(days=1) == length
    assert said["key"]["id"] == replaced["replaced_by"]
    assert ["valid", "valid"] == [live_admin.verify(key)["code"] for key in (old.secret, said["secret"])]


def test_a_key_replaced_without_overlap_is_refused_by_every_worker(live_admin: LiveAdmin) -> None:
    """With `wait=all` and 0s, no worker admits the old key when the call returns, and the answer names them."""
    old = live_admin.make_admin("keys:read")
    assert 200 == live_admin.call("GET", "/v1/whoami", old.secret).status_code

    answer = live_admin.call("POST", f"{old.path}/rotate?wait=all", json={"overlap": "0s"})

    said = answer.json()
    assert (201, 1) == (answer.status_code, len(said["workers"]))
    assert said["effective_at"]
    assert 401 == live_admin.call("GET", "/v1/whoami", old.secret).status_code
    assert 200 == live_admin.call("GET", "/v1/whoami", said["secret"]).status_code


def test_what_cannot_be_rotated_is_a_conflict(live_admin: LiveAdmin) -> None:
    """Replaced before, with its successor; not active; and one of a type that has a replaced key already."""
    old, off = live_admin.make(), live_admin.make()
    new = live_admin.call("POST", f"{old.path}/rotate", json={"overlap": None}).json()["key"]
    live_admin.call("POST", f"{off.path}/disable")
    computer = live_admin.make(type="computer", permissions=["computers:enroll"])
    second = live_admin.call("POST", f"{computer.path}/rotate").json()["key"]

    paths = [old.path, off.path, f"{KEYS}/{second['id']}"]
    answers = [live_admin.call("POST", f"{path}/rotate") for path in paths]

    codes = ["already_rotated", "key_not_active", "key_type_taken"]
    assert [(409, code) for code in codes] == [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert new["id"] == answers[0].json()["successor"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"overlap": "91d"}, "/overlap"), ({"overlap": 3}, "/overlap"), ({"team": "x"}, "/team"), ({"name": ""}, "/name")],
)
def test_a_wrong_rotation_points_at_its_member(
    standing_admin: LiveAdmin, body: dict[str, object], pointer: str
) -> None:
    """422 with the member's pointer, and the key stays as it is."""
    old = standing_admin.make()

    answer = standing_admin.call("POST", f"{old.path}/rotate", json=body)

    assert (422, [pointer]) == (answer.status_code, [error["pointer"] for error in answer.json()["errors"]])
    assert standing_admin.call("GET", old.path).json()["replaced_by"] is None


def test_a_rotation_is_conditional_and_repeatable(standing_admin: LiveAdmin) -> None:
    """If-Match is that of the old key; the same Idempotency-Key answers 200 without a secret."""
    old = standing_admin.make()
    path = f"{old.path}/rotate"

    stale = standing_admin.call("POST", path, headers={"If-Match": '"0"'})
    once = {"Idempotency-Key": "rotate-once", "If-Match": old.body["etag"]}
    first, again = (standing_admin.call("POST", path, headers=once) for _ in range(2))

    assert [412, 201, 200] == [answer.status_code for answer in (stale, first, again)]
    assert "true" == again.headers["idempotency-replayed"]
    assert again.json() == {**first.json(), "secret": None, "key": again.json()["key"]}


def test_responses_to_a_replaced_key_announce_it(live_admin: LiveAdmin) -> None:
    """Deprecation says since when, Sunset until when; also a 403 does, and no other key's response."""
    old = live_admin.make_admin("keys:read")
    other = live_admin.call("GET", "/v1/whoami", old.secret)
    said = live_admin.call("POST", f"{old.path}/rotate", json={"overlap": "1h"}).json()
    at = datetime.fromisoformat(live_admin.call("GET", old.path).json()["replaced_at"])

    admitted = live_admin.call("GET", "/v1/whoami", old.secret)
    forbidden = live_admin.call("GET", "/v1/teams", old.secret)

    end = datetime.fromisoformat(said["replaced"]["ends_at"]).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for answer, status in ((admitted, 200), (forbidden, 403)):
        assert (status, f"@{int(at.timestamp())}", end) == (
            answer.status_code,
            answer.headers["deprecation"],
            answer.headers["sunset"],
        )
    for answer in (other, live_admin.call("GET", "/v1/whoami", said["secret"])):
        assert not {"deprecation", "sunset"} & set(answer.headers)
