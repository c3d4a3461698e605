from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import Headers

from keyfob.errors import PreconditionFailed
from keyfob_admin.wire import Preconditions
from tests.keyfob_admin.api.conftest import KEYS, OTHER_TEAM

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin, Made

pytestmark = pytest.mark.both_engines
MATCHES = [None, "*", " * ", '"5"', '"4", "5"', '"5","7" ,', 'W/"5", "5"', '"a,b", "5"', '\t"5"\t']
FAILS = ['W/"5"', "5", '"05"', '""', '"x"', "", ",", '"4"', '"5" "6"', '"*"', "*, *", '"5', f'"{"9" * 40}"', 'w/"5"']


def wanted(**headers: str | None) -> Preconditions:
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return Preconditions.of(Headers(given))


@pytest.mark.parametrize("if_match", MATCHES)
def test_if_match_lets_the_present_strong_tag_pass(if_match: str | None) -> None:
    """The present tag, alone or in a list, `*` and no header at all let a change through."""
    wanted(if_match=if_match).check(5)


@pytest.mark.parametrize("if_match", FAILS)
def test_if_match_that_does_not_match_is_a_failed_precondition(if_match: str) -> None:
    """Weak, other and unreadable tags never let a change through."""
    with pytest.raises(PreconditionFailed):
        wanted(if_match=if_match).check(5)


def test_if_match_may_stand_on_several_lines() -> None:
    """Lines of one list header are one list (RFC 9110, section 5.3)."""
    headers = Headers(raw=[(b"if-match", b'"1"'), (b"if-match", b'"5"')])

    Preconditions.of(headers).check(5)


REASONS = {
    'W/"5"': 'the weak tag W/"5" never matches; send "5"',
    '"4", W/"5"': 'the weak tag W/"5" never matches; send "5"',
    "5": 'If-Match must be * or a list of entity tags in double quotes, as ETag gives them: write "5", not 5.',
    '"4", 5': 'write "5", not 5.',
    '"5': "If-Match must be * or a list of entity tags in double quotes, as ETag gives them.",
    '"4"': "The key was changed since you read it.",
}


@pytest.mark.parametrize("if_match", REASONS)
def test_ff_08_a_tag_that_cannot_match_says_what_is_wrong_with_it(if_match: str) -> None:
    """Weak and unquoted tags are not passed off as a change by somebody else."""
    with pytest.raises(PreconditionFailed) as caught:
        wanted(if_match=if_match).check(5)

    assert REASONS[if_match] in str(caught.value)


@pytest.mark.parametrize("tags", ["*", '"5"', 'W/"5"', '"4", W/"5"'])
def test_if_none_match_compares_weakly(tags: str) -> None:
    """What the caller already has is unchanged, whichever way its tag was written; a change is then refused."""
    assert wanted(if_none_match=tags).is_unchanged(5)
    with pytest.raises(PreconditionFailed):
        wanted(if_none_match=tags).check(5)


@pytest.mark.parametrize("tags", [None, "", '"4"', "5", '"5', "W/5"])
def test_if_none_match_that_names_something_else_changes_nothing(tags: str | None) -> None:
    """A read whose If-None-Match is another tag, or unreadable, is answered in full."""
    assert not wanted(if_none_match=tags).is_unchanged(5)


# ---------------------------------------------------------------- over HTTP

CHANGES = [("PATCH", ""), ("DELETE", ""), ("POST", "/disable"), ("POST", "/enable")]


def changed(admin: LiveAdmin, method: str) -> tuple[Made, str, str]:
    """A key that was changed after it was read, with the stale tag and the present one."""
    made = admin.make()
    verb = "disable" if method == "DELETE" else "enable"
    admin.call("PATCH", made.path, json={"name": "changed meanwhile"})
    if verb == "disable":
        admin.call("POST", f"{made.path}/disable")
    return made, made.body["etag"], admin.call("GET", made.path).headers["etag"]


@pytest.mark.parametrize(("method", "tail"), CHANGES)
def test_ff_08_a_stale_if_match_changes_nothing(live_admin: LiveAdmin, method: str, tail: str) -> None:
    """Every call that changes a key honours If-Match: 412 for a stale tag, and the key stays as it is."""
    made, stale, present = changed(live_admin, method)
    before = live_admin.call("GET", made.path).json()
    body: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

    for header in ({"If-Match": stale}, {"If-Match": f"W/{present}"}, {"If-Match": "7"}, {"If-None-Match": present}):
        answer = live_admin.call(method, made.path + tail, headers=header, **body)

        assert (412, "precondition_failed") == (answer.status_code, answer.json()["code"])
        assert before == live_admin.call("GET", made.path).json()


@pytest.mark.parametrize(("method", "tail"), CHANGES)
def test_ff_08_the_present_tag_lets_a_change_through(live_admin: LiveAdmin, method: str, tail: str) -> None:
    """With the present tag, in a list or as `*`, the change is made."""
    for form in ("{}", '"0", {}', "*"):
        made, _, present = changed(live_admin, method)
        body: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

        answer = live_admin.call(method, made.path + tail, headers={"If-Match": form.format(present)}, **body)

        assert answer.status_code in {200, 204}


@pytest.mark.parametrize(("method", "tail"), [*CHANGES, ("GET", "")])
def test_ff_08_a_missing_key_is_404_before_any_precondition(standing_admin: LiveAdmin, method: str, tail: str) -> None:
    """A key that never was, was deleted or is another team's is 404, whatever the preconditions say."""
    body: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}
    theirs = standing_admin.make(team=OTHER_TEAM)
    ours = standing_admin.make_admin("keys:read", "keys:write", "keys:delete").secret

    for path, by in ((f"{KEYS}/0000000000000000", None), (theirs.path, ours)):
        for header in ({"If-Match": '"0"'}, {"If-Match": "0"}, {"If-Match": "*"}, {"If-None-Match": "*"}):
            assert 404 == standing_admin.call(method, path + tail, by, headers=header, **body).status_code


def test_ff_08_what_fails_anyway_comes_before_a_precondition(live_admin: LiveAdmin) -> None:
    """A missing permission and a key that is still enabled are reported as without If-Match (RFC 9110, 13.2.1)."""
    made = live_admin.make()
    reader = live_admin.make_admin("keys:read").secret
    stale = {"If-Match": '"0"'}

    assert 403 == live_admin.call("DELETE", made.path, reader, headers=stale).status_code
    assert 409 == live_admin.call("DELETE", made.path, headers=stale).status_code


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ff_08_an_unchanged_key_is_304(live_admin: LiveAdmin, method: str) -> None:
    """If-None-Match with the present tag is 304 without a body, and 200 once the key was changed."""
    made = live_admin.make()
    header = {"If-None-Match": f"W/{made.body['etag']}"}

    unchanged = live_admin.call(method, made.path, headers=header)
    live_admin.call("PATCH", made.path, json={"name": "new"})
    after = live_admin.call(method, made.path, headers=header)

    assert (304, b"", made.body["etag"]) == (unchanged.status_code, unchanged.content, unchanged.headers["etag"])
    assert "no-store" == unchanged.headers["cache-control"]
    assert 200 == after.status_code
    assert made.body["etag"] != after.headers["etag"]


def test_ff_08_if_match_comes_before_if_none_match(live_admin: LiveAdmin) -> None:
    """A read with both is decided in the order of RFC 9110, section 13.2.2."""
    made = live_admin.make()

    answer = live_admin.call("GET", made.path, headers={"If-Match": '"0"', "If-None-Match": made.body["etag"]})

    assert 412 == answer.status_code
