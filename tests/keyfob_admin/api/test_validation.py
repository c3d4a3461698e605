from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from keyfob.errors import Invalid
from keyfob_admin.wire import check_body, check_query, given
from keyfob_admin.wire.requests import CreateKey, CreateTeam, ListKeysQuery, PatchKey, UsageQuery, VerifyKey


def pointers(caught: pytest.ExceptionInfo[Invalid]) -> list[str]:
    """Where the faults are."""
    return [pointer for pointer, _ in caught.value.errors]


WRONG = [
    ({"name": 5}, ["/name"]),
    ({"name": None}, ["/name"]),
    ({}, ["/name"]),
    ({"name": "a", "permissions": "*"}, ["/permissions"]),
    ({"name": "a", "permissions": None}, ["/permissions"]),
    ({"name": "a", "permissions": {"0": "x:y"}}, ["/permissions"]),
    ({"name": "a", "permissions": ["x:y", 1]}, ["/permissions/1"]),
    ({"name": "a", "ip_allow": [["10.0.0.0/8"]]}, ["/ip_allow/0"]),
    ({"name": "a", "replace": 1}, ["/replace"]),
    ({"name": "a", "expires_at": 1}, ["/expires_at"]),
    ({"name": "a", "expires_at": "2027-01-01"}, ["/expires_at"]),
    ({"name": "a", "expires_at": "2027-01-01T00:00:00"}, ["/expires_at"]),
    ({"name": "a", "expires_at": "9999-12-31T23:59:59-10:00"}, ["/expires_at"]),
    ({"name": "a", "revision": 7}, ["/revision"]),
    ({"name": "a", "a/b~c": 7}, ["/a~1b~0c"]),
    ({"colour": 1, "type": 2}, ["/colour", "/name", "/type"]),
    ([], [""]),
    ("text", [""]),
    (None, [""]),
]


@pytest.mark.parametrize(("read", "expected"), WRONG)
def test_every_fault_of_a_body_has_its_pointer(read: object, expected: list[str]) -> None:
    """Unknown, missing and wrong members are all named, each by its JSON pointer."""
    with pytest.raises(Invalid) as caught:
        check_body(read, CreateKey)

    assert expected == sorted(pointers(caught))


def test_a_key_pasted_as_a_member_name_is_not_repeated() -> None:
    """An unknown member's name is cut before anything as long as a key could be read from it."""
    with pytest.raises(Invalid) as caught:
        check_body({"name": "a", "k" * 100: 1}, CreateKey)

    assert ["/" + "k" * 40] == pointers(caught)


def test_a_flood_of_faults_is_told_in_part() -> None:
    """However many members are wrong, the answer stays small."""
    with pytest.raises(Invalid) as caught:
        check_body({str(number): number for number in range(10_000)}, CreateKey)

    assert 20 == len(pointers(caught))


def test_times_are_brought_to_utc() -> None:
    """A time with any offset is read as the moment that it is."""
    sent = check_body({"name": "a", "expires_at": "2027-01-01T02:00:00+02:00"}, CreateKey)

    assert datetime(2027, 1, 1, tzinfo=UTC) == sent.expires_at
    assert isinstance(sent.expires_at, datetime)
    assert UTC == sent.expires_at.tzinfo


def test_a_merge_patch_tells_null_from_absent() -> None:
    """What the caller left out is not part of the patch; null is."""
    sent = check_body({"description": None, "expires_at": None}, PatchKey)

    assert {"description": None, "expires_at": None} == given(sent)


def test_defaults_are_those_of_the_contract() -> None:
    """A key is of type api, and a team of plan enterprise, unless the caller says otherwise."""
    key = check_body({"name": "a"}, CreateKey)
    team = check_body({"id": "a"}, CreateTeam)
    asked = check_body({"key": "x"}, VerifyKey)

    assert ("api", UNSET, None, UNSET, [], False) == (
        key.type,
        key.permissions,
        key.description,
        key.expires_at,
        key.ip_allow,
        key.replace,
    )
    assert ("enterprise", UNSET) == (team.plan, team.name)
    assert ([], None) == (asked.permissions, asked.team)


def test_query_values_are_read_by_their_types() -> None:
    """Numbers, times and choices in a query string become what they stand for."""
    pairs = [("page_size", "20"), ("unused_since", "2026-01-01T00:00:00Z"), ("order_by", "-name"), ("q", "42")]

    asked = check_query(pairs, ListKeysQuery)

    assert (20, datetime(2026, 1, 1, tzinfo=UTC), "-name", "42") == (
        asked.page_size,
        asked.unused_since,
        asked.order_by,
        asked.q,
    )


def test_ff_37_unknown_query_parameters_are_named() -> None:
    """A parameter that a call does not know is refused, with the one that was probably meant."""
    with pytest.raises(Invalid) as caught:
        check_query([("utm_source", "mail"), ("page_sise", "5")], ListKeysQuery)

    (first, second) = caught.value.errors
    assert "/utm_source" == first[0]
    assert ("/page_sise", "this parameter is unknown; did you mean page_size?") == second


def test_ff_48_many_unknown_parameters_cost_little() -> None:
    """Suggestions are looked up for the first few only, and no more errors than those are named."""
    with pytest.raises(Invalid) as caught:
        check_query([(f"page_sise{at}", "") for at in range(1000)], ListKeysQuery)

    assert 20 == len(caught.value.errors)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page_size", "0"),
        ("page_size", "1001"),
        ("page_size", "-1"),
        ("page_size", ""),
        ("page_size", "5.0"),
        ("page_size", "1e1"),
        ("page_size", "9" * 5000),
        ("page_size", "null"),
        ("state", "deleted"),
        ("state", ""),
        ("state", "null"),
        ("order_by", "id"),
        ("order_by", "--name"),
        ("unused_since", "5"),
        ("unused_since", "yesterday"),
        ("unused_since", "0001-01-01T00:00:00+10:00"),
        ("q", "a\x00b"),
    ],
)
def test_dl_09_a_bad_query_value_is_refused_with_its_name(name: str, text: str) -> None:
    """A value that the parameter cannot have is refused, never guessed at."""
    with pytest.raises(Invalid) as caught:
        check_query([(name, text)], ListKeysQuery)

    assert [f"/{name}"] == pointers(caught)


def test_a_repeated_query_parameter_is_refused() -> None:
    """Of two values neither is chosen."""
    with pytest.raises(Invalid) as caught:
        check_query([("days", "3"), ("days", "4")], UsageQuery)

    assert ["/days"] == pointers(caught)
