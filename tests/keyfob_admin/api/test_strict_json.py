from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob_admin.problems import Problem
from keyfob_admin.wire import parse

GOOD = {
    b"{}": {},
    b'{"a": [1, 2.5, true, null, "x"]}': {"a": [1, 2.5, True, None, "x"]},
    '{"name": "Zoë 😀"}'.encode(): {"name": "Zoë 😀"},
    rb'{"pair": "\ud83d\ude00"}': {"pair": "😀"},
    rb'{"brackets": "[[[[{{{{\"]]"}': {"brackets": '[[[[{{{{"]]'},
    b"[" * 32 + b"]" * 32: None,
    b'{"a": {"x": 1}, "b": {"x": 2}}': {"a": {"x": 1}, "b": {"x": 2}},
}
BAD = [
    b"",
    b"{",
    b"nonsense",
    b'{"a": 1} {"b": 2}',
    b'{"a": 1,}',
    b"{'a': 1}",
    b'{"a": 1, "a": 1}',
    b'{"deep": [{"a": 1, "\\u0061": 2}]}',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}",
    rb'{"a": "\ud800"}',
    rb'{"a": "\udc00\ud800"}',
    b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}',
    b'{"a": 1}\xef\xbb\xbf',
    b"\xef\xbb\xbf",
    b" \r\n\t",
    b'{"a": "\xff"}',
    b'{"a": "\x00"}',
    '{"a": 1}'.encode("utf-16"),
    b"[" * 33 + b"]" * 33,
    b"[[" * 10_000 + b"1",
    b'{"a":' * 10_000,
    b'["\\' * 20_000,
    b'"' + b"\\" * 60_000,
]


@pytest.mark.parametrize("body", GOOD)
def test_json_that_means_one_thing_is_read(body: bytes) -> None:
    """Every JSON text that has one meaning is read as that."""
    expected = GOOD[body]

    read = parse(body)

    assert expected in (read, None)


@pytest.mark.parametrize("body", BAD, ids=[f"{at}-{body[:16]!r}" for at, body in enumerate(BAD)])
def test_aa_11_json_that_could_mean_two_things_is_refused(body: bytes) -> None:
    """Whatever is not strict JSON is a 400 with one code, and no RecursionError."""
    with pytest.raises(Problem) as caught:
        parse(body)

    assert (400, "invalid_json") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("text", ['{"name": "Zoë"}', " {}\r\n", '["\ufeff"]'])
def test_ff_32_a_byte_order_mark_at_the_start_is_ignored(text: str) -> None:
    """A body that .NET or PowerShell wrote is read as if the mark were not there; inside a string it stays."""
    assert json.loads(text) == parse(text.encode("utf-8-sig"))


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0d8ae1 ', max_size=60).map(str.encode))
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    """Bytes at random are read or refused, and nothing else happens."""
    with suppress(Problem):
        parse(body)
