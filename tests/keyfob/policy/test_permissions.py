from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.asgi.request_user import Scopes
from keyfob.policy.permissions import ADMIN_PERMISSIONS, Held, covers, is_grant, is_permission, missing

if TYPE_CHECKING:
    from collections.abc import Container

PERMISSIONS = [
    "items:read",
    "items:parts:read",
    "a:b",
    "guest_access:read",
    "x.y-z:0",
    "a:-",
    "a9:_",
    *ADMIN_PERMISSIONS,
]
WILDCARDS = ["*", "items:*", "items:parts:*", "a.b:*"]
NEITHER = [
    "",
    "items",
    "items:",
    ":read",
    "items::read",
    "items:read:",
    "Items:read",
    "items:Read",
    "1items:read",
    "items read",
    "items:read\n",
    "\nitems:read",
    "items:read ",
    "items:re*",
    "ite*:read",
    "items*",
    "items:*:read",
    "items:**",
    "*:read",
    ":*",
    "**",
    "*\n",
    "items:*\n",
    "ïtems:read",
    "items:read\u200b",
    "items:٣",
    "items:１",  # noqa: RUF001 (a full-width digit)
    "items:ſ",  # noqa: RUF001 (folds to an s)
]

COVERS = [
    ("items:read", "items:read"),
    ("items:*", "items:read"),
    ("items:*", "items:a:b"),
    ("items:*", "items:*"),
    ("items:*", "items:a:*"),
    ("items:a:*", "items:a:b"),
    ("*", "items:read"),
    ("*", "items:*"),
    ("*", "*"),
]
DOES_NOT_COVER = [
    ("items:read", "items:readall"),
    ("items:read", "items:rea"),
    ("items:read", "items:*"),
    ("items:read", "items:read:more"),
    ("items:read", "*"),
    ("items:*", "items"),
    ("items:*", "itemsx:read"),
    ("items:*", "item:read"),
    ("items:*", "other:items:read"),
    ("items:*", "*"),
    ("items:a:*", "items:*"),
    ("items:a:*", "items:a"),
    ("items:a:*", "items:ab:c"),
    ("items*", "items:read"),
    ("items:", "items:read"),
    ("", "items:read"),
]

part = st.text("ab.", min_size=1, max_size=2)
permission = st.lists(part, min_size=1, max_size=3).map(lambda parts: ":".join(["a", *parts]))
wildcard = st.one_of(st.just("*"), permission.map(lambda text: f"{text}:*"), st.just("a:*"))
grant = st.one_of(permission, wildcard)


@pytest.mark.parametrize("text", PERMISSIONS)
def test_a_permission_is_a_permission_and_a_grant(text: str) -> None:
    """What names one permission can be needed and can be held."""
    assert (True, True) == (is_permission(text), is_grant(text))


@pytest.mark.parametrize("text", WILDCARDS)
def test_a_wildcard_can_only_be_held(text: str) -> None:
    """A wildcard is a grant and never a permission, so that no rule can name one."""
    assert (False, True) == (is_permission(text), is_grant(text))


@pytest.mark.parametrize("text", NEITHER)
def test_anything_else_is_neither(text: str) -> None:
    """Other case, other letters, empty parts, stars inside and line ends make no permission and no grant."""
    assert (False, False) == (is_permission(text), is_grant(text))


@pytest.mark.parametrize(("held", "needed"), COVERS)
def test_pm_14_a_grant_covers_itself_and_what_its_wildcard_says(held: str, needed: str) -> None:
    """``prefix:*`` covers everything under ``prefix:``, ``*`` covers everything, all others themselves."""
    assert covers([held], needed)


@pytest.mark.parametrize(("held", "needed"), DOES_NOT_COVER)
def test_pm_14_a_grant_covers_nothing_more(held: str, needed: str) -> None:
    """Parts are compared whole, and only a wildcard covers a wildcard."""
    assert not covers([held], needed)


def test_nothing_covers_nothing() -> None:
    """A key without permissions covers no permission and no wildcard."""
    assert not any(covers((), needed) for needed in ["items:read", "items:*", "*"])


def test_one_string_is_not_a_collection_of_grants() -> None:
    """A bare string instead of a collection is an error, because ``in`` would look for a part of it."""
    with pytest.raises(TypeError, match="not one string"):
        covers("items:read", "items:read")


def covers_by_parts(held: str, needed: str) -> bool:
    """The rule of the contract once more, slowly: part by part."""
    if held in {"*", needed}:
        return True
    *parts, last = held.split(":")
    return last == "*" and parts == needed.split(":")[: len(parts)] and len(needed.split(":")) > len(parts)


@settings(deadline=None)
@given(st.lists(grant, max_size=4), grant)
def test_covering_agrees_with_comparing_part_by_part(held: list[str], needed: str) -> None:
    """The quick way through prefixes answers as the slow way through parts does."""
    assert any(covers_by_parts(one, needed) for one in held) == Held(held).covers(needed)


@settings(deadline=None)
@given(st.lists(grant, max_size=4), st.lists(grant, max_size=4))
def test_what_a_set_hands_on_covers_no_more_than_it_does(held: list[str], wanted: list[str]) -> None:
    """If nothing is missing, whatever the wanted grants cover is covered by the held ones: no escalation."""
    granted = [one for one in wanted if one not in missing(held, wanted)]
    reach = ["a:a", "a:b:a", "a:*", "a:a:*", "*"]

    assert [] == [needed for needed in reach if covers(granted, needed) and not covers(held, needed)]


def test_missing_lists_what_is_not_covered_once_and_in_order() -> None:
    """The list of what is missing can be shown to people as it is."""
    assert ("c:d", "a:*", "*") == missing(["a:b", "x:*"], ["c:d", "a:b", "x:y", "a:*", "c:d", "*"])


def test_sets_of_the_same_grants_are_equal() -> None:
    """Two prepared sets are equal when their grants are, whatever the order."""
    assert Held(["a:*", "b:c"]) == Held(("b:c", "a:*", "a:*"))
    assert Held(["a:*"]) != Held(["a:b"])


def test_scopes_answer_in_by_covering() -> None:
    """Starlette's ``@requires("items:read")`` lets a key pass that holds ``items:*``."""
    scopes: Container[object] = Scopes({"items:*", "a:b"})

    assert [True, False, False] == [needed in scopes for needed in ("items:read", "a:c", 7)]


def test_scopes_list_themselves_as_they_were_granted() -> None:
    """Looking through the scopes shows the grants themselves, sorted."""
    scopes = Scopes({"items:*", "a:b"})

    assert ["a:b", "items:*"] == list(scopes)
    assert (2, "items:*", ("a:b",)) == (len(scopes), scopes[-1], scopes[:1])
    assert "Scopes(['a:b', 'items:*'])" == repr(scopes)
