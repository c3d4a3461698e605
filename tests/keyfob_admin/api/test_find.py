from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keys.format import compose, new_key_id, new_secret
from tests.keyfob_admin.api.conftest import OTHER_TEAM, TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

pytestmark = pytest.mark.both_engines


def find(live_admin: LiveAdmin, text: str, by: str | None = None) -> list[dict[str, Any]]:
    answer = live_admin.call("POST", "/v1/keys/find", by, json={"text": text})
    assert 200 == answer.status_code, answer.text
    assert "no-store" == answer.headers["cache-control"]
    matches: list[dict[str, Any]] = answer.json()["matches"]
    return matches


def forged(key_id: str | None = None) -> str:
    """A well-formed key that no keyring of ours has tagged."""
    return compose(
        key_type="api", key_id=key_id or new_key_id(), secret=new_secret(), key_char="a", tag=lambda _: "0" * 14
    ).text


def damaged(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def test_each_kind_is_told_apart_with_its_place(live_admin: LiveAdmin) -> None:
    """Ours, deleted, foreign and damaged keys of one text are named in its order, and no secret comes back."""
    made, gone = live_admin.make(name="ci"), live_admin.make(name="old")
    live_admin.call("POST", f"{gone.path}/disable")
    live_admin.call("DELETE", gone.path)
    text = f"a {made.secret}\nb={gone.secret}\n{forged()} {damaged(made.secret)}"

    answer = live_admin.call("POST", "/v1/keys/find", json={"text": text})
    first, second, third, fourth = answer.json()["matches"]

    assert ("key", made.id, True) == (first["kind"], first["key"]["id"], first["secret_checked"])
    assert {"line": 1, "column": 3} == first["where"]
    assert ("deleted", "old", TEAM) == (second["kind"], second["deleted"]["name"], second["deleted"]["team"])
    assert live_admin.root_id == second["deleted"]["by"]["id"]
    assert ["foreign", "damaged"] == [third["kind"], fourth["kind"]]
    assert {"kind", "where", "secret_checked"} == third.keys() == fourth.keys()
    assert made.secret[-64:-1] not in answer.text


@pytest.mark.parametrize("verb", ["disable", "enable"])
def test_a_key_is_found_whatever_its_state(live_admin: LiveAdmin, verb: str) -> None:
    """A disabled key's secret is verified, too."""
    made = live_admin.make()
    live_admin.call("POST", f"{made.path}/{verb}")

    (match,) = find(live_admin, made.secret)

    assert ("key", True) == (match["kind"], match["secret_checked"])


def test_a_key_is_listed_once(live_admin: LiveAdmin) -> None:
    """The whole key stands for its display form and its id; those alone are found without a verified secret."""
    made = live_admin.make()

    assert [True] == [match["secret_checked"] for match in find(live_admin, f"{made.id} {made.secret} {made.secret}")]
    for form in (made.id, made.body["display"], f"{made.body['display']}_…"):
        assert [(made.id, False)] == [(match["key"]["id"], match["secret_checked"]) for match in find(live_admin, form)]


def test_a_wrong_secret_for_a_known_id_is_foreign(live_admin: LiveAdmin) -> None:
    """Whoever knows an id cannot make a text that is taken for its key."""
    made = live_admin.make()

    (match,) = find(live_admin, forged(made.id))

    assert "foreign" == match["kind"]


def test_what_is_out_of_sight_is_as_what_is_not_there(live_admin: LiveAdmin) -> None:
    """A key of another team is foreign without a name, its bare id nothing; deleted ones are no different."""
    by = live_admin.make_admin("keys:read").secret
    live, gone = live_admin.make(team=OTHER_TEAM), live_admin.make(team=OTHER_TEAM)
    live_admin.call("POST", f"{gone.path}/disable")
    live_admin.call("DELETE", gone.path)
    unknown = forged()

    for text in (live.secret, gone.secret, unknown):
        (match,) = find(live_admin, text, by)
        assert {"kind": "foreign", "where": {"line": 1, "column": 1}, "secret_checked": False} == match
    assert [] == find(live_admin, f"{live.id} {gone.id} {new_key_id()}", by)
    assert {live.id} == {match["key"]["id"] for match in find(live_admin, live.secret)}


def test_at_most_twenty_secrets_are_checked(live_admin: LiveAdmin) -> None:
    """The rest is found by its id, so that one call costs a bounded number of Argon2id computations."""
    made = [live_admin.make(name=f"key {number}") for number in range(22)]

    found = find(live_admin, "\n".join(key.secret for key in made))

    assert [key.id for key in made] == [match["key"]["id"] for match in found]
    assert 20 == sum(match["secret_checked"] for match in found)


def test_a_page_full_of_words_is_searched(live_admin: LiveAdmin) -> None:
    """Thousands of words that could be ids are looked up together; 64 KiB fit in a body, more is refused."""
    made = live_admin.make()
    words = "\n".join(new_key_id() for _ in range(3800))

    assert [made.id] == [match["key"]["id"] for match in find(live_admin, f"{words}\n{made.id}")]
    too_long = live_admin.call("POST", "/v1/keys/find", json={"text": "é" * 32_769})
    assert (422, "/text") == (too_long.status_code, too_long.json()["errors"][0]["pointer"])
    assert 413 == live_admin.call("POST", "/v1/keys/find", json={"text": "a" * 600_000}).status_code
    assert (
        200
        == live_admin.call(
            "POST",
            "/v1/keys/find",
            content=b'{"text": "' + b"\\u0061" * 65_536 + b'"}',
            headers={"Content-Type": "application/json"},
        ).status_code
    )


def test_it_needs_to_read_keys(live_admin: LiveAdmin) -> None:
    """Another admin permission is not enough."""
    by = live_admin.make_admin("keys:verify", "audit:read").secret

    assert 403 == live_admin.call("POST", "/v1/keys/find", by, json={"text": "a"}).status_code
    assert 422 == live_admin.call("POST", "/v1/keys/find", json={"text": "a", "team": TEAM}).status_code
