from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.rules.safe_path import hides_separators, is_safe_path

SAFE = [
    "",
    "/",
    "/items",
    "/items/",
    "/items/42/parts",
    "/.well-known/x",
    "/...",
    "/a/..b",
    "/a/b..",
    "/a/.b/",
    "/a b",
    "/é/日本",
    "/a\u00a0b",
    "/a\u200bb",
    "/a%2fb",  # encoded twice on the way in: a text like any other, never decoded again
    "/%2e%2e/a",
    "/a;b=c",
    "/a:b",
    "*",
]

UNSAFE = [
    "/docs/private\n",
    "/docs/private\r",
    "/docs\n/private",
    "/\x00",
    "/a\x00.png",
    "/a\tb",
    "/a\x1bb",
    "/a\x1f",
    "/a\x7fb",
    "/a\\b",
    "\\",
    "/a\\..\\b",
    "//",
    "//a",
    "/a//b",
    "/a//",
    "///",
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/a/./b",
    "/a/../b",
    "/a/.",
    "/a/..",
    "/a/../",
    "..",
    ".",
    "../a",
    "./a",
    "http://example.com/items",
    "/a\u00a0b\n",
    "/\u200b/../a",
]


@pytest.mark.parametrize("path", SAFE)
def test_usual_paths_are_safe(path: str) -> None:
    """A path that everybody reads alike is judged by the rules."""
    assert is_safe_path(path)


@pytest.mark.parametrize("path", UNSAFE)
def test_pm_12_paths_that_could_be_read_in_two_ways_are_refused(path: str) -> None:
    """Control characters, backslashes, dot segments and empty segments never reach a rule."""
    assert not is_safe_path(path)


@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_every_control_character_is_refused(code: int) -> None:
    """All of U+0000 to U+001F and U+007F are refused, wherever they stand."""
    for path in (f"/{chr(code)}", f"/a{chr(code)}b", f"/a{chr(code)}", f"{chr(code)}/a", f"/é\u2028{chr(code)}"):
        assert not is_safe_path(path)


@pytest.mark.parametrize("raw", [b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a%5Cb", b"/a%00b", b"/%20/%2f", b"/a%2f", b"%2f"])
def test_hidden_separators_are_refused(raw: bytes) -> None:
    """A slash, a backslash or NUL behind percent-encoding is refused, in either case of the letters."""
    assert hides_separators(raw, encoded_slash=False)


@pytest.mark.parametrize("raw", [b"/a%20b", b"/%C3%A9", b"/a%252fb", b"/a%2", b"/%", b"/a%2e", b"/a?next=%2fb", b""])
def test_other_encodings_are_let_pass(raw: bytes) -> None:
    """Percent-encoding as such is harmless; what was encoded twice stays text, and a query is no path."""
    assert not hides_separators(raw, encoded_slash=False)


def test_encoded_slashes_can_be_allowed() -> None:
    """With encoded_slash, %2f is the slash that it is in the decoded path, and nothing else is let pass with it."""
    assert not hides_separators(b"/a%2fb", encoded_slash=True)
    assert hides_separators(b"/a%2fb%5C", encoded_slash=True)
    assert hides_separators(b"/a%2fb%00", encoded_slash=True)


def as_the_contract_says(path: str) -> bool:
    """The rule in long hand."""
    segments = path.split("/")
    return (
        not any(ord(char) <= 0x1F or char in "\x7f\\" for char in path)
        and not {".", ".."} & {*segments}
        and "" not in segments[1:-1]
    )


@given(st.text(alphabet="/.\\a%é\n\x7f\u00a0"))
def test_the_quick_test_agrees_with_the_rule_in_long_hand(path: str) -> None:
    """Whatever the path, the short way and the long way answer alike."""
    assert as_the_contract_says(path) == is_safe_path(path)


@given(st.lists(st.sampled_from([b"%", b"2", b"f", b"F", b"5", b"c", b"C", b"0", b"/", b"a"])).map(b"".join))
def test_hidden_separators_are_found_wherever_they_stand(raw: bytes) -> None:
    """Whatever else is in raw_path, the three encodings are found and nothing else is."""
    expected = re.search(rb"%(2[fF]|5[cC]|00)", raw) is None

    assert expected == (not hides_separators(raw, encoded_slash=False))
