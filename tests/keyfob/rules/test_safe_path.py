from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.rules.safe_path import is_method, is_safe_path, is_safe_raw_path

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
    "/a:b",
    "/a#b",  # encoded on the way in; a raw one is judged in the raw path
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
    "/a;b=c",
    "/;/a",
    "/static/..;/admin",
    "/static/..;x=1/admin",
    "/a\ud800b",
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


WITH_PARAMETERS = ["/a;b=c", "/a;b=c/d", "/a;", "/a/b;x=1;y=2/", "/a/.b;c"]
NEVER = ["/static/..;/admin", "/..;x", "/.;/a", "/a/..;/b", "/;a/b", "/a/;", "/a;\n", "/a;/../b", "/a;//b"]


@pytest.mark.parametrize("path", WITH_PARAMETERS)
def test_path_parameters_can_be_allowed(path: str) -> None:
    """With path_parameters, a segment may hold a semicolon."""
    assert not is_safe_path(path)
    assert is_safe_path(path, path_parameters=True)


@pytest.mark.parametrize("path", NEVER)
def test_ff_04_a_path_parameter_hides_no_dot_segment_and_no_empty_one(path: str) -> None:
    """Path parameters let nothing else through: what is left without them must be safe, too."""
    assert not is_safe_path(path, path_parameters=True)


RAW_UNSAFE = [b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a%5Cb", b"/a%00b", b"/%20/%2f", b"/a%2f", b"%2f"]
RAW_UNSAFE += [b"/a%zz", b"/a%2", b"/%", b"/a%%41", b"/a%u002e", b"/a% 1", b"/a%c0%af", b"/a%ff", b"/a%ed%a0%80"]
RAW_UNSAFE += [b"/a%e2%82", b"/a#b", b"/a#", b"/a%41#?", b"/a\xff"]


@pytest.mark.cases("FF-04", "FF-70")
@pytest.mark.parametrize("raw", RAW_UNSAFE)
def test_what_is_decoded_differently_is_refused(raw: bytes) -> None:
    """Hidden separators, malformed escapes, escapes that are not UTF-8, and a raw "#" are refused."""
    assert not is_safe_raw_path(raw, encoded_slash=False)


RAW_SAFE = [
    b"/a%20b",
    b"/%C3%A9",
    b"/a%252fb",
    b"/a%2e",
    b"/a?next=%2fb",
    b"/a?%zz#",
    b"",
    b"/a%23b",
    b"/a",
    b"/a%EF%BF%BD",
]


@pytest.mark.parametrize("raw", [*RAW_SAFE, "/é".encode()])
def test_other_encodings_are_let_pass(raw: bytes) -> None:
    """Percent-encoding as such is harmless; what was encoded twice stays text, and a query is no path."""
    assert is_safe_raw_path(raw, encoded_slash=False)


def test_encoded_slashes_can_be_allowed() -> None:
    """With encoded_slash, %2f is the slash that it is in the decoded path, and nothing else is let pass with it."""
    assert is_safe_raw_path(b"/a%2fb", encoded_slash=True)
    assert not is_safe_raw_path(b"/a%2fb%5C", encoded_slash=True)
    assert not is_safe_raw_path(b"/a%2fb%00", encoded_slash=True)


METHODS = ["GET", "VERSION-CONTROL", "M-SEARCH", "BREW", "X_1", "A" * 32]
NO_METHODS = ["get", "Get", "", "A" * 33, "G T", "GET\n", "GÉT", "GET\u0131", "G\u212aT", "GET;", "G.T", "\uff27ET"]


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_written_in_capitals(method: str) -> None:
    """Upper-case letters, digits, hyphen and underscore, 32 at most, make a method."""
    assert is_method(method)


@pytest.mark.parametrize("method", NO_METHODS)
def test_ff_16_other_methods_are_none(method: str) -> None:
    """A router that takes "get" for GET would run what no rule for GET was asked about."""
    assert not is_method(method)


def as_the_contract_says(path: str) -> bool:
    """The rule in long hand."""
    segments = path.split("/")
    return (
        not any(ord(char) <= 0x1F or char in "\x7f\\;" for char in path)
        and not {".", ".."} & {*segments}
        and "" not in segments[1:-1]
    )


@given(st.text(alphabet="/.\\a%é\n\x7f\u00a0;"))
def test_the_quick_test_agrees_with_the_rule_in_long_hand(path: str) -> None:
    """Whatever the path, the short way and the long way answer alike."""
    assert as_the_contract_says(path) == is_safe_path(path)


@given(st.lists(st.sampled_from([b"%", b"2", b"f", b"F", b"5", b"c", b"C", b"0", b"/", b"a"])).map(b"".join))
def test_hidden_separators_are_found_wherever_they_stand(raw: bytes) -> None:
    """Whatever else is in raw_path, the three encodings are found and nothing else is."""
    hidden = re.search(rb"%(2[fF]|5[cC]|00)", raw)
    malformed = re.search(rb"%(?![0-9a-fA-F]{2})", raw)

    if hidden or malformed:
        assert not is_safe_raw_path(raw, encoded_slash=False)
